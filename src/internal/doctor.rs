//! `POST /internal/v1/doctor`: the checks of `resound doctor` that a server can make of itself.
//!
//! Owns that one run is made at a time, and its answer. Which checks there are is left to the program.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::server_checks::{ChecksReport, ChecksRequest};

#[derive(Serialize)]
struct Answer {
    report: Box<RawValue>,
    text: String,
}

pub(super) async fn run(
    State(api): State<Arc<InternalApi>>,
    body: String,
) -> Result<Response, InternalError> {
    let request = match body.trim() {
        "" => ChecksRequest::default(),
        body => serde_json::from_str(body).map_err(|error| {
            let example =
                r#"{"app":"7","url":"https://ws.example.com","origin":"https://example.com"}"#;
            InternalError::bad_request(format!("the body must look like {example}: {error}"))
        })?,
    };
    let checks = api.checks()?;
    let permit = api.checking.clone().try_acquire_owned().map_err(|_| {
        let text = "the checks are being made already; they take ten seconds at most";
        InternalError::new(StatusCode::TOO_MANY_REQUESTS, text)
    })?;
    // The run goes on where the one who asked does not wait for it, and the permit with it.
    let run = tokio::task::spawn_blocking(move || {
        let report = checks.run(&request);
        drop(permit);
        report
    });
    let failed = || {
        let text = "the checks were not finished, by a mistake in Resound; report it as a bug";
        InternalError::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    };
    let report = run.await.map_err(|_| failed())?;
    let ChecksReport { json: report, text } = report.map_err(InternalError::bad_request)?;
    let report = RawValue::from_string(report).map_err(|_| failed())?;
    Ok(json(&Answer { report, text }))
}
