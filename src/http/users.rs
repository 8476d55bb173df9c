//! Members of a presence channel, the number of connections, and terminating those of a user.

use std::sync::Arc;

use axum::response::Response;
use serde::Serialize;

use super::api_error::ApiError;
use super::json_response::{empty_response, json_response};
use super::signed::SignedRequest;
use crate::protocol::ChannelName;

#[derive(Serialize)]
struct UserListResponse {
    users: Vec<UserResponse>,
}

#[derive(Serialize)]
struct UserResponse {
    id: Arc<str>,
}

#[derive(Serialize)]
struct ConnectionsResponse {
    connections: u32,
}

/// `GET /apps/{id}/channels/{name}/users`: the members of a presence channel.
pub(super) async fn list(request: SignedRequest) -> Result<Response, ApiError> {
    let name_bytes_max = request.channels.app().limits.channel_name_bytes;
    let name = ChannelName::parse(request.parameter("channel"), name_bytes_max)?;
    if !name.is_presence() {
        return Err(ApiError::bad_request("only presence channels have users"));
    }
    let users =
        request.channels.members(&name).await.into_iter().map(|id| UserResponse { id }).collect();
    Ok(json_response(&UserListResponse { users }))
}

/// `GET /apps/{id}/connections`: an extension of Reverb, polled by Laravel Pulse.
pub(super) async fn connections(request: SignedRequest) -> Response {
    json_response(&ConnectionsResponse { connections: request.channels.socket_count().await })
}

/// `POST /apps/{id}/users/{user_id}/terminate_connections`.
pub(super) async fn terminate(request: SignedRequest) -> Response {
    let user_id = request.parameter("user_id");
    request.channels.terminate_user(user_id).await;
    tracing::info!(app = request.channels.app().id, user_id, "connections of a user terminated");
    empty_response()
}
