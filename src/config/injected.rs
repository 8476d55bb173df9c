//! Variables that Kubernetes and Docker set beside a service or link whose name begins like our
//! own variables: a Service `resound` gives `RESOUND_PORT=tcp://10.0.0.1:8080` to every pod.
//!
//! Owns their shape, in name and value. Variables that a person may have set do not
//! have it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// How the variables begin that the configuration reads or names.
const PREFIXES: [&str; 6] = ["RESOUND_", "REVERB_", "REDIS_", "PUSHER_", "SOKETI_", "SOCKUDO_"];

const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// The names of all injected variables.
pub(super) fn injected(variables: &BTreeMap<String, String>) -> Vec<String> {
    let names = variables.keys().filter(|name| PREFIXES.iter().any(|ours| name.starts_with(ours)));
    names.filter(|name| is_injected(name, variables)).cloned().collect()
}

fn is_injected(name: &str, variables: &BTreeMap<String, String>) -> bool {
    let value = variables.get(name).map(|value| value.trim()).unwrap_or_default();
    of_service(name, value) || of_port(name, value) || of_link(name, value, variables)
}

/// `X_SERVICE_HOST`, `X_SERVICE_PORT` and `X_SERVICE_PORT_HTTP`.
fn of_service(name: &str, value: &str) -> bool {
    match after(name, "_SERVICE_").next() {
        Some("HOST") => is_address(value),
        Some(rest) if rest == "PORT" || rest.starts_with("PORT_") => is_number(value),
        _ => false,
    }
}

/// `X_PORT`, `X_PORT_8080_TCP` and what follows it. Docker sets the parts with START and END for a
/// range of ports.
fn of_port(name: &str, value: &str) -> bool {
    if name.ends_with("_PORT") && is_url(value) {
        return true;
    }
    after(name, "_PORT_").any(|rest| {
        let mut parts = rest.splitn(3, '_');
        let (number, protocol) = (parts.next(), parts.next().map(str::to_ascii_lowercase));
        let is_port = number.is_some_and(is_number)
            && protocol.is_some_and(|word| PROTOCOLS.contains(&word.as_str()));
        is_port
            && match parts.next() {
                None | Some("START" | "END") => is_url(value),
                Some("PROTO") => PROTOCOLS.contains(&value),
                Some("PORT" | "PORT_START" | "PORT_END") => is_number(value),
                Some("ADDR") => is_address(value),
                Some(_) => false,
            }
    })
}

/// Docker's `X_NAME=/web/x` and `X_ENV_…`, the environment of the other container: any value, so
/// only beside an `X_PORT` of the same link.
fn of_link(name: &str, value: &str, variables: &BTreeMap<String, String>) -> bool {
    let is_linked = |alias: &str| {
        variables.get(&format!("{alias}_PORT")).is_some_and(|value| is_url(value.trim()))
    };
    let is_name =
        name.strip_suffix("_NAME").is_some_and(|alias| value.starts_with('/') && is_linked(alias));
    is_name || name.match_indices("_ENV_").any(|(at, _)| is_linked(&name[..at]))
}

/// What stands behind each occurrence of `part`.
fn after<'a>(name: &'a str, part: &'a str) -> impl Iterator<Item = &'a str> {
    name.match_indices(part).map(|(at, part)| &name[at + part.len()..])
}

/// `tcp://10.0.0.1:8080`: always an address, never a name.
fn is_url(value: &str) -> bool {
    let parts = value.split_once("://");
    parts.is_some_and(|(protocol, address)| {
        PROTOCOLS.contains(&protocol) && address.parse::<SocketAddr>().is_ok()
    })
}

fn is_address(value: &str) -> bool {
    value.parse::<IpAddr>().is_ok()
}

fn is_number(value: &str) -> bool {
    value.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::injected;

    fn names(variables: &[(&str, &str)]) -> Vec<String> {
        injected(&variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    fn check(variables: &[(&str, &str)], all: bool) {
        let mut expected: Vec<_> = variables.iter().map(|(name, _)| (*name).to_owned()).collect();
        expected.sort();
        assert_eq!(names(variables), if all { expected } else { Vec::new() });
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_is_injected() {
        for service in ["RESOUND", "RESOUND_SERVER", "REVERB", "REVERB_SERVER", "REDIS"] {
            for (address, url) in
                [("10.0.0.1", "tcp://10.0.0.1:8080"), ("fd00::1", "tcp://[fd00::1]:8080")]
            {
                let variables = [
                    ("SERVICE_HOST", address),
                    ("SERVICE_PORT", "8080"),
                    ("SERVICE_PORT_HTTP", "8080"),
                    ("SERVICE_PORT_WEB_SOCKET", "8080"),
                    ("PORT", url),
                    ("PORT_8080_TCP", url),
                    ("PORT_8080_TCP_PROTO", "tcp"),
                    ("PORT_8080_TCP_PORT", "8080"),
                    ("PORT_8080_TCP_ADDR", address),
                    ("PORT_53_UDP", "udp://10.0.0.1:53"),
                    ("PORT_53_UDP_PROTO", "udp"),
                ]
                .map(|(name, value)| (format!("{service}_{name}"), value));
                check(&variables.each_ref().map(|(name, value)| (name.as_str(), *value)), true);
            }
        }
    }

    #[test]
    fn what_docker_sets_for_a_link_is_injected() {
        check(
            &[
                ("RESOUND_PORT", "tcp://172.17.0.2:8080"),
                ("RESOUND_NAME", "/web/resound"),
                ("RESOUND_ENV_PATH", "/usr/bin:/bin"),
                ("RESOUND_ENV_RESOUND_LOG_LEVEL", "info"),
                ("RESOUND_PORT_8080_TCP_START", "tcp://172.17.0.2:8080"),
                ("RESOUND_PORT_8080_TCP_END", "tcp://172.17.0.2:8090"),
                ("RESOUND_PORT_8080_TCP_PORT_START", "8080"),
                ("RESOUND_PORT_8080_TCP_PORT_END", "8090"),
            ],
            true,
        );
    }

    #[test]
    fn what_a_person_may_have_written_is_not() {
        for variable in [
            ("RESOUND_PORT", "8080"),
            ("RESOUND_PORT", "tcp://resound:8080"),
            ("RESOUND_PORT", "tcp://10.0.0.1"),
            ("RESOUND_SERVER_PORT", "8080"),
            ("RESOUND_SERVER_PORT", "http://10.0.0.1:8080"),
            ("RESOUND_SERVICE_HOST", "0.0.0.0:80"),
            ("RESOUND_SERVICE_HOST", "resound"),
            ("RESOUND_SERVICE_PORT", "http"),
            ("RESOUND_SERVICE_NAME", "resound"),
            ("RESOUND_PORT_8080_TCP", "8080"),
            ("RESOUND_PORT_HTTP_TCP", "tcp://10.0.0.1:8080"),
            ("RESOUND_NAME", "/web/resound"),
            ("RESOUND_ENV_PATH", "/bin"),
            ("REDIS_HOST", "tcp://10.0.0.1:6379"),
            ("REDIS_URL", "tcp://10.0.0.1:6379"),
            ("REDIS_PORT", "6379"),
            ("REVERB_PORT", "443"),
            ("OTHER_PORT", "tcp://10.0.0.1:8080"),
        ] {
            check(&[variable], false);
        }
    }
}
