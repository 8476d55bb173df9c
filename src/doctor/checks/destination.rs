//! Checks of where Laravel sends events: host, port and scheme in `.env`.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::env_file::LaravelEnv;
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::laravel_app::LaravelApp;
use crate::doctor::queue_place::is_local;
use crate::doctor::server_ports::ServerPorts;
use crate::doctor::setup::Setup;

pub(super) const CHECKS: [SetupCheck; 4] = [
    SetupCheck {
        id: "R006",
        title: "Hosts in .env are destinations.",
        looks_at: "`REVERB_HOST`, `PUSHER_HOST`, and the same behind `VITE_` and `MIX_`",
        says: &[
            "… is an address to listen on, not a destination: nothing can connect to it.",
            "… has more than a host name.",
            "REVERB_HOST is not set, so Laravel sends events to pusher.com.",
        ],
        change: "the host: the name that browsers and PHP connect to",
        needs: &["R002"],
        method: Method::Look(destinations),
    },
    SetupCheck {
        id: "R007",
        title: "REVERB_SERVER_* is where the server listens, REVERB_* where others connect to.",
        looks_at: "`REVERB_SERVER_HOST`, `REVERB_SERVER_PORT`, `REVERB_HOST`, `REVERB_PORT`",
        says: &[
            "REVERB_SERVER_HOST is the address to listen on, but has the name ….",
            "REVERB_SERVER_PORT and REVERB_PORT are mixed up: the server would listen on …, and others connect to ….",
        ],
        change: "the four lines",
        needs: &["R006"],
        method: Method::Look(not_mixed_up),
    },
    SetupCheck {
        id: "R010",
        title: "The scheme fits the port.",
        looks_at: "`REVERB_SCHEME` and `REVERB_PORT`, or those of Pusher; `[tls]` and the ports of `--config`",
        says: &["Laravel would use … on port …, but …."],
        change: "the scheme or the port",
        needs: &["R006", "R007"],
        method: Method::Look(scheme_fits),
    },
    SetupCheck {
        id: "R011",
        title: "A port of this machine is one on which something listens.",
        looks_at: "`REVERB_PORT`, if `REVERB_HOST` is this machine; the ports of Resound",
        says: &[
            "Laravel would send events to …, where nothing listens; Resound listens on ….",
            "Laravel would send events to …, where Resound answers no HTTP API; http.listen has port ….",
        ],
        change: "the port",
        needs: &["R001", "R010"],
        method: Method::Look(port_is_used),
    },
];

/// This machine answers at once.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

const ANY_ADDRESS: [&str; 4] = ["0.0.0.0", "::", "[::]", "*"];

fn without_env() -> CheckOutcome {
    CheckOutcome::Inapplicable("there is no .env".to_owned())
}

fn destinations(setup: &Setup) -> CheckOutcome {
    let (Some(app), Some(env)) = (&setup.app, setup.env()) else { return without_env() };
    let host = app.name("HOST");
    let is_missing = app.prefix() == "REVERB" && env.text(&host).is_none();
    if is_missing && env.value("REVERB_APP_KEY").is_some() {
        let says = "REVERB_HOST is not set, so Laravel sends events to pusher.com.";
        let finding = Finding::fail(says).seen(env.seen(&host));
        return CheckOutcome::Found(vec![finding.change(env.set(&host, &proposed_host(env)))]);
    }
    let names = [host.clone(), format!("VITE_{host}"), format!("MIX_{host}")];
    let set: Vec<(&String, String)> =
        names.iter().filter_map(|name| Some((name, env.vite(name)?))).collect();
    let (any, other): (Vec<_>, Vec<_>) =
        set.iter().partition(|(_, value)| ANY_ADDRESS.contains(&value.as_str()));
    let mut findings = Vec::new();
    if let Some((_, address)) = any.first() {
        let says = format!(
            "{address} is an address to listen on, not a destination: nothing can connect to it."
        );
        let seen = any.iter().map(|(name, _)| env.seen(name));
        let mut finding = seen.fold(Finding::fail(says), Finding::seen);
        for (name, _) in any.iter().filter(|(name, _)| is_literal(env, name)) {
            finding = finding.change(env.set(name, &proposed_host(env)));
        }
        findings.push(finding);
    }
    for (name, value) in other {
        let bare = bare_host(value);
        if bare != value {
            findings.push(
                Finding::fail(format!("{name} has more than a host name."))
                    .seen(env.seen(name))
                    .change(env.set(name, bare)),
            );
        }
    }
    CheckOutcome::of(findings, vec![env.seen(&host)])
}

/// Whether a line has a value of its own, and no reference to another one.
fn is_literal(env: &LaravelEnv, name: &str) -> bool {
    env.variables.get(name).is_some_and(|variable| !env.written(variable).contains("${"))
}

/// A host without scheme, port and path.
fn bare_host(value: &str) -> &str {
    let host = value.split_once("://").map_or(value, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or(host);
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.parse::<u16>().is_ok() => name,
        _ => host,
    }
}

/// The host of the pages, which is where most servers are.
fn proposed_host(env: &LaravelEnv) -> String {
    let host = env.text("APP_URL").map(bare_host).filter(|host| !host.is_empty());
    let served = env.text("REVERB_SERVER_HOST").filter(|host| is_name(host));
    format!("\"{}\"", served.or(host).unwrap_or("localhost"))
}

