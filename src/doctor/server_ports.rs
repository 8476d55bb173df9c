//! Where Resound listens, as far as files show it, and whether a port and a scheme fit together.
//!
//! Owns the rule for both, which PHP's settings and those of pages share.

use super::env_file::LaravelEnv;
use super::setup::Setup;
use crate::config::{Config, ListenAddress};

/// The addresses of Resound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerPorts {
    pub(super) ports: Vec<u16>,
    /// Those of `http.listen`, if the HTTP API is answered nowhere else.
    pub(super) api: Vec<u16>,
    /// Whether a connection with TLS is served, and one without.
    pub(super) tls: ServedTls,
    /// What says so.
    pub(super) known_from: String,
}

/// What Resound serves on its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServedTls {
    Without,
    Both,
    Only,
}

/// Why a scheme and a port do not fit, and the scheme that does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SchemeFlaw {
    pub(super) says: String,
    pub(super) scheme: &'static str,
}

impl ServerPorts {
    /// As the configuration has it, else as `serve --env-file` would listen.
    pub(super) fn of(setup: &Setup) -> Self {
        match &setup.config {
            Some(Ok(config)) => Self::of_config(config),
            _ => Self::of_env(setup.env()),
        }
    }

    fn of_config(config: &Config) -> Self {
        let ports = |addresses: &[ListenAddress]| -> Vec<u16> {
            let ports = addresses.iter().filter_map(|address| match address {
                ListenAddress::Ip(address) => Some(address.port()),
                ListenAddress::Unix { .. } => None,
            });
            ports.collect()
        };
        // Sockets are served at those of `http.listen` too.
        let api = ports(&config.listen.api);
        let ports = [ports(&config.listen.server), api.clone()].concat();
        let tls = match &config.tls {
            None => ServedTls::Without,
            Some(tls) if tls.required => ServedTls::Only,
            Some(_) => ServedTls::Both,
        };
        Self { ports, api, tls, known_from: "the configuration of Resound".to_owned() }
    }

    fn of_env(env: Option<&LaravelEnv>) -> Self {
        let port =
            env.and_then(|env| env.text("REVERB_SERVER_PORT")).and_then(|port| port.parse().ok());
        let known_from = match port {
            Some(_) => "REVERB_SERVER_PORT".to_owned(),
            None => "the default".to_owned(),
        };
        Self {
            ports: vec![port.unwrap_or(8080)],
            api: Vec::new(),
            tls: ServedTls::Without,
            known_from,
        }
    }

    /// The flaw of a destination, if it certainly has one.
    pub(super) fn flaw(&self, scheme: &str, port: u16) -> Option<SchemeFlaw> {
        let is_ours = self.ports.contains(&port);
        let flaw = |says: String, scheme| Some(SchemeFlaw { says, scheme });
        match (scheme, port, self.tls) {
            ("http", 443, _) if !is_ours || self.tls == ServedTls::Only => {
                flaw("port 443 is for https".to_owned(), "https")
            }
            ("https", 80, _) if !is_ours || self.tls == ServedTls::Without => {
                flaw("port 80 is for http".to_owned(), "http")
            }
            ("https", port, ServedTls::Without) if is_ours => {
                flaw(format!("Resound listens on port {port} without TLS"), "http")
            }
            ("http", port, ServedTls::Only) if is_ours => {
                flaw(format!("Resound serves port {port} with TLS only"), "https")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ServedTls, ServerPorts};

    #[test]
    fn only_what_cannot_work_is_a_flaw() {
        let listening = |ports: &[u16], tls| ServerPorts {
            ports: ports.to_vec(),
            api: Vec::new(),
            tls,
            known_from: String::new(),
        };
        for (ports, tls, scheme, port, fits) in [
            (8080, ServedTls::Without, "http", 8080, None),
            (8080, ServedTls::Without, "https", 443, None),
            (8080, ServedTls::Without, "http", 80, None),
            (8080, ServedTls::Without, "https", 8443, None),
            (8080, ServedTls::Without, "https", 8080, Some("http")),
            (8080, ServedTls::Both, "https", 8080, None),
            (8080, ServedTls::Both, "http", 8080, None),
            (8080, ServedTls::Only, "http", 8080, Some("https")),
            (8080, ServedTls::Without, "http", 443, Some("https")),
            (8080, ServedTls::Without, "https", 80, Some("http")),
            (443, ServedTls::Both, "http", 443, None),
        ] {
            let flaw = listening(&[ports], tls).flaw(scheme, port);
            assert_eq!(flaw.map(|flaw| flaw.scheme), fits, "{ports} {tls:?} {scheme} {port}");
        }
    }
}
