//! HMAC-SHA256 signatures: of channel subscriptions and of HTTP requests.
//!
//! Every comparison goes through [`fits`], which is constant-time. Refuses to know what a
//! signature permits; it only says whether the holder of the secret made it, and if not, why.

use hmac::Mac;
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::SocketId;
use crate::app::{App, Secret};

mod query;

pub use query::{QueryError, SignedQuery};

/// How far a request's clock may be from ours, in seconds: Pusher's figure.
pub const TIMESTAMP_SKEW_MAX_SECONDS: u64 = 600;

/// What a key has encoded in a query: all but what RFC 3986 never gives a meaning.
const IN_QUERY: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why `auth` does not open a channel or sign a user in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// None was sent.
    #[error("the channel needs an auth signature from your auth endpoint; none was sent")]
    Missing,
    /// Not `key:signature`.
    #[error("auth must have the form key:signature")]
    Malformed,
    /// Signed for another app.
    #[error("auth was made for the app key {theirs:?}; this connection uses {ours:?}")]
    OtherKey {
        /// The key in `auth`.
        theirs: String,
        /// The key the socket connected with.
        ours: String,
    },
    /// Another secret, socket, channel or channel_data.
    #[error(
        "the signature does not fit {signed:?}: check that the auth endpoint uses this app's secret, this socket_id and this {beside}"
    )]
    Mismatch {
        /// What is signed beside the socket id.
        beside: &'static str,
        /// The start of the text that must be signed: `socket_id:channel` or `socket_id::user::`.
        signed: String,
    },
}

/// Checks the `auth` of a subscription. `channel_data` is part of the text whenever it is sent,
/// on private channels too; strict socket ids and channel names keep the text unambiguous.
pub fn check_channel(
    app: &App,
    socket_id: SocketId,
    channel: &str,
    auth: Option<&str>,
    channel_data: Option<&str>,
) -> Result<(), AuthError> {
    let auth = auth.filter(|auth| !auth.is_empty()).ok_or(AuthError::Missing)?;
    let signed = format!("{socket_id}:{channel}");
    match channel_data.filter(|data| !data.is_empty()) {
        None => check_auth(app, auth, "channel", &signed, &[]),
        Some(data) => check_auth(app, auth, "channel", &signed, &[":", data]),
    }
}

/// Checks the `auth` of `pusher:signin`: signed is `socket_id::user::user_data`.
pub fn check_user(
    app: &App,
    socket_id: SocketId,
    auth: &str,
    user_data: &str,
) -> Result<(), AuthError> {
    check_auth(app, auth, "user_data", &format!("{socket_id}::user::"), &[user_data])
}

/// `auth` against the text that starts with `shown`, which the refusal shows, and goes on with `rest`.
fn check_auth(
    app: &App,
    auth: &str,
    beside: &'static str,
    shown: &str,
    rest: &[&str],
) -> Result<(), AuthError> {
    // The signature is hexadecimal; the key may hold colons.
    let (key, signature) = auth.rsplit_once(':').ok_or(AuthError::Malformed)?;
    if key != app.key {
        let theirs = key.chars().take(64).collect();
        return Err(AuthError::OtherKey { theirs, ours: app.key.clone() });
    }
    let mut mac = app.secret.mac();
    mac.update(shown.as_bytes());
    rest.iter().for_each(|part| mac.update(part.as_bytes()));
    if fits(mac, signature) {
        Ok(())
    } else {
        Err(AuthError::Mismatch { beside, signed: shown.to_owned() })
    }
}

/// Signs a subscription as an auth endpoint does: `key:signature`.
pub fn channel_auth(
    key: &str,
    secret: &Secret,
    socket_id: &str,
    channel: &str,
    channel_data: Option<&str>,
) -> String {
    let mut mac = secret.mac();
    mac.update(format!("{socket_id}:{channel}").as_bytes());
    if let Some(data) = channel_data {
        mac.update(b":");
        mac.update(data.as_bytes());
    }
    format!("{key}:{}", hex::encode(mac.finalize().into_bytes()))
}

/// Signs the body of a webhook: the value of `X-Pusher-Signature`.
pub fn signed_body(app: &App, body: &[u8]) -> String {
    let mut mac = app.secret.mac();
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// Why a request of the HTTP API is refused with 401. The texts are shown verbatim by Laravel.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthorized {
    /// A parameter of the signature is not there.
    #[error(
        "Authentication parameter {0} is missing: sign the request as the Pusher SDKs do (auth_key, auth_timestamp, auth_version, body_md5, auth_signature)"
    )]
    Missing(&'static str),
    /// A key that is not the app's.
    #[error(
        "Authentication key is not the key of this app: check REVERB_APP_KEY and REVERB_APP_ID"
    )]
    OtherKey,
    /// Only 1.0 exists.
    #[error("Authentication version must be 1.0")]
    Version,
    /// Not a number of seconds.
    #[error("Authentication timestamp must be the Unix time in seconds")]
    Timestamp,
    /// Signed long ago, or with a slow clock: the request does not show which.
    #[error(
        "Authentication timestamp is {seconds} s behind the server's clock; at most 600 s are accepted: sign the request again, or set the clocks right"
    )]
    Late {
        /// The distance.
        seconds: u64,
    },
    /// Signed with a fast clock.
    #[error(
        "Authentication timestamp is {seconds} s ahead of the server's clock; at most 600 s are accepted: set the clocks right"
    )]
    Early {
        /// The distance.
        seconds: u64,
    },
    /// The HMAC differs.
    #[error(
        "Authentication signature invalid: check REVERB_APP_SECRET, and that no proxy changes the path or the query"
    )]
    Signature,
    /// The body is not the one that was signed.
    #[error("Authentication body_md5 does not fit the body that arrived")]
    Body,
}

