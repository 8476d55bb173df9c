//! Who is there: members of a presence channel, connections of the app, and sending users away.

use std::sync::Arc;

use axum::response::Response;
use serde::Serialize;

use super::refusal::Refusal;
use super::signed::Signed;
use super::{json, json_of};
use crate::protocol::ChannelName;

#[derive(Serialize)]
struct Users {
    users: Vec<User>,
}

#[derive(Serialize)]
struct User {
    id: Arc<str>,
}

/// `GET /apps/{id}/channels/{name}/users`: distinct members.
pub(super) async fn list(request: Signed) -> Result<Response, Refusal> {
    let name_bytes_max = request.hub.app().limits.channel_name_bytes;
    let name = ChannelName::parse(request.parameter("channel"), name_bytes_max)?;
    if !name.is_presence() {
        return Err(Refusal::bad_request("only presence channels have users"));
    }
    let users = request.hub.members(&name).into_iter().map(|id| User { id }).collect();
    Ok(json_of(&Users { users }))
}

/// `GET /apps/{id}/connections`: Reverb's own; Pulse polls it.
pub(super) async fn connections(request: Signed) -> Response {
    json(format!("{{\"connections\":{}}}", request.hub.socket_count()))
}

/// `POST /apps/{id}/users/{user_id}/terminate_connections`.
pub(super) async fn terminate(request: Signed) -> Response {
    let user_id = request.parameter("user_id");
    let sockets = request.hub.terminate_user(user_id);
    tracing::info!(app = request.hub.app().id, user_id, sockets, "user terminated");
    json("{}".to_owned())
}
