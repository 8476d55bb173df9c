//! The answer to a refused request: a status, and a text that names what to change.
//!
//! Laravel shows the text verbatim in its exception, so it is written for the developer of the back end.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::protocol::channel_name::InvalidChannelName;
use crate::protocol::signature::{QueryError, Unauthorized};
use crate::protocol::{InvalidEventName, RefusalCause};

/// Why a request is refused; the answer is the text, as plain text.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    text: String,
    cause: RefusalCause,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), cause: RefusalCause::Other }
    }

    /// Says what the refusal is counted as.
    pub(super) fn because(self, cause: RefusalCause) -> Self {
        Self { cause, ..self }
    }

    /// The refusal of what exceeds the limit with this key.
    pub(super) fn beyond(self, limit: &'static str) -> Self {
        self.because(RefusalCause::Limit(limit))
    }

    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// Names the part of the request that is refused.
    pub(super) fn within(mut self, part: &str) -> Self {
        self.text = format!("{part}: {}", self.text);
        self
    }

    pub(super) fn too_large(text: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }
}

/// The text of an [`ApiError`], an extension of its response, for the log of the server.
#[derive(Debug, Clone)]
pub struct ApiErrorText(pub String);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut answer = (self.status, self.text.clone()).into_response();
        if self.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            let identity = HeaderValue::from_static("identity");
            answer.headers_mut().insert(header::ACCEPT_ENCODING, identity);
        }
        answer.extensions_mut().insert(ApiErrorText(self.text));
        answer.extensions_mut().insert(self.cause);
        answer
    }
}

impl From<Unauthorized> for ApiError {
    fn from(why: Unauthorized) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, why.to_string()).because((&why).into())
    }
}

impl From<QueryError> for ApiError {
    fn from(why: QueryError) -> Self {
        Self::bad_request(why.to_string())
    }
}

impl From<InvalidChannelName> for ApiError {
    fn from(why: InvalidChannelName) -> Self {
        Self::bad_request(why.to_string()).because((&why).into())
    }
}

impl From<InvalidEventName> for ApiError {
    fn from(why: InvalidEventName) -> Self {
        let refused = Self::bad_request(why.to_string());
        match why {
            InvalidEventName::TooLong { .. } => refused.beyond("max_event_name_chars"),
            InvalidEventName::Empty | InvalidEventName::Reserved(_) => refused,
        }
    }
}
