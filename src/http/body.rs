//! Reading the body of a request within a limit of bytes and of time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::time::{Instant, timeout_at};

use super::api_error::ApiError;
use crate::config::HttpConfig;

/// The minimum rate of a body once the time-out has passed.
const BYTES_PER_SECOND_MIN: usize = 1024;

/// Reads the whole body. A body with too large a `Content-Length` is refused before it is read.
pub(super) async fn read(mut body: Body, limits: HttpConfig) -> Result<Bytes, ApiError> {
    if body.size_hint().lower() > limits.max_body_bytes as u64 {
        return Err(too_large(limits.max_body_bytes));
    }
    let start = Instant::now();
    let mut whole = Vec::new();
    loop {
        let seconds = whole.len() / BYTES_PER_SECOND_MIN;
        let deadline = start + limits.body_timeout + Duration::from_secs(seconds as u64);
        let Ok(frame) = timeout_at(deadline, body.frame()).await else {
            let text = "The body did not arrive within http.body_timeout_seconds, nor at 1 KiB a second: look at the connection of the back end";
            return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, text));
        };
        let data = match frame {
            None => return Ok(whole.into()),
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(_)) => {
                return Err(ApiError::bad_request(
                    "The body could not be read: the connection broke, or its chunks are malformed (send it with Content-Length)",
                ));
            }
        };
        if whole.len() + data.len() > limits.max_body_bytes {
            return Err(too_large(limits.max_body_bytes));
        }
        // Most bodies are one frame, which is returned without a copy.
        if whole.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
}

/// Reads and drops the body of a refused request, so that its sender can read the answer: the kernel
/// resets a connection that is closed with unread bytes, and the reset can overtake the answer.
pub(super) async fn discard(body: Body, limits: HttpConfig) {
    if body.size_hint().upper().is_none_or(|bytes| bytes > limits.max_body_bytes as u64) {
        return;
    }
    let drop_all = async {
        let mut body = body;
        while let Some(Ok(_)) = body.frame().await {}
    };
    let _ = tokio::time::timeout(limits.body_timeout, drop_all).await;
}

fn too_large(bytes_max: usize) -> ApiError {
    ApiError::too_large(format!(
        "The request body is larger than {bytes_max} bytes: send less, or raise http.max_body_bytes (REVERB_MAX_REQUEST_SIZE)"
    ))
    .beyond("http.max_body_bytes")
}
