//! Checks of the way to the public URL: its name, its addresses, its port, and whether TLS is where it should be.

use std::net::IpAddr;

use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::destinations::{Destination, Place};
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::setup::Setup;
use crate::network_fault::NetworkFault;
use crate::probe::{Dialled, Handshake, HttpAnswer, ProbeError};

pub(super) const CHECKS: [SetupCheck; 4] = [
    SetupCheck {
        id: "R060",
        title: "The name of the public URL has an address.",
        looks_at: "A and AAAA records of the name in `--url`, `VITE_REVERB_HOST` or `REVERB_HOST`",
        says: &["… has no address.", "… leads to …, which no browser can reach."],
        change: "the DNS record, or the name in the setting",
        needs: &["R001", "R006", "R010", "R011", "R013"],
        method: Method::Ask(|setup| Box::pin(async move { has_address(&setup).await })),
    },
    SetupCheck {
        id: "R061",
        title: "The port of the public URL accepts connections.",
        looks_at: "a TCP connection to each address of the name",
        says: &[
            "Nothing listens on …, where browsers connect to.",
            "No connection to … can be opened: …",
        ],
        change: "the port in the setting, or start the proxy",
        needs: &["R050", "R060"],
        method: Method::Ask(|setup| Box::pin(async move { accepts(&setup).await })),
    },
    SetupCheck {
        id: "R062",
        title: "IPv4 and IPv6 both lead to the server.",
        looks_at: "a TCP connection to each address of the name",
        says: &[
            "… of … cannot be reached: browsers that choose it wait, or give up.",
            "… has IPv6 addresses only: browsers in networks without IPv6 cannot reach it.",
        ],
        change: "the DNS record of that address, or the listen line of the proxy",
        needs: &["R061"],
        method: Method::Ask(|setup| Box::pin(async move { both_families(&setup).await })),
    },
    SetupCheck {
        id: "R063",
        title: "The port speaks TLS where the scheme is https, and does not where it is http.",
        looks_at: "the first bytes that the port answers",
        says: &[
            "… answers without TLS, and the scheme is https.",
            "… answers with TLS, and the scheme is http.",
            "… answers neither with TLS nor with HTTP: …",
        ],
        change: "the scheme or the port in the setting",
        needs: &["R061"],
        method: Method::Ask(|setup| Box::pin(async move { right_scheme(&setup).await })),
    },
];

/// Why the public URL is not looked at.
pub(super) fn no_url() -> CheckOutcome {
    let text = "no public URL is known; --url names it";
    CheckOutcome::Inapplicable(text.to_owned())
}

async fn has_address(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let Some(at) = network.destinations.at(Place::Public) else { return no_url() };
    judge_names(at, network.names(Place::Public, at).await)
}

fn judge_names(at: &Destination, names: &Result<Vec<IpAddr>, ProbeError>) -> CheckOutcome {
    let host = &at.url.host;
    let names = match names {
        Ok(names) => names,
        Err(error) => {
            let remedy = format!("the DNS record of {host}, or the name in {}", at.named_by);
            let finding = Finding::fail(format!("{host} has no address."))
                .seen(error.to_string())
                .change(Remedy::advice(remedy));
            return CheckOutcome::Found(vec![finding]);
        }
    };
    let shown = names.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
    // A literal address is what its author wrote; only a name may lead elsewhere than meant.
    let is_name = host.parse::<IpAddr>().is_err() && host != "localhost";
    let findings = names.iter().filter(|ip| is_name && ip.is_unspecified()).map(|ip| {
        Finding::fail(format!("{host} leads to {ip}, which no browser can reach."))
            .change(Remedy::advice(format!("the DNS record of {host}")))
    });
    let kinds = names.iter().filter_map(|ip| kind(*ip)).collect::<Vec<_>>();
    let mut seen = vec![format!("{host}: {shown}")];
    if let Some(kind) = kinds.first().filter(|_| is_name) {
        seen.push(format!("{kind}: reached from the same network only"));
    }
    CheckOutcome::of(findings.collect(), seen)
}

/// Addresses that the internet does not route.
fn kind(ip: IpAddr) -> Option<&'static str> {
    match ip {
        _ if ip.is_loopback() => Some("a loopback address"),
        IpAddr::V4(ip) if ip.is_private() || ip.is_link_local() => Some("a private address"),
        IpAddr::V6(ip) if ip.is_unique_local() || ip.is_unicast_link_local() => {
            Some("a private address")
        }
        _ => None,
    }
}

async fn accepts(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let Some(at) = network.destinations.at(Place::Public) else { return no_url() };
    let server = network.destinations.at(Place::Server).filter(|server| server.url != at.url);
    judge_port(at, server, network.dialled(Place::Public, at).await)
}

fn judge_port(at: &Destination, server: Option<&Destination>, dialled: &[Dialled]) -> CheckOutcome {
    let opened: Vec<String> = dialled
        .iter()
        .filter_map(|one| {
            let took = one.outcome.as_ref().ok()?;
            Some(format!("{} in {:.1} ms", one.address, took.as_secs_f64() * 1000.0))
        })
        .collect();
    if !opened.is_empty() {
        return CheckOutcome::Passed(opened);
    }
    let address = at.url.address();
    let causes = dialled.iter().filter_map(|one| one.outcome.as_ref().err());
    let is_refused = causes.clone().all(|error| *error == ProbeError::Fault(NetworkFault::Refused));
    let says = match causes.clone().next() {
        Some(error) if !is_refused => format!("No connection to {address} can be opened: {error}."),
        _ => format!("Nothing listens on {address}, where browsers connect to."),
    };
    let mut finding = Finding::fail(says);
    if has_ipv6_only(at, dialled) {
        finding = finding.seen(format!("{} has IPv6 addresses only", at.url.host));
    }
    if let Some(server) = server {
        finding = finding.seen(format!("the server itself answers at {}", server.url));
    }
    let remedy = format!("the port in {}, or start the proxy that listens there", at.named_by);
    CheckOutcome::Found(vec![finding.change(Remedy::advice(remedy))])
}

