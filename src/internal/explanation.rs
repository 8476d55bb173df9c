//! `GET /internal/v1/apps/{app}/explain`: what happened of late on a channel, and what would happen with an event
//! now.

use std::sync::Arc;

use axum::extract::{RawPathParams, State};
use axum::http::Uri;
use axum::response::Response;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::parameters;

/// Longer than any name of a channel or an event.
const NAME_BYTES_MAX: usize = 1024;

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    path: RawPathParams,
    uri: Uri,
) -> Result<Response, InternalError> {
    let app = path.iter().next().map_or("", |(_, app)| app);
    let (mut channel, mut event) = (None, None);
    for (name, value) in parameters::pairs(uri.query().unwrap_or_default())? {
        if value.is_empty() || value.len() > NAME_BYTES_MAX {
            let text = format!("{name} must have 1 to {NAME_BYTES_MAX} bytes");
            return Err(InternalError::bad_request(text));
        }
        match name.as_str() {
            "channel" => channel = Some(value),
            "event" => event = Some(value),
            _ => return Err(parameters::unknown(&name, "channel, event")),
        }
    }
    let channel =
        channel.ok_or_else(|| InternalError::bad_request("name a channel: ?channel=…"))?;
    let channels = parameters::channels_of(&api, app)?;
    Ok(json(&api.node.explain_channel(&channels, &channel, event.as_deref()).await))
}
