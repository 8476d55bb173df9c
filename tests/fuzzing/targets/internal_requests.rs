//! Requests of operators: whatever they are, the answer is one that the internal API has, nothing is changed without the
//! right to, and neither a secret nor a token is in an answer.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use resound::internal::Entrance;
use serde_json::Value;

use super::Target;
use crate::bytes::Bytes;
use crate::outcomes::reached;
use crate::site::{READ_TOKEN, SECRET, Site, SiteAnswer, TOKEN};

pub(crate) const TARGET: Target = Target {
    name: "internal_requests",
    run,
    words: &[
        "nodes=this",
        "limit=",
        "limit=500",
        "app=1",
        "channel=news",
        "channel=*",
        "event=",
        "socket=1.2",
        "kind=",
        "kind=trigger",
        "outcome=delivered",
        "payloads=full",
        "payloads=none",
        "max_rows_per_second=",
        "prefix=",
        "order=",
        "since=0",
        "step=1",
        "step=60",
        "text=",
        "after=",
        "user=",
        "&",
        "=",
        "%00",
        "%ff",
        "+",
        "99999999999999999999",
        "-1",
        "{\"name\":\"a\",\"channel\":\"news\",\"data\":\"x\"}",
        "{\"batch\":[",
        "{\"app\":\"1\"}",
        "\"",
    ],
    outcomes: &[
        "200",
        "400",
        "401",
        "403",
        "404",
        "405",
        "409",
        "stream",
        "list",
        "published",
        "read only",
        "console",
        "revealed",
    ],
};

const METHODS: [&str; 4] = ["GET", "POST", "HEAD", "PUT"];

const PATHS: [&str; 30] = [
    "/internal/v1/apps/1/reveal",
    "/internal/v1",
    "/internal/v1/stream",
    "/internal/v1/refusals",
    "/internal/v1/overview",
    "/internal/v1/timeline",
    "/internal/v1/cluster",
    "/internal/v1/inputs",
    "/internal/v1/doctor",
    "/internal/v1/apps",
    "/internal/v1/apps/1/channels",
    "/internal/v1/apps/1/channels/news",
    "/internal/v1/apps/1/channels/",
    "/internal/v1/apps/1/users/ann/terminate",
    "/internal/v1/sockets",
    "/internal/v1/sockets/1.2",
    "/internal/v1/sockets/1.2/terminate",
    "/internal/v1/apps/1",
    "/internal/v1/apps/1/webhooks",
    "/internal/v1/apps/1/webhooks/0/resend",
    "/internal/v1/apps/1/explain",
    "/internal/v1/apps/1/receivers",
    "/internal/v1/apps/1/triggers/0123456789abcdef",
    "/internal/v1/apps/1/events",
    "/internal/v1/apps/1/batch_events",
    "/internal/v1/apps/1/client",
    "/metrics",
    "/ready",
    "/console/",
    "",
];

const HOSTS: [&str; 4] = ["localhost", "127.0.0.1:9", "evil.example", ""];

fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let entrance = bytes.pick(&[Entrance::UnixSocket, Entrance::Loopback, Entrance::Network]);
    let token = bytes.pick(&[TOKEN, READ_TOKEN, "", "wrong"]);
    let (method, path, host) = (bytes.pick(&METHODS), bytes.pick(&PATHS), bytes.pick(&HOSTS));
    let is_of_page = bytes.byte() % 8 == 7;
    let mut parts = bytes.rest().splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (rest, query, body) = (part(), part(), part());
    let (Ok(rest), Ok(query)) = (std::str::from_utf8(rest), std::str::from_utf8(query)) else {
        return;
    };
    let uri =
        if query.is_empty() { format!("{path}{rest}") } else { format!("{path}{rest}?{query}") };
    let mut request = Request::builder().method(method).uri(&uri).header("host", host);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if is_of_page {
        request = request.header("origin", "https://evil.example");
    }
    let Ok(request) = request.body(Body::from(body.to_vec())) else { return };
    let site = Site::fresh();
    let before = state(&site);
    let answer = site.ask(&site.operators(entrance), request);
    let has_token = entrance == Entrance::UnixSocket || token == TOKEN;
    // The one resource whose answer is the secret.
    let reveals = method == "POST" && has_token && uri.contains("/reveal");
    judged(&uri, &answer, reveals);
    let is_probe = ["/live", "/up", "/ready"].contains(&uri.split('?').next().unwrap_or_default());
    // The page of `evil.example` that calls it by this name is one of the same origin, as behind a proxy.
    let is_of_other_page = is_of_page && host != "evil.example";
    if is_of_other_page || (host == "evil.example" && entrance == Entrance::Loopback) {
        assert!(!answer.status.is_success() || is_probe, "{uri} for another page: {answer:?}");
    }
    if !has_token && token != READ_TOKEN {
        let is_file = uri.starts_with("/console");
        assert!(
            !answer.status.is_success() || is_probe || is_file,
            "{uri} without a token: {answer:?}"
        );
    }
    let only_reads = matches!(method, "GET" | "HEAD");
    assert!(
        has_token || only_reads || !answer.status.is_success(),
        "{method} {uri} without the right: {answer:?}"
    );
    if !has_token || only_reads {
        assert_eq!(state(&site), before, "{method} {uri} with {token:?} changes something");
    }
    // A wrong token is counted.
    if only_reads && token != "wrong" {
        site.keep();
    }
    note(method, path, &answer);
}

/// What a request might change.
fn state(site: &Site) -> (u64, Vec<String>) {
    let channels = site.node.channels_by_id("1").expect("the app");
    let mut occupied: Vec<String> = channels
        .hub()
        .occupied("")
        .into_iter()
        .map(|(name, counts)| format!("{name} {counts:?}"))
        .collect();
    occupied.sort();
    (channels.hub().socket_count().into(), occupied)
}

fn judged(uri: &str, answer: &SiteAnswer, reveals: bool) {
    let status = answer.status.as_u16();
    let is_known = matches!(
        status,
        200 | 301..=308 | 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 422 | 429 | 503
    );
    assert!(is_known, "{uri}: {answer:?}");
    reached(&status.to_string());
    let body = String::from_utf8_lossy(&answer.body);
    let shown = format!("{:?}{body}", answer.headers);
    for secret in [SECRET, TOKEN, READ_TOKEN] {
        let is_wanted = reveals && secret == SECRET;
        assert!(is_wanted || !shown.contains(secret), "{uri}: {shown}");
    }
    if reveals && shown.contains(SECRET) {
        reached("revealed");
    }
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    let is_json = answer.headers.get("content-type").is_some_and(|kind| kind == "application/json");
    if is_json && !answer.body.is_empty() {
        let json: Value = serde_json::from_slice(&answer.body)
            .unwrap_or_else(|error| panic!("{uri}: {error}: {body}"));
        if answer.status.is_client_error() {
            let error = json["error"].as_str().expect("a sentence");
            assert!(
                !error.contains(char::is_control) && error.chars().count() < 3000,
                "{uri}: {error:?}"
            );
        }
    }
}

fn note(method: &str, path: &str, answer: &SiteAnswer) {
    if answer.status == StatusCode::FORBIDDEN && method == "POST" {
        reached("read only");
    }
    if answer.status != StatusCode::OK {
        return;
    }
    reached(match path {
        "/internal/v1/stream" => "stream",
        "/internal/v1/sockets" | "/internal/v1/apps/1/channels" => "list",
        "/internal/v1/apps/1/events" if method == "POST" => "published",
        path if path.starts_with("/console") => "console",
        path => path,
    });
}