/// Checks everything a request says before its body: key, version, clock and signature.
///
/// `body_md5` is part of the signed query, so a request that passes here has named its body;
/// [`check_body`] then only compares. `paths` are the spellings a client may have signed.
pub fn check_request(
    app: &App,
    method: &str,
    paths: &[&str],
    query: &SignedQuery,
    now_unix_seconds: u64,
) -> Result<(), Unauthorized> {
    let needed = |name| query.get(name).ok_or(Unauthorized::Missing(name));
    let signature = needed("auth_signature")?;
    if needed("auth_key")? != app.key {
        return Err(Unauthorized::OtherKey);
    }
    if needed("auth_version")? != "1.0" {
        return Err(Unauthorized::Version);
    }
    check_clock(needed("auth_timestamp")?, now_unix_seconds)?;
    let signed_query = query.canonical();
    let signed_by_secret =
        |path: &&str| fits(request_mac(&app.secret, method, path, &signed_query), signature);
    if paths.iter().any(signed_by_secret) { Ok(()) } else { Err(Unauthorized::Signature) }
}

/// Checks the body against the `body_md5` that was signed. A GET may carry the MD5 of nothing,
/// as the Python SDK sends it.
pub fn check_body(query: &SignedQuery, body: &[u8]) -> Result<(), Unauthorized> {
    match query.get("body_md5") {
        Some(md5) if md5.as_bytes() == body_md5(body) => Ok(()),
        Some(_) => Err(Unauthorized::Body),
        None if body.is_empty() => Ok(()),
        None => Err(Unauthorized::Missing("body_md5")),
    }
}

/// Signs a request as the official SDKs do: the whole query string, ready for a URL.
pub fn signed_query(
    app: &App,
    method: &str,
    path: &str,
    body: &[u8],
    now_unix_seconds: u64,
) -> String {
    query_signed_with((&app.key, &app.secret), method, path, body, now_unix_seconds)
}

/// [`signed_query`] for those who have a key and its secret, and no app.
pub fn query_signed_with(
    (key, secret): (&str, &Secret),
    method: &str,
    path: &str,
    body: &[u8],
    now_unix_seconds: u64,
) -> String {
    let mut rest = format!("auth_timestamp={now_unix_seconds}&auth_version=1.0");
    if !body.is_empty() {
        rest.push_str("&body_md5=");
        rest.extend(body_md5(body).map(char::from));
    }
    let mac = request_mac(secret, method, path, &format!("auth_key={key}&{rest}"));
    let signature = hex::encode(mac.finalize().into_bytes());
    let key = utf8_percent_encode(key, &IN_QUERY);
    format!("auth_key={key}&{rest}&auth_signature={signature}")
}

fn check_clock(timestamp: &str, now: u64) -> Result<(), Unauthorized> {
    let digits = timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let then: u64 = timestamp.parse().ok().filter(|_| digits).ok_or(Unauthorized::Timestamp)?;
    let seconds = now.abs_diff(then);
    if seconds <= TIMESTAMP_SKEW_MAX_SECONDS {
        return Ok(());
    }
    Err(if then < now { Unauthorized::Late { seconds } } else { Unauthorized::Early { seconds } })
}

fn request_mac(secret: &Secret, method: &str, path: &str, query: &str) -> hmac::Hmac<sha2::Sha256> {
    let mut mac = secret.mac();
    for part in [method, "\n", path, "\n", query] {
        mac.update(part.as_bytes());
    }
    mac
}

/// In lower-case hex.
fn body_md5(body: &[u8]) -> [u8; 32] {
    let mut text = [0; 32];
    hex::encode_to_slice(Md5::digest(body), &mut text).expect("16 bytes are 32 digits");
    text
}

/// Whether `signature` is the lower-case hex of the finished MAC; constant-time.
fn fits(mac: hmac::Hmac<sha2::Sha256>, signature: &str) -> bool {
    let mut claimed = [0; 32];
    let lower = !signature.bytes().any(|byte| byte.is_ascii_uppercase());
    lower
        && hex::decode_to_slice(signature, &mut claimed).is_ok()
        && mac.verify_slice(&claimed).is_ok()
}

#[cfg(test)]
#[path = "signature/tests.rs"]
mod tests;
