//! The listener of those who operate the server: metrics, probes, the console, and the HTTP API of it and of commands.
//!
//! Owns who may do what ([`access`], [`gate`]), the live stream and what else the API answers, whose contract is
//! config/internal-api.md. Its sockets are bound by `server`, what happens is observed by the rooms above.
//! Another resource is a file with a handler and a line in [`router`].

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{get, post};

mod about;
mod access;
mod aligned_ticks;
mod answer;
mod api;
mod app_settings;
mod apps;
mod attention;
mod channels;
mod client_view;
mod cluster;
mod doctor;
mod explanation;
mod gate;
mod inquiries;
mod lent_taps;
mod merged_endpoints;
mod live_stream;
mod login_throttle;
mod node_scope;
mod other_nodes;
mod other_streams;
mod own_server;
mod overview;
mod parameters;
mod publishing;
mod receivers;
mod recorded_events;
mod redis_inputs;
mod refusal_causes;
mod refusals;
mod triggers;
mod server_checks;
mod sockets;
mod termination;
mod timeline_points;
mod webhook_calls;

pub use access::Entrance;
pub use api::InternalApi;
pub use gate::ClientAddress;
pub use inquiries::answer_inquiries;
pub use own_server::OwnServer;
pub use server_checks::{ChecksReport, ChecksRequest, ServerChecks};

use crate::{console, http};

/// What browsers must not do with any answer: guess what it is, tell other sites where it was, show it to them.
const FIELDS: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// The routes for those who come by this entrance.
pub fn router(api: &Arc<InternalApi>, entrance: Entrance) -> Router {
    let guarded = Router::new()
        .route("/internal/v1", get(about::show))
        .route(live_stream::PATH, get(live_stream::show))
        .route("/internal/v1/refusals", get(refusals::show))
        .route("/internal/v1/overview", get(overview::show))
        .route("/internal/v1/timeline", get(timeline_points::show))
        .route("/internal/v1/cluster", get(cluster::show))
        .route("/internal/v1/inputs", get(redis_inputs::list))
        .route("/internal/v1/doctor", post(doctor::run))
        .route("/internal/v1/apps", get(apps::show))
        .route("/internal/v1/apps/{app}/channels", get(channels::list))
        .route("/internal/v1/apps/{app}/channels/{channel}", get(channels::show))
        .route("/internal/v1/apps/{app}/users/{user}/terminate", post(termination::of_user))
        .route("/internal/v1/sockets", get(sockets::list))
        .route("/internal/v1/sockets/{id}", get(sockets::show))
        .route("/internal/v1/sockets/{id}/terminate", post(termination::of_socket))
        .route("/internal/v1/apps/{app}", get(app_settings::show))
        .route("/internal/v1/apps/{app}/reveal", post(app_settings::reveal))
        .route("/internal/v1/apps/{app}/webhooks", get(webhook_calls::show))
        .route("/internal/v1/apps/{app}/webhooks/{endpoint}/resend", post(webhook_calls::resend))
        .route(
            "/internal/v1/apps/{app}/webhooks/{endpoint}/given_up/{batch}/resend",
            post(webhook_calls::resend_given_up),
        )
        .route("/internal/v1/apps/{app}/explain", get(explanation::show))
        .route("/internal/v1/apps/{app}/receivers", get(receivers::show))
        .route("/internal/v1/apps/{app}/triggers/{id}", get(triggers::show))
        .route(
            "/internal/v1/apps/{app}/events",
            get(recorded_events::show).post(publishing::events),
        )
        .route("/internal/v1/apps/{app}/batch_events", post(publishing::batch_events))
        .route("/internal/v1/apps/{app}/client", post(client_view::show))
        .with_state(api.clone())
        .merge(http::metrics_router(api.node.clone()))
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::method_not_allowed)
        .layer(from_fn_with_state((api.clone(), entrance), gate::check));
    let console = console::router()
        .method_not_allowed_fallback(answer::method_not_allowed)
        .layer(from_fn_with_state((api.clone(), entrance), gate::check_console));
    // Merged behind the gate: probes of orchestrators bring no token.
    http::probes_router(api.node.clone())
        .merge(console)
        .merge(guarded)
        .layer(map_response(with_fields))
}

async fn with_fields(mut answer: Response) -> Response {
    answer.headers_mut().extend(FIELDS);
    answer
}
