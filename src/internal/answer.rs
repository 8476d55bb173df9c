//! Answers of the API: JSON, and errors with a text for the person who reads them.

use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Why a request is not answered: a status, and what to change.
#[derive(Debug)]
pub(super) struct InternalError {
    status: StatusCode,
    text: String,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
}

impl InternalError {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }
}

impl IntoResponse for InternalError {
    fn into_response(self) -> Response {
        let mut response = json(&ErrorBody { error: &self.text });
        *response.status_mut() = self.status;
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = header::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// A 200 with this body, which no cache keeps.
pub(super) fn json(body: &impl Serialize) -> Response {
    let text = serde_json::to_string(body).expect("texts and numbers serialize");
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, text).into_response()
}

/// A body, unlike the framework's own answer: one without, which ends its connection, looks like hyper's answer to a header
/// that it cannot parse.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> InternalError {
    let path: String = uri.path().chars().take(200).collect();
    let text = format!(
        "{path:?} does not take {method}; config/internal-api.md names the methods of each resource"
    );
    InternalError::new(StatusCode::METHOD_NOT_ALLOWED, text)
}

pub(super) async fn not_found(uri: Uri) -> InternalError {
    let path: String = uri.path().chars().take(200).collect();
    let text = format!(
        "there is no {path:?} here; config/internal-api.md lists what there is, beginning with /internal/v1"
    );
    InternalError::new(StatusCode::NOT_FOUND, text)
}