async fn both_families(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let Some(at) = network.destinations.at(Place::Public) else { return no_url() };
    judge_families(at, network.dialled(Place::Public, at).await)
}

/// Whether a name leads to IPv6 alone; a literal address is what its author wrote.
fn has_ipv6_only(at: &Destination, dialled: &[Dialled]) -> bool {
    at.url.host.parse::<IpAddr>().is_err()
        && !dialled.is_empty()
        && dialled.iter().all(|one| one.address.is_ipv6())
}

fn judge_families(at: &Destination, dialled: &[Dialled]) -> CheckOutcome {
    if has_ipv6_only(at, dialled) && at.url.host != "localhost" {
        let host = &at.url.host;
        let says = format!(
            "{host} has IPv6 addresses only: browsers in networks without IPv6 cannot reach it."
        );
        let seen = dialled.iter().map(|one| one.address.ip().to_string());
        let finding = seen.fold(Finding::warn(says), Finding::seen);
        let remedy = format!("an A record of {host} beside the AAAA record");
        return CheckOutcome::Found(vec![finding.change(Remedy::advice(remedy))]);
    }
    // `localhost` has both in every hosts file, and most servers listen on one of them.
    if at.url.host == "localhost" || dialled.len() < 2 {
        return CheckOutcome::Passed(vec![format!("{} has one address to reach", at.url.host)]);
    }
    let findings = dialled.iter().filter_map(|one| {
        let error = one.outcome.as_ref().err()?;
        let (ip, host) = (one.address.ip(), &at.url.host);
        let says =
            format!("{ip} of {host} cannot be reached: browsers that choose it wait, or give up.");
        let remedy = format!("the DNS record of {ip}, or let the proxy listen on it");
        // A machine without IPv6 cannot tell whether others reach it.
        let is_ours = ip.is_ipv6() && *error == ProbeError::Fault(NetworkFault::Unreachable);
        let finding = Finding::warn(says).seen(error.to_string()).change(Remedy::advice(remedy));
        (!is_ours).then_some(finding)
    });
    let seen = dialled.iter().map(|one| one.address.to_string());
    CheckOutcome::of(findings.collect(), seen.collect())
}

async fn right_scheme(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let Some(at) = network.destinations.at(Place::Public) else { return no_url() };
    if at.url.tls {
        let handshake = network.handshake(Place::Public, at).await;
        match is_tls(handshake) {
            true => CheckOutcome::Passed(vec![format!("{} answers with TLS", at.url.address())]),
            false => judge_missing_tls(at, handshake, network.plain(Place::Public, at).await),
        }
    } else {
        match network.plain(Place::Public, at).await {
            Ok(answer) if !asks_for_tls(answer) => {
                CheckOutcome::Passed(vec![format!("{} answers without TLS", at.url.address())])
            }
            answer => judge_plain(at, answer, network.handshake(Place::Public, at).await),
        }
    }
}

/// Whether TLS is spoken there, whatever is wrong with the certificate.
fn is_tls(handshake: &Result<Handshake, ProbeError>) -> bool {
    handshake
        .as_ref()
        .is_ok_and(|handshake| handshake.outcome.is_ok() || handshake.certificate.is_some())
}

/// The page that Nginx answers on a port with TLS, and Resound's own sentence.
fn asks_for_tls(answer: &HttpAnswer) -> bool {
    answer.body.contains("plain HTTP request was sent to HTTPS port")
        || answer.body.contains("requires TLS")
        || answer.body.contains("speaking plain HTTP to an SSL-enabled server port")
        || answer.body.contains("HTTP request to an HTTPS server")
}

fn judge_missing_tls(
    at: &Destination,
    handshake: &Result<Handshake, ProbeError>,
    plain: &Result<HttpAnswer, ProbeError>,
) -> CheckOutcome {
    let address = at.url.address();
    let error = match handshake {
        Ok(Handshake { outcome: Err(error), .. }) | Err(error) => error.to_string(),
        Ok(_) => "the handshake did not end".to_owned(),
    };
    let finding = match plain {
        Ok(answer) => {
            Finding::fail(format!("{address} answers without TLS, and the scheme is https."))
                .seen(format!("GET /up without TLS: {answer}"))
                .change(Remedy::advice(format!(
                    "the scheme to http or the port to that of the proxy in {}, or serve TLS there",
                    at.named_by
                )))
        }
        Err(_) => {
            Finding::fail(format!("{address} answers neither with TLS nor with HTTP: {error}."))
                .change(Remedy::advice(format!("the port in {}", at.named_by)))
        }
    };
    CheckOutcome::Found(vec![finding])
}

fn judge_plain(
    at: &Destination,
    plain: &Result<HttpAnswer, ProbeError>,
    handshake: &Result<Handshake, ProbeError>,
) -> CheckOutcome {
    let address = at.url.address();
    let shown = match plain {
        Ok(answer) => answer.to_string(),
        Err(error) => error.to_string(),
    };
    let finding = if is_tls(handshake) {
        Finding::fail(format!("{address} answers with TLS, and the scheme is http."))
            .seen(format!("GET /up without TLS: {shown}"))
            .change(Remedy::advice(format!("the scheme to https in {}", at.named_by)))
    } else {
        Finding::fail(format!("{address} answers neither with TLS nor with HTTP: {shown}."))
            .change(Remedy::advice(format!("the port in {}", at.named_by)))
    };
    CheckOutcome::Found(vec![finding])
}
