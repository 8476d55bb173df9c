//! [`SignedRequest`]: the extractor that checks the signature of a request before its handler runs.
//!
//! Handlers reach the channels of an app only through it.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams};
use axum::http::{Request, StatusCode, header};
use hyper::body::Body as _;
use percent_encoding::percent_decode_str;

use super::api::Api;
use super::api_error::ApiError;
use super::explained::Explainer;
use super::{body, encoding};
use crate::node::Channels;
use crate::protocol::channel_name::InvalidChannelName;
use crate::protocol::signature::{self, SignedQuery};
use crate::protocol::{ChannelName, RefusalCause};
use crate::telemetry::TriggerTrace;

/// Bytes of a body that are taken while memory is short: an event of the size that hosted Pusher takes, in each case.
const SHORT_OF_MEMORY_BYTES: u64 = 16_384;

/// The path of a request as it was sent; an extension of requests that are routed by another spelling.
#[derive(Debug, Clone)]
pub struct OriginalPath(pub String);

/// A request with a valid signature.
pub(super) struct SignedRequest {
    pub(super) channels: Arc<Channels>,
    pub(super) query: SignedQuery,
    pub(super) body: Bytes,
    /// When the last byte of the body was read.
    pub(super) arrived_at: Instant,
    /// What explains its events, if the answer or the log is to hold verdicts.
    pub(super) explainer: Option<Explainer>,
    /// `None` if this request is not traced.
    pub(super) trace: Option<Arc<TriggerTrace>>,
    parameters: RawPathParams,
}

impl SignedRequest {
    /// A parameter of the route, percent-decoded.
    pub(super) fn parameter(&self, name: &str) -> &str {
        parameter(&self.parameters, name)
    }

    /// The channel that the route names.
    pub(super) fn channel(&self) -> Result<ChannelName, InvalidChannelName> {
        let bytes_max = self.channels.app().limits.channel_name_bytes;
        ChannelName::parse(self.parameter("channel"), bytes_max)
    }
}

impl FromRequest<Arc<Api>> for SignedRequest {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, api: &Arc<Api>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let parameters =
            RawPathParams::from_request_parts(&mut parts, api).await.map_err(|_| {
                ApiError::bad_request(
                    "The path is not valid UTF-8 after decoding: percent-encode it as UTF-8",
                )
            })?;
        let app_id = parameter(&parameters, "app_id");
        let method = parts.method.as_str();
        let path = parts.uri.path();
        let sent = parts.extensions.get::<OriginalPath>().map_or(path, |sent| &sent.0);
        let query = parts.uri.query().unwrap_or_default();
        let checked = check_head(api, app_id, method, (path, sent), query);
        let checked =
            checked.and_then(|checked| encoding::check(&parts.headers, &body).map(|()| checked));
        let checked = checked.and_then(|checked| check_memory(api, &body).map(|()| checked));
        match checked {
            Ok((channels, query)) => {
                let body = body::read(body, api.limits).await?;
                let arrived_at = Instant::now();
                signature::check_body(&query, &body)?;
                let explainer = Explainer::of(&parts.headers, &api.node);
                let trace = parts.extensions.remove::<Arc<TriggerTrace>>();
                if let Some(trace) = &trace {
                    trace.signed_for(&channels.app().id);
                }
                Ok(Self { channels, query, body, arrived_at, explainer, trace, parameters })
            }
            Err(refusal) => {
                // A client that waits for 100 Continue has not sent the body.
                if !parts.headers.contains_key(header::EXPECT) {
                    body::discard(body, api.limits).await;
                }
                Err(refusal)
            }
        }
    }
}

fn parameter<'p>(parameters: &'p RawPathParams, name: &str) -> &'p str {
    parameters.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
}

/// Refuses a large body, or one that does not say how large it is, while memory is short.
fn check_memory(api: &Api, body: &Body) -> Result<(), ApiError> {
    let is_small = body.size_hint().upper().is_some_and(|bytes| bytes <= SHORT_OF_MEMORY_BYTES);
    if is_small || !api.node.is_short_of_memory() {
        return Ok(());
    }
    let text = format!(
        "The server is short of memory (limits.memory_bytes) and takes bodies of {SHORT_OF_MEMORY_BYTES} bytes at most now: send this one again later"
    );
    Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, text).beyond("limits.memory_bytes"))
}

/// Checks everything before the body: the app, then the signature.
fn check_head(
    api: &Api,
    app_id: &str,
    method: &str,
    (path, sent): (&str, &str),
    query: &str,
) -> Result<(Arc<Channels>, SignedQuery), ApiError> {
    let channels = api.node.channels_by_id(app_id).ok_or_else(|| {
        let app_id: String = app_id.chars().take(64).collect();
        ApiError::not_found(format!(
            "No matching application for ID {app_id:?}: check REVERB_APP_ID"
        ))
        .because(RefusalCause::Signature("unknown_app"))
    })?;
    let app = channels.app();
    let query = SignedQuery::parse(query)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    // The client may have signed another spelling of the path: proxies add a prefix or slashes, and
    // SDKs differ in what they encode.
    let check = |paths: &[&str]| signature::check_request(&app, method, paths, &query, now);
    check(&[path, api.strip_prefix(path)]).or_else(|refused| {
        if sent == path && !path.contains('%') {
            return Err(refused);
        }
        let decoded = |path| percent_decode_str(path).decode_utf8_lossy().into_owned();
        let (path, sent_decoded) = (decoded(path), decoded(sent));
        let spellings = [sent, &path, &sent_decoded];
        check(&spellings).or_else(|_| check(&spellings.map(|path| api.strip_prefix(path))))
    })?;
    if !app.enabled {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "The application is disabled (enabled = false)",
        ));
    }
    drop(app);
    Ok((channels, query))
}
