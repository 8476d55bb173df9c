//! Responses with a JSON body.

use std::collections::BTreeMap;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A 200 with `value` as JSON.
pub(super) fn json_response(value: &impl Serialize) -> Response {
    let text = serde_json::to_string(value).expect("answers are maps with text keys");
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

/// A 200 with a JSON object of one field.
pub(super) fn field_response(name: &str, value: impl Serialize) -> Response {
    json_response(&BTreeMap::from([(name, value)]))
}

/// A 200 with `{}`.
pub(super) fn empty_response() -> Response {
    ([(CONTENT_TYPE, "application/json")], "{}").into_response()
}
