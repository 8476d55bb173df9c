//! Requests of back ends: whatever they are, the answer is one that the API has, refused without a right signature, and no
//! secret is in it.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::Request;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha2::Sha256;

use super::Target;
use crate::bytes::Bytes;
use crate::outcomes::reached;
use crate::site::{SECRET, Site, SiteAnswer};

pub(crate) const TARGET: Target = Target {
    name: "http_requests",
    run,
    words: &[
        "{\"name\":\"a\"",
        "\"channel\":\"news\"",
        "\"channels\":[\"news\"]",
        "\"data\":\"{}\"",
        "\"socket_id\":\"1.2\"",
        "\"info\":\"user_count\"",
        "{\"batch\":[",
        "]}",
        "}",
        ",",
        "info=subscription_count",
        "filter_by_prefix=presence-",
        "&",
        "=",
        "%2F",
        "%00",
        "%ff",
        "/",
        "private-encrypted-",
        "cache-",
        "pusher:",
        "\\ud83d",
        "\u{0}",
        "#",
        "*",
    ],
    outcomes: &[
        "200",
        "202",
        "400",
        "401",
        "404",
        "405",
        "413",
        "415",
        "event accepted",
        "batch accepted",
        "channels",
        "channel",
        "terminated",
        "426",
    ],
};

const METHODS: [&str; 5] = ["POST", "GET", "DELETE", "HEAD", "OPTIONS"];

const PATHS: [&str; 14] = [
    "/apps/1/events",
    "/apps/1/batch_events",
    "/apps/1/channels",
    "/apps/1/channels/",
    "/apps/1/connections",
    "/apps/1/users/ann/terminate_connections",
    "/apps/1/channels/cache-y",
    "/apps/1/channels/news/users",
    "/app/key",
    "/apps/2/events",
    "/apps/1/channels/news/events",
    "/up",
    "/ready",
    "",
];

/// What stands between the path, the query and the body of an input.
const BETWEEN: u8 = b'\n';

fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let (method, base) = (bytes.pick(&METHODS), bytes.pick(&PATHS));
    let (way, kind) = (
        bytes.byte(),
        bytes.pick(&["", "application/json", "text/plain; charset=utf-16", "multipart/x"]),
    );
    let coding = if way & 0x40 != 0 { "gzip" } else { "" };
    let mut parts = bytes.rest().splitn(3, |byte| *byte == BETWEEN);
    let mut part = || parts.next().unwrap_or_default();
    let (rest, query, body) = (part(), part(), part());
    let (Ok(rest), Ok(query)) = (std::str::from_utf8(rest), std::str::from_utf8(query)) else {
        return;
    };
    let body = if way & 0x20 != 0 { body.repeat(200) } else { body.to_vec() };
    let path = format!("{base}{rest}");
    let is_signed = way % 4 != 0;
    let sent = Sent {
        method,
        path: &path,
        headers: [("content-type", kind), ("content-encoding", coding)],
        body: &body,
    };
    let own = if is_signed { signed(method, &path, query, &body) } else { query.to_owned() };
    // What is no URI never comes so far.
    let Some(request) = sent.request(&own, way & 0x10 != 0) else { return };
    let site = Site::fresh();
    let uri = request.uri().to_string();
    let answer = site.ask(&site.http, request);
    judged(&uri, &answer, is_signed);
    if answer.status.is_success() && is_signed && uri.starts_with("/apps/") {
        let unsigned = sent.request(query, false).expect("a part of a URI is one");
        let refused = site.ask(&site.http, unsigned);
        assert_eq!(refused.status, 401, "{uri} without its signature: {refused:?}");
    }
    if matches!(method, "GET" | "HEAD") {
        site.keep();
    }
    if answer.status.is_success() && method == "POST" {
        reached(match base {
            "/apps/1/events" => "event accepted",
            "/apps/1/batch_events" => "batch accepted",
            path if path.contains("terminate") => "terminated",
            _ => "POST",
        });
    }
    if answer.status.is_success() && method == "GET" {
        reached(match base {
            "/apps/1/channels" if rest.is_empty() => "channels",
            path if path.starts_with("/apps/1/channels/") => "channel",
            _ => "GET",
        });
    }
}

/// A request but for its query.
struct Sent<'a> {
    method: &'a str,
    path: &'a str,
    headers: [(&'a str, &'a str); 2],
    body: &'a [u8],
}

impl Sent<'_> {
    fn request(&self, query: &str, explains: bool) -> Option<Request<Body>> {
        let path = self.path;
        let uri = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let mut request = Request::builder().method(self.method).uri(&uri);
        let explaining = [("resound-explain", if explains { "1" } else { "" })];
        for (name, value) in self.headers.into_iter().chain(explaining) {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        request.body(Body::from(self.body.to_vec())).ok()
    }
}

/// The query as a back end signs it.
fn signed(method: &str, path: &str, query: &str, body: &[u8]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let md5 = if body.is_empty() {
        String::new()
    } else {
        format!("&body_md5={}", hex::encode(Md5::digest(body)))
    };
    let own = format!("auth_key=key&auth_timestamp={now}&auth_version=1.0{md5}");
    let all = if query.is_empty() { own } else { format!("{own}&{query}") };
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(all.as_bytes())
        .map(|(key, value)| (key.to_ascii_lowercase(), value.into_owned()))
        .collect();
    pairs.sort();
    let text =
        pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{method}\n{path}\n{text}").as_bytes());
    format!("{all}&auth_signature={}", hex::encode(mac.finalize().into_bytes()))
}

fn judged(uri: &str, answer: &SiteAnswer, is_signed: bool) {
    let status = answer.status.as_u16();
    assert!(
        matches!(status, 200 | 202 | 400 | 401 | 403 | 404 | 405 | 413 | 415 | 426),
        "{uri}: {answer:?}"
    );
    reached(&status.to_string());
    let body = std::str::from_utf8(&answer.body).expect("answers are text");
    assert!(
        !body.contains(SECRET) && !format!("{:?}", answer.headers).contains(SECRET),
        "{uri}: {body}"
    );
    if uri.starts_with("/apps/") && !is_signed {
        assert!(!answer.status.is_success(), "{uri} is answered without a signature: {answer:?}");
    }
    if answer.status.is_success() && uri.starts_with("/apps/") && !body.is_empty() {
        let json: Result<serde_json::Value, _> = serde_json::from_str(body);
        assert!(json.is_ok_and(|json| json.is_object()), "{uri}: {body}");
    }
    if answer.status.is_client_error() && !body.is_empty() {
        assert!(!body.contains(|sign: char| sign.is_control() && sign != '\n'), "{uri}: {body:?}");
        assert!(body.chars().count() < 2000, "{uri}: {body}");
    }
}
