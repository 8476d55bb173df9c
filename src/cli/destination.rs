//! The app of the configuration that a command uses, and the address of the server.
//!
//! Owns the messages for both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use resound::app::App;
use resound::config::Config;
use resound_load::{Credentials, Target};

use super::failure::Failure;

/// The app `flag` names, or the only one.
pub(super) fn choose<'a>(
    config: &'a Config,
    flag: &str,
    id: Option<&str>,
) -> Result<&'a App, Failure> {
    let mut ids: Vec<&str> = config.apps.iter().map(|app| app.id.as_str()).collect();
    ids.sort_unstable();
    let id = match (id, ids.as_slice()) {
        (Some(id), _) => id,
        (None, [only]) => only,
        (None, _) => {
            let ids = ids.join(", ");
            return Err(Failure::Flag(format!("{flag} is missing; the apps are {ids}")));
        }
    };
    let app = config.apps.by_id(id).map(|app| &**app);
    app.ok_or_else(|| Failure::Flag(format!("{flag} is {id:?}; the apps are {}", ids.join(", "))))
}

/// The credentials that sign for an app.
pub(super) fn credentials(app: &App) -> Credentials {
    Credentials::new(&app.id, &app.key, app.secret.reveal())
}

/// The address of the configuration; an unspecified one is reached through loopback.
pub(super) fn listening(config: &Config) -> Target {
    let ip = match config.server.host {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let prefix = config.server.path.clone();
    Target { host: ip.to_string(), port: config.server.port, prefix, tls: None }
}
