//! `GET /internal/v1/sockets`: the sockets of this node, open ones or those that ended last; `…/sockets/{id}`: one.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::node_scope::NodeScope;
use super::other_nodes::{self, OtherNodes};
use super::parameters::{self, ListParameters};
use crate::node::{SocketOrder, SocketQuery, SocketRow, gently};
use crate::protocol::SocketId;

const KNOWN: &str = "search, app, user, address, channel, client, sort, state, nodes";

#[derive(Serialize, Deserialize)]
struct Listed {
    sockets: Vec<Box<RawValue>>,
    /// All that fit.
    matched: usize,
    more: bool,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    other_nodes: Option<OtherNodes>,
}

/// What sockets of several nodes are ordered by.
#[derive(Deserialize)]
struct OrderedBy {
    opened_at_ms: u64,
    outbox_bytes: u64,
    sent_bytes: u64,
    received_bytes: u64,
    closed: Option<EndedAgo>,
}

#[derive(Deserialize)]
struct EndedAgo {
    ago_ms: u64,
}

/// Tells an answer with a socket from an error.
#[derive(Deserialize)]
struct Found {
    #[serde(rename = "socket")]
    _socket: String,
}

/// Which sockets are listed.
#[derive(Clone, Copy, Default)]
enum ListedState {
    #[default]
    Open,
    Closed,
}

pub(super) async fn list(
    State(api): State<Arc<InternalApi>>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let mut asked = ListParameters::of(uri.query().unwrap_or_default(), KNOWN)?;
    let states = [("open", ListedState::Open), ("closed", ListedState::Closed)];
    let state = asked.take_one_of("state", &states)?;
    let scope = asked.take_one_of("nodes", &NodeScope::NAMES)?;
    let query = SocketQuery {
        order: asked.take_one_of("sort", &SocketOrder::NAMES)?,
        app: asked.take("app"),
        search: asked.take("search"),
        user: asked.take("user"),
        address: asked.take("address"),
        channel: asked.take("channel"),
        client: asked.take("client"),
    };
    if let Some(app) = &query.app {
        parameters::channels_of(&api, app)?;
    }
    let found = match state {
        ListedState::Open => api.node.sockets(&query, asked.limit).await,
        ListedState::Closed => api.node.closed_sockets(&query, asked.limit).await,
    };
    let mut matched = found.matched;
    let mut sockets: Vec<_> = gently(&found.sockets).filter_map(raw).collect();
    let (answers, other_nodes) = other_nodes::ask::<Listed>(&api, scope, &uri).await;
    for answer in answers.into_iter().flatten() {
        matched += answer.matched;
        sockets.extend(answer.sockets);
    }
    if other_nodes.is_some() {
        sockets.sort_by_cached_key(|row| key(query.order, row));
        sockets.truncate(asked.limit);
    }
    let more = matched > sockets.len();
    Ok(json(&Listed { sockets, matched, more, other_nodes }))
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let scope = parameters::scope_alone(&uri)?;
    if let Some(socket) = api.node.socket(parse(&id)?).await {
        return Ok(json(&socket));
    }
    let (answers, others) = other_nodes::ask::<Box<RawValue>>(&api, scope, &uri).await;
    let mut answers = answers.into_iter().flatten();
    let elsewhere = answers.find(|it| serde_json::from_str::<Found>(it.get()).is_ok());
    Ok(json(&elsewhere.ok_or_else(|| api.absent(&id, scope, others))?))
}

fn raw(row: &SocketRow) -> Option<Box<RawValue>> {
    serde_json::to_string(row).ok().and_then(|text| RawValue::from_string(text).ok())
}

/// Those of one node come in this order already.
fn key(order: SocketOrder, row: &RawValue) -> u64 {
    let Ok(by) = serde_json::from_str::<OrderedBy>(row.get()) else { return u64::MAX };
    match (order, by.closed) {
        (_, Some(EndedAgo { ago_ms })) => ago_ms,
        (SocketOrder::Newest, None) => u64::MAX - by.opened_at_ms,
        (SocketOrder::Oldest, None) => by.opened_at_ms,
        (SocketOrder::Outbox, None) => u64::MAX - by.outbox_bytes,
        (SocketOrder::Sent, None) => u64::MAX - by.sent_bytes,
        (SocketOrder::Received, None) => u64::MAX - by.received_bytes,
    }
}

/// The id of a socket in a path.
pub(super) fn parse(id: &str) -> Result<SocketId, InternalError> {
    let text = "the id of a socket is digits, a dot, digits";
    SocketId::parse(id).ok_or_else(|| InternalError::bad_request(text))
}

impl InternalApi {
    /// Why a socket is not found.
    pub(super) fn absent(
        &self,
        id: &str,
        scope: NodeScope,
        others: Option<OtherNodes>,
    ) -> InternalError {
        let text = match self.node.name().filter(|_| scope == NodeScope::This) {
            None => format!(
                "no socket has the id {id}: it closed before the last 128 of each worker, or never opened"
            ),
            Some(node) => format!(
                "node {node} has no socket with the id {id}: it may be one of another node, which nodes=all asks, or it closed before the last 128 of each worker"
            ),
        };
        let absent = InternalError::new(StatusCode::NOT_FOUND, text);
        OtherNodes::refusal(others, "this socket", absent)
    }
}
