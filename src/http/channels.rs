//! `GET /channels` and `/channels/{name}`: occupied channels and their attributes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::response::Response;
use serde::Serialize;

use super::api_error::ApiError;
use super::info::{ChannelAttributes, InfoParameter};
use super::json_response::{field_response, json_response};
use super::signed::SignedRequest;
use crate::node;
use crate::protocol::ChannelType;

#[derive(Serialize)]
struct ChannelResponse {
    occupied: bool,
    #[serde(flatten)]
    attributes: ChannelAttributes,
    /// Present if requested for a cache channel: the cached event, or `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<Option<CachedEventResponse>>,
}

#[derive(Serialize)]
struct CachedEventResponse {
    data: Arc<str>,
    /// Seconds until the event expires.
    ttl: u64,
}

/// `GET /apps/{id}/channels`: the occupied channels.
pub(super) async fn list(request: SignedRequest) -> Result<Response, ApiError> {
    let prefix = request.query.get("filter_by_prefix").unwrap_or_default();
    let info = InfoParameter::parse(request.query.get("info"))?;
    if info.user_count && ChannelType::of_prefix(prefix) != ChannelType::Presence {
        return Err(ApiError::bad_request(
            "user_count exists on presence channels only: add filter_by_prefix=presence-",
        ));
    }
    let occupied = request.channels.occupied(prefix).await;
    let channels: BTreeMap<_, _> = occupied
        .iter()
        .map(|(name, counts)| (name.as_str(), info.attributes(name, Some(counts.clone()))))
        .collect();
    Ok(field_response("channels", channels))
}

/// `GET /apps/{id}/channels/{name}`. A channel without subscribers is an answer, not a 404.
pub(super) async fn show(request: SignedRequest) -> Result<Response, ApiError> {
    let name = request.channel()?;
    let info = InfoParameter::parse(request.query.get("info"))?;
    if info.user_count && !name.is_presence() {
        return Err(ApiError::bad_request("user_count exists on presence channels only"));
    }
    let counts = request.channels.counts(&name).await;
    let cache = if info.cache && name.is_cache() {
        let last = request.channels.last_event(&name, Instant::now()).await;
        Some(last.map(|node::LastEvent { data, ttl }| CachedEventResponse { data, ttl }))
    } else {
        None
    };
    let answer = ChannelResponse {
        occupied: counts.is_some(),
        attributes: info.attributes(&name, counts),
        cache,
    };
    Ok(json_response(&answer))
}
