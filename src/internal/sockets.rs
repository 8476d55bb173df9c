//! `GET /internal/v1/sockets`: the sockets of this node, open ones or those that ended last; `…/sockets/{id}`: one.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::parameters::{self, ListParameters};
use crate::node::{SocketOrder, SocketQuery, SocketRow};
use crate::protocol::SocketId;

const KNOWN: &str = "search, app, user, address, channel, client, sort, state";

#[derive(Serialize)]
struct Listed {
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    sockets: Vec<SocketRow>,
    /// All that fit.
    matched: usize,
    more: bool,
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
    let more = found.matched > found.sockets.len();
    let node = api.node.name();
    Ok(json(&Listed { node, sockets: found.sockets, matched: found.matched, more }))
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, InternalError> {
    if let Some((name, _)) = parameters::pairs(uri.query().unwrap_or_default())?.first() {
        return Err(parameters::unknown(name, "none"));
    }
    let socket = api.node.socket(parse(&id)?).await;
    Ok(json(&socket.ok_or_else(|| api.absent(&id))?))
}

/// The id of a socket in a path.
pub(super) fn parse(id: &str) -> Result<SocketId, InternalError> {
    let text = "the id of a socket is digits, a dot, digits";
    SocketId::parse(id).ok_or_else(|| InternalError::bad_request(text))
}

impl InternalApi {
    /// Why a socket is not found.
    pub(super) fn absent(&self, id: &str) -> InternalError {
        let text = match self.node.name() {
            None => format!(
                "no socket has the id {id}: it closed before the last 128 of each worker, or never opened"
            ),
            Some(node) => format!(
                "node {node} has no socket with the id {id}: it may be one of another node, which has to be asked itself, or it closed before the last 128 of each worker"
            ),
        };
        InternalError::new(StatusCode::NOT_FOUND, text)
    }
}
