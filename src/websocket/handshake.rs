//! The opening handshake of RFC 6455, section 4.2: its check, and the answer to a malformed one.
//!
//! The endpoint decides whether the socket of a well-formed handshake may open.

use axum::body::Body;
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Whether a request has the header `Upgrade: websocket`.
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    has_token(headers, &UPGRADE, "websocket")
}

/// Whether a request without `Upgrade: websocket` was a handshake before a proxy removed that header: it
/// has the other headers of one, or the parameters that Pusher's clients send.
pub fn was_handshake<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let has_parameter = |name: &str| {
        let query = request.uri().query().unwrap_or_default();
        query.split('&').any(|pair| pair.strip_prefix(name).is_some_and(|it| it.starts_with('=')))
    };
    let is_of_client = || {
        headers.contains_key(SEC_WEBSOCKET_KEY)
            || headers.contains_key(SEC_WEBSOCKET_VERSION)
            || has_parameter("protocol") && has_parameter("client")
    };
    // The headers last: a trigger, which is a POST, does not pay for hashing their names.
    request.method() == Method::GET && request.uri().path().contains("/app/") && is_of_client()
}

/// Why a handshake is malformed; answered over HTTP, since there is no WebSocket yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeError {
    /// It is no GET request.
    Method,
    /// It came with HTTP/1.0, which most proxies use unless they are configured otherwise.
    OldHttp,
    /// `Connection: Upgrade` is missing.
    Connection,
    /// The version of the protocol is not 13.
    Version,
    /// The key is malformed.
    Key,
}

impl HandshakeError {
    /// The answer to it.
    pub fn response(self) -> Response<Body> {
        let (status, text) = match self {
            Self::Method => (StatusCode::BAD_REQUEST, "A WebSocket handshake is a GET request"),
            Self::OldHttp => (
                StatusCode::BAD_REQUEST,
                "A WebSocket handshake needs HTTP/1.1, and this one came with HTTP/1.0: set the proxy in front to HTTP/1.1 (Nginx: proxy_http_version 1.1)",
            ),
            Self::Connection => (
                StatusCode::BAD_REQUEST,
                "The header \"Connection: Upgrade\" is missing: a proxy in front must pass it on",
            ),
            Self::Version => (StatusCode::UPGRADE_REQUIRED, "Sec-WebSocket-Version must be 13"),
            Self::Key => (StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64"),
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        if self == Self::Version {
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

/// The `Sec-WebSocket-Accept` value of a well-formed handshake (RFC 6455, 4.2.1).
pub fn accept_key<B>(request: &Request<B>) -> Result<String, HandshakeError> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(HandshakeError::Method);
    }
    if request.version() < Version::HTTP_11 {
        return Err(HandshakeError::OldHttp);
    }
    if !has_token(headers, &CONNECTION, "upgrade") {
        return Err(HandshakeError::Connection);
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(HandshakeError::Version);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    key.filter(|key| is_nonce(key)).map(derive_accept_key).ok_or(HandshakeError::Key)
}

/// The values of a header that are text; it may stand on several lines.
pub(super) fn text_values<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    // By bytes: a text is searched for a character several times slower.
    let has_it = |value: &HeaderValue| {
        let mut parts = value.as_bytes().split(|&byte| byte == b',');
        parts.any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    };
    headers.get_all(name).iter().any(has_it)
}

/// 16 bytes in base64: 22 characters and two equals signs.
fn is_nonce(key: &[u8]) -> bool {
    let is_base64 = |&byte: &u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(is_base64)
}
