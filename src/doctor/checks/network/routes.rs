//! Checks of the proxy: whether `/app` and `/apps` both reach the server, and the handshake with its Upgrade.

use super::proxy_advice::ProxyKind;
use super::public::no_url;
use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::destinations::{ApiAddress, Destination, Place};
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::network::{Network, SocketEvidence};
use crate::doctor::setup::Setup;
use crate::probe::{HttpAnswer, ProbeError, SocketFailure};

pub(super) const CHECKS: [SetupCheck; 3] = [
    SetupCheck {
        id: "R065",
        title: "The public URL leads to the server, with the path prefix that it has.",
        looks_at: "the answers to `/app/{key}` and `/apps/{id}/channels`",
        says: &[
            "The proxy answers … in the place of the server.",
            "The server has another path prefix than …, which the public URL has.",
        ],
        change: "the address behind `proxy_pass` (`ProxyPass`, `reverse_proxy`), or `server.path`",
        needs: &["R050", "R064"],
        method: Method::Ask(|setup| Box::pin(async move { proxy_reaches(&setup).await })),
    },
    SetupCheck {
        id: "R066",
        title: "/app is routed to the server, with its Upgrade.",
        looks_at: "a WebSocket handshake at `/app/{key}` below the public URL",
        says: &[
            "The proxy takes Upgrade out of the handshake at …: no browser can open a socket.",
            "The proxy speaks HTTP/1.0 to the server: no browser can open a socket.",
            "/app is not routed to the server: … answers ….",
            "No browser can open a socket at …: ….",
        ],
        change: "the location of `/app` in the proxy",
        needs: &["R065"],
        method: Method::Ask(|setup| Box::pin(async move { app_is_routed(&setup).await })),
    },
    SetupCheck {
        id: "R067",
        title: "/apps is routed to the server.",
        looks_at: "a signed GET request for `/apps/{id}/channels` below the public URL",
        says: &["/apps is not routed to the server: … answers …."],
        change: "the location of `/apps` in the proxy",
        needs: &["R065"],
        method: Method::Ask(|setup| Box::pin(async move { api_is_routed(&setup).await })),
    },
];

/// Where the proxy should lead to.
fn upstream(network: &Network) -> String {
    let server = network.destinations.at(Place::Server);
    server.map_or("127.0.0.1:8080".to_owned(), |server| server.url.address())
}

/// Where requests of the HTTP API should arrive.
pub(super) fn upstream_of_api(network: &Network) -> String {
    let api = network.destinations.at(Place::Api);
    api.map_or_else(|| upstream(network), |api| api.url.address())
}

/// Why the HTTP API is not looked at.
pub(super) fn no_api(network: &Network) -> CheckOutcome {
    CheckOutcome::Inapplicable(match network.destinations.api {
        ApiAddress::Unix => {
            "http.listen is a unix socket, to which the doctor does not connect".to_owned()
        }
        _ => format!(
            "the HTTP API has an address of its own, {} (http.listen)",
            upstream_of_api(network)
        ),
    })
}

async fn proxy_reaches(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let Some(at) = network.destinations.at(Place::Public) else { return no_url() };
    let socket = network.socket(Place::Public, at).await;
    let mut answers = Vec::new();
    if let Err(SocketFailure::NotUpgraded(answer)) = socket {
        answers.push(&**answer);
    }
    if let (Some(app), Some(_)) = (network.app(), network.destinations.api_of(Place::Public))
        && let Ok(answer) = network.channels(Place::Public, at, app).await
    {
        answers.push(answer);
    }
    let failed = answers.iter().find(|answer| matches!(answer.status, 502..=504 | 521..=523));
    let prefix = match socket {
        Err(SocketFailure::Closed { code: 4005, reason }) => Some(prefix_differs(at, reason)),
        _ => answers.iter().find_map(|answer| other_prefix(at, answer)),
    };
    match failed {
        Some(answer) => {
            let kind = ProxyKind::of(answer);
            let finding =
                Finding::fail(format!("The proxy answers {answer} in the place of the server."))
                    .change(Remedy::advice(kind.upstream(&upstream(network))));
            CheckOutcome::Found(vec![finding])
        }
        None => CheckOutcome::of(prefix.into_iter().collect(), Vec::new()),
    }
}

async fn app_is_routed(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let Some(at) = network.destinations.at(Place::Public) else { return no_url() };
    judge_socket(at, &upstream(network), network.socket(Place::Public, at).await)
}

