//! HMAC-SHA256 signatures of subscriptions, sign-ins, HTTP requests and webhooks.
//!
//! Every comparison goes through [`verify`], which takes constant time. The caller decides what a valid
//! signature permits.

use hmac::Mac;
use md5::{Digest, Md5};

use super::SocketId;
use crate::app::{App, Secret};

mod query;
mod signing;

pub use query::{QueryError, SignedQuery};
pub use signing::SigningKey;

/// How far the timestamp of a request may be from the server's clock; Pusher's value.
pub const TIMESTAMP_SKEW_MAX_SECONDS: u64 = 600;

/// Why the `auth` of a subscription or sign-in is not valid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is no `auth`.
    #[error("the channel needs an auth signature from your auth endpoint; none was sent")]
    Missing,
    /// It has not the form `key:signature`.
    #[error("auth must have the form key:signature")]
    Malformed,
    /// It was signed for another app.
    #[error("auth was made for the app key {theirs:?}; this connection uses {ours:?}")]
    OtherKey {
        /// The key in `auth`.
        theirs: String,
        /// The key the socket connected with.
        ours: String,
    },
    /// It was signed with another secret, or for another socket, channel or `channel_data`.
    #[error(
        "the signature does not fit {signed:?}: check that the auth endpoint uses this app's secret, this socket_id and this {beside}"
    )]
    Mismatch {
        /// The field that is signed together with the socket id.
        beside: &'static str,
        /// The start of the text that must be signed: `socket_id:channel` or `socket_id::user::`.
        signed: String,
    },
}

/// Checks the `auth` of a subscription. `channel_data` is signed whenever it is sent, on private
/// channels too. Socket ids and channel names hold no colon, so the signed text is unambiguous.
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

/// Checks the `auth` of `pusher:signin`, a signature of `socket_id::user::user_data`.
pub fn check_user(
    app: &App,
    socket_id: SocketId,
    auth: &str,
    user_data: &str,
) -> Result<(), AuthError> {
    check_auth(app, auth, "user_data", &format!("{socket_id}::user::"), &[user_data])
}

/// Checks `auth` against the text `shown` followed by `rest`; the error repeats `shown` only.
fn check_auth(
    app: &App,
    auth: &str,
    beside: &'static str,
    shown: &str,
    rest: &[&str],
) -> Result<(), AuthError> {
    // A key may hold colons, a signature holds none.
    let (key, signature) = auth.rsplit_once(':').ok_or(AuthError::Malformed)?;
    if key != app.key {
        let theirs = key.chars().take(64).collect();
        return Err(AuthError::OtherKey { theirs, ours: app.key.clone() });
    }
    let parts = || std::iter::once(shown).chain(rest.iter().copied());
    let is_signed = |secret: &Secret| is_signature(secret, parts(), signature);
    if app.secrets().any(is_signed) {
        Ok(())
    } else {
        Err(AuthError::Mismatch { beside, signed: shown.to_owned() })
    }
}

/// Whether `signature` is the signature of these parts, one behind the other, with this secret.
pub fn is_signature<'p>(
    secret: &Secret,
    parts: impl IntoIterator<Item = &'p str>,
    signature: &str,
) -> bool {
    let mut mac = secret.mac();
    parts.into_iter().for_each(|part| mac.update(part.as_bytes()));
    verify(mac, signature)
}

/// The `auth` with which a socket may subscribe to a channel, never with a previous secret.
pub fn signed_channel(
    app: &App,
    socket_id: SocketId,
    channel: &str,
    channel_data: Option<&str>,
) -> String {
    let data = channel_data.map(|data| format!(":{data}")).unwrap_or_default();
    auth(app, &format!("{socket_id}:{channel}{data}"))
}

/// The `auth` of `pusher:signin`, likewise.
pub fn signed_user(app: &App, socket_id: SocketId, user_data: &str) -> String {
    auth(app, &format!("{socket_id}::user::{user_data}"))
}

fn auth(app: &App, signed: &str) -> String {
    format!("{}:{}", app.key, signed_body(app, signed.as_bytes()))
}

