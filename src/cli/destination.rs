//! Which app of the configuration is meant, and where the server is.
//!
//! Owns the messages for both. Knows nothing of what is sent there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::app::App;
use crate::config::{Config, Problem};
use crate::load::Target;

/// The app `flag` names, or the only one.
pub(super) fn choose<'a>(
    config: &'a Config,
    flag: &str,
    id: Option<&str>,
) -> Result<&'a App, Problem> {
    let mut ids: Vec<&str> = config.apps.iter().map(|app| app.id.as_str()).collect();
    ids.sort_unstable();
    let id = match (id, ids.as_slice()) {
        (Some(id), _) => id,
        (None, [only]) => only,
        (None, _) => {
            let ids = ids.join(", ");
            return Err(Problem::new(format!("flag {flag} is missing; the apps are {ids}")));
        }
    };
    let app = config.apps.by_id(id).map(|app| &**app);
    app.ok_or_else(|| {
        Problem::new(format!("flag {flag} is {id:?}; the apps are {}", ids.join(", ")))
    })
}

/// Where the configuration says the server listens; "everywhere" is reached through loopback.
pub(super) fn listening(config: &Config) -> Target {
    let ip = match config.server.host {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let prefix = config.server.path.clone();
    Target { host: ip.to_string(), port: config.server.port, prefix }
}

/// The target of `--url`.
pub(super) fn at(url: &str) -> Result<Target, Problem> {
    Target::parse(url).map_err(|reason| Problem::new(format!("flag --url is {url:?}; {reason}")))
}