fn judge_socket(
    at: &Destination,
    upstream: &str,
    socket: &Result<SocketEvidence, SocketFailure>,
) -> CheckOutcome {
    let url = &at.url;
    let finding = match socket {
        Ok(socket) => {
            let (opened, pong) = (socket.opened.as_millis(), socket.pong.as_millis());
            return CheckOutcome::Passed(vec![format!(
                "a socket at {url} opened in {opened} ms and answered a ping in {pong} ms; the proxy speaks HTTP/1.1 \
                 to the server"
            )]);
        }
        // The socket was opened, so /app is routed; the server's reason is for another check.
        Err(SocketFailure::Closed { code, reason }) if *code > 0 => {
            return CheckOutcome::Passed(vec![format!(
                "the server closed a socket with {code}: {reason}"
            )]);
        }
        Err(SocketFailure::NotUpgraded(answer)) => not_upgraded(at, upstream, answer),
        Err(failure) => Finding::fail(format!("No browser can open a socket at {url}: {failure}."))
            .change(Remedy::advice("the location of /app in the proxy; its log names the reason")),
    };
    CheckOutcome::Found(vec![finding])
}

fn not_upgraded(at: &Destination, upstream: &str, answer: &HttpAnswer) -> Finding {
    let kind = ProxyKind::of(answer);
    let url = &at.url;
    let fail = |says: String| {
        Finding::fail(says)
            .seen(format!("GET {}/app/{{key}} with Upgrade: {answer}", url.prefix))
            .change(Remedy::advice(kind.pass_upgrade()))
    };
    if answer.body.contains("came with HTTP/1.0") {
        return fail(
            "The proxy speaks HTTP/1.0 to the server: no browser can open a socket.".to_owned(),
        );
    }
    if is_refused_handshake(answer) {
        return fail(format!(
            "The proxy takes Upgrade out of the handshake at {url}: no browser can open a socket."
        ));
    }
    let remedy = kind.route(&format!("{}/app", url.prefix), upstream);
    Finding::fail(format!("/app is not routed to the server: {url} answers {answer}."))
        .change(Remedy::advice(remedy))
}

async fn api_is_routed(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let Some(at) = network.destinations.at(Place::Public) else { return no_url() };
    if network.destinations.api_of(Place::Public).is_none() {
        return no_api(network);
    }
    let Some(app) = network.app() else {
        return CheckOutcome::Inapplicable("no file names an app".to_owned());
    };
    judge_api(at, &upstream_of_api(network), network.channels(Place::Public, at, app).await)
}

/// Whether the API answers there; what it answers to the signature is for another check.
pub(super) fn judge_api(
    at: &Destination,
    upstream: &str,
    answer: &Result<HttpAnswer, ProbeError>,
) -> CheckOutcome {
    let url = &at.url;
    let kind = |answer: &HttpAnswer| ProxyKind::of(answer);
    let remedy = |kind: ProxyKind| kind.route(&format!("{}/apps", url.prefix), upstream);
    let finding = match answer {
        Ok(answer) if is_of_the_api(answer) => {
            return CheckOutcome::Passed(vec![format!(
                "GET {}/apps/… answered {}",
                url.prefix, answer.status
            )]);
        }
        Ok(answer) => {
            Finding::fail(format!("/apps is not routed to the server: {url} answers {answer}."))
                .change(Remedy::advice(remedy(kind(answer))))
        }
        Err(error) => {
            Finding::fail(format!("/apps is not routed to the server: {url} answers {error}."))
                .change(Remedy::advice(remedy(ProxyKind::Other)))
        }
    };
    CheckOutcome::Found(vec![finding])
}

/// Whether the HTTP API of Pusher's protocol gave this answer.
fn is_of_the_api(answer: &HttpAnswer) -> bool {
    let is_json = answer.body.trim_start().starts_with('{');
    match answer.status {
        200 => is_json && answer.body.contains("\"channels\""),
        401 => answer.body.contains("Authentication"),
        403 | 404 => answer.body.contains("application"),
        _ => false,
    }
}

/// Whether Resound refused the handshake, and no proxy: each of its texts names what is missing.
fn is_refused_handshake(answer: &HttpAnswer) -> bool {
    let texts =
        ["WebSocket endpoint", "WebSocket handshake", "\"Connection: Upgrade\"", "Sec-WebSocket-"];
    !answer.is_page() && texts.iter().any(|text| answer.body.contains(text))
}

/// The finding for a 404 of the server itself.
fn other_prefix(at: &Destination, answer: &HttpAnswer) -> Option<Finding> {
    let is_not_found = answer.status == 404 && answer.body.starts_with("There is no \"");
    is_not_found.then(|| prefix_differs(at, &answer.body))
}

fn prefix_differs(at: &Destination, text: &str) -> Finding {
    let prefix = if at.url.prefix.is_empty() { "none" } else { &at.url.prefix };
    Finding::fail(format!(
        "The server has another path prefix than {prefix}, which the public URL has."
    ))
    .seen(text.to_owned())
    .change(Remedy::advice(format!(
        "server.path (REVERB_SERVER_PATH), the path in {}, or what the proxy takes off",
        at.named_by
    )))
}
