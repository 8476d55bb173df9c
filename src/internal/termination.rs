//! `POST …/apps/{app}/users/{user}/terminate` and `POST …/sockets/{id}/terminate`: closing sockets by hand.
//!
//! What happens to them is what the HTTP API's `terminate_connections` does. The gate logs each call.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::{other_nodes, parameters, sockets};

#[derive(Serialize)]
struct EndedUser {
    app: String,
    user: String,
    /// Its sockets on this node; those of others are closed too.
    sockets_on_this_node: usize,
}

#[derive(Serialize, Deserialize)]
struct EndedSocket {
    app: String,
    socket: String,
    /// The node that had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<String>,
}

pub(super) async fn of_user(
    State(api): State<Arc<InternalApi>>,
    Path((app, user)): Path<(String, String)>,
) -> Result<Response, InternalError> {
    let channels = parameters::channels_of(&api, &app)?;
    let in_presence = channels.app().terminate_presence_users;
    let sockets_on_this_node = channels.hub().sockets_of_user(&user, in_presence).len();
    channels.terminate_user(&user).await;
    Ok(json(&EndedUser { app, user, sockets_on_this_node }))
}

pub(super) async fn of_socket(
    State(api): State<Arc<InternalApi>>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let scope = parameters::scope_alone(&uri)?;
    if let Some(app) = api.node.terminate_socket(sockets::parse(&id)?).await {
        return Ok(json(&EndedSocket { app, socket: id, node: api.node.name() }));
    }
    let (answers, others) = other_nodes::have_done::<EndedSocket>(&api, scope, &uri).await;
    let ended = answers.into_iter().flatten().next();
    Ok(json(&ended.ok_or_else(|| api.absent(&id, scope, others))?))
}
