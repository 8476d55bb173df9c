//! The `Content-Encoding` and `Content-Type` of a body: refuses what cannot be read as JSON in UTF-8.
//!
//! No SDK compresses its requests, so nothing is decoded here: a decoder would need limits of its own
//! against bodies that inflate a thousandfold. A wrong but harmless type is accepted, since cURL sends
//! JSON as a form by default.

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use hyper::body::Body as _;

use super::api_error::ApiError;

/// Refuses a compressed body, a multipart body, and one in UTF-16 or UTF-32.
pub(super) fn check(headers: &HeaderMap, body: &Body) -> Result<(), ApiError> {
    if body.is_end_stream() {
        return Ok(());
    }
    let unsupported = |text| Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    let identity = |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    if let Some(coding) = codings.find(|coding| !identity(coding.as_bytes().trim_ascii())) {
        let coding: String = String::from_utf8_lossy(coding.as_bytes()).chars().take(64).collect();
        return unsupported(format!(
            "Content-Encoding is {coding:?}: bodies are read as they are sent. Send this one without compression"
        ));
    }
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else {
        return Ok(());
    };
    if kind == "application/json" {
        return Ok(());
    }
    let kind = kind.to_ascii_lowercase();
    let unreadable = ["charset=utf-16", "charset=utf-32", "charset=\"utf-16", "charset=\"utf-32"];
    if kind.starts_with("multipart/") || unreadable.iter().any(|charset| kind.contains(charset)) {
        let kind: String = kind.chars().take(64).collect();
        return unsupported(format!(
            "Content-Type is {kind:?}: the body must be JSON in UTF-8 (application/json)"
        ));
    }
    Ok(())
}