/// Whether it is a host name with a dot, and no address.
fn is_name(host: &str) -> bool {
    host.contains('.') && host.chars().any(char::is_alphabetic) && !host.contains(':')
}

fn not_mixed_up(setup: &Setup) -> CheckOutcome {
    let Some(env) = setup.env() else { return without_env() };
    let mut findings = Vec::new();
    if let Some(host) = env.text("REVERB_SERVER_HOST").filter(|host| is_name(host)) {
        findings.push(
            Finding::fail(format!(
                "REVERB_SERVER_HOST is the address to listen on, but has the name {host}."
            ))
            .seen(env.seen("REVERB_SERVER_HOST"))
            .seen(env.seen("REVERB_HOST"))
            .change(env.set("REVERB_SERVER_HOST", "0.0.0.0"))
            .change(env.set("REVERB_HOST", &format!("\"{host}\""))),
        );
    }
    let port = |name: &str| env.text(name).and_then(|port| port.parse::<u16>().ok());
    let (server, public) = (port("REVERB_SERVER_PORT"), port("REVERB_PORT"));
    let is_web = |port: u16| matches!(port, 80 | 443);
    let serves_itself =
        matches!(&setup.config, Some(Ok(config)) if config.server.port == server.unwrap_or(0));
    if let (Some(server), Some(public)) = (server, public)
        && is_web(server)
        && !is_web(public)
        && !serves_itself
    {
        findings.push(
            Finding::fail(format!(
                "REVERB_SERVER_PORT and REVERB_PORT are mixed up: the server would listen on {server}, and \
                 others connect to {public}."
            ))
            .seen(env.seen("REVERB_SERVER_PORT"))
            .seen(env.seen("REVERB_PORT"))
            .change(env.set("REVERB_SERVER_PORT", &public.to_string()))
            .change(env.set("REVERB_PORT", &server.to_string())),
        );
    }
    CheckOutcome::of(findings, Vec::new())
}

/// The scheme, host and port with which Laravel reaches the server.
struct Target {
    scheme: String,
    host: String,
    port: u16,
}

/// As `config/broadcasting.php` has them; without a host it is pusher.com.
fn target(app: &LaravelApp, env: &LaravelEnv) -> Option<Target> {
    let text = |setting: &str| env.text(&app.name(setting)).map(str::to_owned);
    let port = match text("PORT") {
        Some(port) => port.parse().ok()?,
        None => 443,
    };
    let scheme = text("SCHEME").unwrap_or_else(|| "https".to_owned());
    Some(Target { scheme, host: text("HOST")?, port })
}

fn scheme_fits(setup: &Setup) -> CheckOutcome {
    let (Some(app), Some(env)) = (&setup.app, setup.env()) else { return without_env() };
    let Some(Target { scheme, port, .. }) = target(app, env) else {
        return CheckOutcome::Inapplicable("the .env has no host".to_owned());
    };
    let listening = ServerPorts::of(setup);
    let (scheme_name, port_name) = (app.name("SCHEME"), app.name("PORT"));
    let Some(flaw) = listening.flaw(&scheme, port) else {
        return CheckOutcome::Passed(vec![env.seen(&scheme_name), env.seen(&port_name)]);
    };
    let says = format!("Laravel would use {scheme} on port {port}, but {}.", flaw.says);
    let finding = Finding::fail(says)
        .seen(env.seen(&scheme_name))
        .seen(env.seen(&port_name))
        .seen(format!("Resound: port {}, from {}", shown(&listening.ports), listening.known_from));
    CheckOutcome::Found(vec![finding.change(env.set(&scheme_name, flaw.scheme))])
}

fn shown(ports: &[u16]) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

fn port_is_used(setup: &Setup) -> CheckOutcome {
    let (Some(app), Some(env)) = (&setup.app, setup.env()) else { return without_env() };
    let Some(Target { host, port, .. }) = target(app, env).filter(|target| is_local(&target.host))
    else {
        return CheckOutcome::Inapplicable("the host is not this machine".to_owned());
    };
    let listening = ServerPorts::of(setup);
    if let Some(api) = listening.api.first()
        && listening.ports.contains(&port)
        && !listening.api.contains(&port)
    {
        let name = app.name("PORT");
        let finding = Finding::fail(format!(
            "Laravel would send events to {host}:{port}, where Resound answers no HTTP API; http.listen has port {api}."
        ));
        let finding = finding.seen(env.seen(&name)).change(env.set(&name, &api.to_string()));
        return CheckOutcome::Found(vec![finding]);
    }
    if listening.ports.contains(&port) || answers(&host, port) {
        return CheckOutcome::Passed(vec![env.seen(&app.name("PORT"))]);
    }
    let ports = shown(&listening.ports);
    let name = app.name("PORT");
    let finding = Finding::fail(format!(
        "Laravel would send events to {host}:{port}, where nothing listens; Resound listens on {ports}."
    ))
    .seen(env.seen(&name))
    .seen(format!("Resound: port {ports}, from {}", listening.known_from));
    let remedy = match listening.ports.first() {
        Some(port) => env.set(&name, &port.to_string()),
        None => Remedy::advice("an address in server.listen"),
    };
    CheckOutcome::Found(vec![finding.change(remedy)])
}

fn answers(host: &str, port: u16) -> bool {
    let addresses = (host.trim_matches(['[', ']']), port).to_socket_addrs();
    let mut addresses = addresses.into_iter().flatten();
    addresses
        .any(|address: SocketAddr| TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).is_ok())
}
