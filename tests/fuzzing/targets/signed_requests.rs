//! Signatures of requests, subscriptions and sign-ins: a query is read as a plain reader reads it, what is signed for it
//! passes, and nothing else does.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use resound::app::{App, Secret};
use resound::protocol::SocketId;
use resound::protocol::signature::{
    SignedQuery, Unauthorized, check_body, check_channel, check_request, check_user,
    signed_channel, signed_user,
};
use sha2::Sha256;

use super::Target;
use crate::bytes::Bytes;
use crate::fixture;
use crate::outcomes::reached;

pub(crate) const TARGET: Target = Target {
    name: "signed_requests",
    run,
    words: &[
        "auth_key=",
        "auth_timestamp=",
        "auth_version=1.0",
        "auth_signature=",
        "body_md5=",
        "&",
        "=",
        "%",
        "+",
        "%20",
        "%2B",
        "%26",
        "%0a",
        "%c3%a9",
        "%ff",
        "info=user_count",
        "filter_by_prefix=",
        "é",
        "\u{85}",
        "/apps/1/events",
    ],
    outcomes: &[
        "query",
        "twice",
        "no text",
        "control",
        "signed",
        "changed",
        "late",
        "early",
        "no time",
        "body",
        "other body",
        "subscription",
        "no subscription",
        "sign-in",
        "no sign-in",
        "previous secret",
    ],
};

const NOW: u64 = 1_800_000_000;

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    Method,
    Path,
    Query,
    Signature,
    Upper,
    Secret,
}

fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let flaw = bytes.pick(&[
        Flaw::None,
        Flaw::Method,
        Flaw::Path,
        Flaw::Query,
        Flaw::Signature,
        Flaw::Upper,
        Flaw::Secret,
    ]);
    let distance = bytes.pick(&[0, 600, 601, -600, -601, 1_000_000]);
    let is_previous = bytes.byte() % 4 == 3;
    let (path, body) = (bytes.chunk(), bytes.chunk());
    let Ok(path) = std::str::from_utf8(path) else { return };
    let Ok(query) = std::str::from_utf8(bytes.rest()) else { return };
    let mut app = fixture::app();
    app.previous_secret = Some(Secret::new("older"));
    read(query);
    let secret = if is_previous { "older" } else { "secret" };
    request(&app, secret, (path, query, body), (flaw, distance));
    sockets(&app, secret, (path, query), flaw);
    // Whatever a body is, no query that names another one lets it pass.
    if let Ok(query) = SignedQuery::parse(query) {
        let is_body = query.get("body_md5") == Some(&*hex::encode(Md5::digest(body)));
        let may_pass = is_body || (body.is_empty() && query.get("body_md5").is_none());
        assert_eq!(check_body(&query, body).is_ok(), may_pass);
    }
}

/// The parameters of a query, as plainly as they can be read; `Err` is why there are none.
fn parameters(query: &str) -> Result<BTreeMap<String, String>, &'static str> {
    let mut all = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        all.push((decoded(key)?.to_ascii_lowercase(), decoded(value)?));
    }
    let parameters: BTreeMap<String, String> = all.iter().cloned().collect();
    if parameters.len() < all.len() {
        return Err("twice");
    }
    let has_control = |text: &String| text.chars().any(char::is_control);
    if all.iter().any(|(key, value)| has_control(key) || has_control(value)) {
        return Err("control");
    }
    Ok(parameters)
}

fn decoded(text: &str) -> Result<String, &'static str> {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::new(), 0);
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
                continue;
            }
            (b'+', ..) => decoded.push(b' '),
            (byte, ..) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).map_err(|_| "no text")
}

fn canonical(parameters: &BTreeMap<String, String>) -> String {
    let signed = parameters.iter().filter(|(key, _)| *key != "auth_signature");
    signed.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}

fn read(query: &str) {
    let expected = parameters(query);
    let found = SignedQuery::parse(query);
    assert_eq!(found.is_ok(), expected.is_ok(), "{query:?}: {found:?} {expected:?}");
    let (Ok(found), Ok(expected)) = (&found, &expected) else {
        return reached(expected.err().unwrap_or_default());
    };
    reached("query");
    for (key, value) in expected {
        assert_eq!(found.get(key), Some(value.as_str()), "{key:?} in {query:?}");
    }
    assert_eq!(found.canonical(), canonical(expected), "{query:?}");
    // Written again, it is the same.
    let encoded =
        |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let again: Vec<String> = expected
        .iter()
        .map(|(key, value)| format!("{}={}", encoded(key), encoded(value)))
        .collect();
    let again = SignedQuery::parse(&again.join("&")).expect("what was read can be written");
    assert_eq!(again.canonical(), found.canonical(), "{query:?}");
}

