//! Members of a presence channel, the number of connections, and terminating those of a user.

use std::sync::Arc;

use axum::response::Response;
use serde::Serialize;

use super::api_error::ApiError;
use super::json_response::{empty_response, field_response};
use super::signed::SignedRequest;

#[derive(Serialize)]
struct UserResponse {
    id: Arc<str>,
}

/// `GET /apps/{id}/channels/{name}/users`: the members of a presence channel.
pub(super) async fn list(request: SignedRequest) -> Result<Response, ApiError> {
    let name = request.channel()?;
    if !name.is_presence() {
        return Err(ApiError::bad_request("only presence channels have users"));
    }
    let members = request.channels.members(&name).await;
    let users: Vec<_> = members.into_iter().map(|id| UserResponse { id }).collect();
    Ok(field_response("users", users))
}

/// `GET /apps/{id}/connections`: an extension of Reverb, polled by Laravel Pulse.
pub(super) async fn connections(request: SignedRequest) -> Response {
    field_response("connections", request.channels.socket_count().await)
}

/// `POST /apps/{id}/users/{user_id}/terminate_connections`.
pub(super) async fn terminate(request: SignedRequest) -> Response {
    let user_id = request.parameter("user_id");
    request.channels.terminate_user(user_id).await;
    tracing::info!(app = request.channels.app().id, user_id, "connections of a user terminated");
    empty_response()
}
