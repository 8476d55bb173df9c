//! `GET /internal/v1/apps/{app}/channels`: the occupied channels of an app; `…/channels/{channel}`: one of them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::parameters::{self, ListParameters};
use crate::config::PayloadView;
use crate::node::{ChannelOrder, ChannelQuery, ChannelRow, SocketRow};
use crate::observation::Payload;
use crate::protocol::ChannelName;

/// Members and subscribers of one channel that are shown.
const SHOWN_MAX: usize = 100;

#[derive(Serialize)]
struct Listed {
    app: String,
    channels: Vec<ChannelRow>,
    /// All that fit, those before `after` among them.
    matched: usize,
    /// Whether there are further ones.
    more: bool,
}

#[derive(Serialize)]
struct Shown {
    app: String,
    #[serde(flatten)]
    row: ChannelRow,
    /// Nodes that have some of its sockets.
    nodes: u32,
    /// Whether the counts are those of this node, since Redis is away.
    partial: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    occupied_for_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_event: Option<CachedData>,
    /// The first hundred members of a presence channel.
    member_list: Vec<ShownMember>,
    /// The newest hundred subscribers on this node.
    subscribers: Vec<SocketRow>,
}

#[derive(Serialize)]
struct ShownMember {
    user_id: String,
    /// As `payloads` allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_info: Option<String>,
}

#[derive(Serialize)]
struct CachedData {
    bytes: usize,
    expires_in_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    data_cut: bool,
}

pub(super) async fn list(
    State(api): State<Arc<InternalApi>>,
    Path(app): Path<String>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let channels = parameters::channels_of(&api, &app)?;
    let query = uri.query().unwrap_or_default();
    let mut asked = ListParameters::of(query, "search, sort, after")?;
    let order = asked.take_one_of("sort", &ChannelOrder::NAMES)?;
    let (search, after) = (asked.take("search"), asked.take("after"));
    if after.is_some() && order != ChannelOrder::Name {
        let text = "after needs sort=name: counts change between two pages";
        return Err(InternalError::bad_request(text));
    }
    // One more than is shown, to know whether there are further ones.
    let most = asked.limit + 1;
    let mut found = channels.list(&ChannelQuery { search, order, after }, most).await;
    let more = found.channels.len() == most;
    found.channels.truncate(asked.limit);
    Ok(json(&Listed { app, channels: found.channels, matched: found.matched, more }))
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    Path((app, channel)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let channels = parameters::channels_of(&api, &app)?;
    let mut view = PayloadView::Masked.min(api.payloads);
    for (name, value) in parameters::pairs(uri.query().unwrap_or_default())? {
        match name.as_str() {
            "payloads" => view = parameters::view(&value, api.payloads)?,
            _ => return Err(parameters::unknown(&name, "payloads")),
        }
    }
    let name = ChannelName::parse(&channel, channels.app().limits.channel_name_bytes)
        .map_err(|invalid| InternalError::bad_request(invalid.to_string()))?;
    let facts = channels.facts(&name, SHOWN_MAX).await;
    let subscribers = api.node.subscribers(&channels, &name, SHOWN_MAX).await.sockets;
    let cached_event = facts.last_event.map(|event| {
        let payload = Payload::of(&event.data, Payload::SHOWN_BYTES);
        let data = payload.seen(view);
        let data_cut = data.is_some() && payload.is_cut();
        CachedData { bytes: payload.bytes(), expires_in_seconds: event.ttl, data, data_cut }
    });
    let members = facts.members.into_iter().map(|(user_id, info)| ShownMember {
        user_id: user_id.to_string(),
        user_info: info.and_then(|info| Payload::of(&info, Payload::SHOWN_BYTES).seen(view)),
    });
    Ok(json(&Shown {
        app,
        row: facts.row,
        nodes: facts.nodes,
        partial: facts.is_partial,
        occupied_for_ms: facts
            .occupied_for
            .map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX)),
        cached_event,
        member_list: members.collect(),
        subscribers,
    }))
}