fn signature(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// A request that a back end signs, and then one of its parts is changed.
fn request(
    app: &App,
    secret: &str,
    (path, query, body): (&str, &str, &[u8]),
    (flaw, distance): (Flaw, i64),
) {
    let then = NOW.checked_add_signed(distance).expect("a time after 1970");
    let md5 = hex::encode(Md5::digest(body));
    let sent =
        format!("{query}&auth_key=key&auth_timestamp={then}&auth_version=1.0&body_md5={md5}");
    let Ok(signed) = parameters(&sent).map(|parameters| canonical(&parameters)) else { return };
    if sent.to_ascii_lowercase().matches("auth_signature").count() > 0 {
        return;
    }
    let secret = if flaw == Flaw::Secret { "another" } else { secret };
    let mut signature = signature(secret, &format!("POST\n{path}\n{signed}"));
    let (mut method, mut path, mut sent) = ("POST", path.to_owned(), sent);
    match flaw {
        Flaw::None | Flaw::Secret => {}
        Flaw::Method => method = "GET",
        Flaw::Path => path.push('/'),
        Flaw::Query => sent.push_str("&info=x"),
        Flaw::Signature => signature = signature.replacen(['0', '1', '2', '3'], "4", 1),
        Flaw::Upper => signature = signature.to_uppercase(),
    }
    let Ok(sent) = SignedQuery::parse(&format!("{sent}&auth_signature={signature}")) else {
        assert_eq!(flaw, Flaw::Query, "a parameter is there already");
        return;
    };
    let checked = check_request(app, method, &[&path], &sent, NOW);
    let expected = match distance {
        601.. => Err(Unauthorized::Early { seconds: distance.unsigned_abs() }),
        ..=-601 => Err(Unauthorized::Late { seconds: distance.unsigned_abs() }),
        _ if flaw == Flaw::None => Ok(()),
        _ => Err(Unauthorized::Signature),
    };
    reached(match expected {
        Ok(()) => "signed",
        Err(Unauthorized::Early { .. }) => "early",
        Err(Unauthorized::Late { .. }) => "late",
        Err(_) => "changed",
    });
    if expected.is_ok() && secret == "older" {
        reached("previous secret");
    }
    assert_eq!(checked, expected, "{flaw:?} {path:?} {query:?}");
    assert_eq!(check_body(&sent, body), Ok(()));
    reached("body");
    assert_eq!(check_body(&sent, &[body, b"x"].concat()), Err(Unauthorized::Body));
    reached("other body");
    let at_any_time =
        check_request(app, method, &[&path], &sent, NOW.wrapping_mul(distance.unsigned_abs() + 2));
    assert!(at_any_time.is_err());
    let timeless = SignedQuery::parse(&format!(
        "auth_key=key&auth_version=1.0&auth_signature={signature}&auth_timestamp=+1"
    ));
    let timeless = check_request(app, method, &[&path], &timeless.unwrap(), NOW);
    assert_eq!(timeless, Err(Unauthorized::Timestamp));
    reached("no time");
}

/// The same for a socket.
fn sockets(app: &App, secret: &str, (channel, data): (&str, &str), flaw: Flaw) {
    let id = SocketId::parse("12.34").unwrap();
    let secret = if flaw == Flaw::Secret { "another" } else { secret };
    let behind = if data.is_empty() { String::new() } else { format!(":{data}") };
    let subscription = signature(secret, &format!("12.34:{channel}{behind}"));
    let sign_in = signature(secret, &format!("12.34::user::{data}"));
    let changed = |mac: String| match flaw {
        Flaw::Upper => mac.to_uppercase(),
        Flaw::Signature => mac.replacen(['0', '1', '2', '3'], "4", 1),
        _ => mac,
    };
    let key = if flaw == Flaw::Query { "other" } else { "key" };
    let (auth, user_auth) =
        (format!("{key}:{}", changed(subscription)), format!("{key}:{}", changed(sign_in)));
    let socket = if flaw == Flaw::Method { SocketId::parse("12.35").unwrap() } else { id };
    let is_right = matches!(flaw, Flaw::None | Flaw::Path);
    let checked = check_channel(app, socket, channel, Some(&auth), Some(data));
    assert_eq!(checked.is_ok(), is_right, "{flaw:?} {channel:?} {data:?}: {checked:?}");
    reached(if is_right { "subscription" } else { "no subscription" });
    let checked = check_user(app, socket, &user_auth, data);
    assert_eq!(checked.is_ok(), is_right, "{flaw:?} {data:?}: {checked:?}");
    reached(if is_right { "sign-in" } else { "no sign-in" });
    // A text of any form is no signature.
    assert!(check_channel(app, id, channel, Some(data), None).is_err());
    assert!(check_user(app, id, channel, data).is_err());
    if secret == "secret" && is_right {
        assert_eq!(
            signed_channel(app, id, channel, Some(data).filter(|data| !data.is_empty())),
            auth
        );
        assert_eq!(signed_user(app, id, data), user_auth);
    }
}
