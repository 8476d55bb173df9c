//! Checks on a request's header before anything reads it: no field may have two meanings.
//!
//! Where a field occurs twice, two readers may take different ones: a proxy routes by the first
//! `Host`, the server answers for the second. RFC 9112 demands that such a request is refused.

use axum::http::header::{
    AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING,
};
use axum::http::{HeaderMap, HeaderName, Request, StatusCode, Version};
use axum::response::{IntoResponse, Response};

/// Fields that a request has at most once. hyper checks `Content-Length`; the other fields that this
/// server reads (`Connection`, `Upgrade`, `Sec-WebSocket-Extensions`) are lists.
const SINGULAR: [HeaderName; 7] = [
    HOST,
    ORIGIN,
    CONTENT_TYPE,
    AUTHORIZATION,
    TRANSFER_ENCODING,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION,
];

/// The answer to a request that fails a check.
pub(super) fn refusal<B>(request: &Request<B>) -> Option<Response> {
    let (status, text) = fault(request.headers(), request.version())?;
    tracing::debug!(status = status.as_u16(), cause = text, "head refused");
    Some((status, text).into_response())
}

fn fault(headers: &HeaderMap, version: Version) -> Option<(StatusCode, String)> {
    // Most headers have no field twice, and are not searched for one.
    if headers.len() > headers.keys_len() {
        let twice = |name: &&HeaderName| headers.get_all(*name).iter().nth(1).is_some();
        if let Some(name) = SINGULAR.iter().find(twice) {
            let text = format!(
                "The request has the header field {name} more than once: which one is meant? If a proxy in front adds it, it must replace the one it received"
            );
            return Some((StatusCode::BAD_REQUEST, text));
        }
    }
    match headers.get(HOST) {
        None if version >= Version::HTTP_11 => {
            let text = "The request has no Host field, which HTTP/1.1 requires";
            return Some((StatusCode::BAD_REQUEST, text.to_owned()));
        }
        Some(host) if !host.as_bytes().iter().all(|&byte| is_of_host(byte)) => {
            let text = "The Host field is not a host name with an optional port";
            return Some((StatusCode::BAD_REQUEST, text.to_owned()));
        }
        _ => {}
    }
    let coding = headers.get(TRANSFER_ENCODING)?;
    let text = "Transfer-Encoding must be \"chunked\" alone: other codings are not decoded here";
    let is_chunked = coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    (!is_chunked).then(|| (StatusCode::NOT_IMPLEMENTED, text.to_owned()))
}

/// A byte of `uri-host [":" port]` (RFC 3986), or one above ASCII: some clients do not encode names.
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b"-._~%!$&'()*+,;=:[]".contains(&byte)
}