/// The value of `X-Pusher-Signature`: the signature of the body of a webhook, never with a previous
/// secret.
pub fn signed_body(app: &App, body: &[u8]) -> String {
    let mut mac = app.secret.mac();
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// Why a request of the HTTP API is refused with 401. Laravel shows these texts verbatim.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthorized {
    /// A parameter of the signature is missing.
    #[error(
        "Authentication parameter {0} is missing: sign the request as the Pusher SDKs do (auth_key, auth_timestamp, auth_version, body_md5, auth_signature)"
    )]
    Missing(&'static str),
    /// The key is not the app's.
    #[error(
        "Authentication key is not the key of this app: check REVERB_APP_KEY and REVERB_APP_ID"
    )]
    OtherKey,
    /// The version is not 1.0.
    #[error("Authentication version must be 1.0")]
    Version,
    /// The timestamp is not a number of seconds.
    #[error("Authentication timestamp must be the Unix time in seconds")]
    Timestamp,
    /// The request was signed too long ago, or with a slow clock.
    #[error(
        "Authentication timestamp is {seconds} s behind the server's clock; at most 600 s are accepted: sign the request again, or set the clocks right"
    )]
    Late {
        /// The distance between the clocks.
        seconds: u64,
    },
    /// The request was signed with a fast clock.
    #[error(
        "Authentication timestamp is {seconds} s ahead of the server's clock; at most 600 s are accepted: set the clocks right"
    )]
    Early {
        /// The distance between the clocks.
        seconds: u64,
    },
    /// The signature differs.
    #[error(
        "Authentication signature invalid: check REVERB_APP_SECRET, and that no proxy changes the path or the query"
    )]
    Signature,
    /// The body has another MD5 than the signed one.
    #[error(
        "Authentication body_md5 does not fit the body that arrived: sign the bytes that are sent, and let no proxy change them"
    )]
    Body,
}

/// Checks a request before its body is read: key, version, timestamp and signature.
///
/// `body_md5` is part of the signed query, so [`check_body`] later compares only that. `paths` are the
/// spellings of the path that a client may have signed.
pub fn check_request(
    app: &App,
    method: &str,
    paths: &[&str],
    query: &SignedQuery,
    now_unix_seconds: u64,
) -> Result<(), Unauthorized> {
    let required = |name| query.get(name).ok_or(Unauthorized::Missing(name));
    let signature = required("auth_signature")?;
    if required("auth_key")? != app.key {
        return Err(Unauthorized::OtherKey);
    }
    if required("auth_version")? != "1.0" {
        return Err(Unauthorized::Version);
    }
    check_clock(required("auth_timestamp")?, now_unix_seconds)?;
    let signed_query = query.canonical();
    let is_signed =
        |path: &str, secret| verify(request_mac(secret, method, path, &signed_query), signature);
    let is_any = |path: &&str| app.secrets().any(|secret| is_signed(path, secret));
    if paths.iter().any(is_any) { Ok(()) } else { Err(Unauthorized::Signature) }
}

/// Checks the body against the signed `body_md5`. A request without a body may have the MD5 of the
/// empty text, as the Python SDK sends it.
pub fn check_body(query: &SignedQuery, body: &[u8]) -> Result<(), Unauthorized> {
    match query.get("body_md5") {
        Some(md5) if md5.as_bytes() == body_md5(body) => Ok(()),
        Some(_) => Err(Unauthorized::Body),
        None if body.is_empty() => Ok(()),
        None => Err(Unauthorized::Missing("body_md5")),
    }
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

/// The MD5 in lower-case hex.
fn body_md5(body: &[u8]) -> [u8; 32] {
    let mut text = [0; 32];
    hex::encode_to_slice(Md5::digest(body), &mut text).expect("16 bytes are 32 digits");
    text
}

/// Whether a text is the secret. The time depends on neither: only MACs of both are compared.
pub fn is_secret(secret: &Secret, text: &str) -> bool {
    let of_text = Secret::new(text).mac().finalize().into_bytes();
    secret.mac().verify_slice(&of_text).is_ok()
}

/// Whether `signature` is the lower-case hex of the MAC, compared in constant time.
fn verify(mac: hmac::Hmac<sha2::Sha256>, signature: &str) -> bool {
    let mut claimed = [0; 32];
    let is_lowercase =
        !signature.bytes().fold(false, |found, byte| found | byte.is_ascii_uppercase());
    is_lowercase
        && hex::decode_to_slice(signature, &mut claimed).is_ok()
        && mac.verify_slice(&claimed).is_ok()
}

#[cfg(test)]
#[path = "signature/tests.rs"]
mod tests;
