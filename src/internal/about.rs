//! `GET /internal/v1`: which server this is, and what a viewer may ask of it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::access::Rights;
use super::answer::json;
use super::api::InternalApi;
use crate::build_info;
use crate::config::PayloadView;

/// The version of the API. It changes only where a client of the one before would break.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct About {
    version: u32,
    server: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// What the one who asks may do: `full`, or `read`.
    rights: &'static str,
    /// What may be asked for as `payloads`.
    payloads: Vec<&'static str>,
    open_taps: usize,
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    Extension(rights): Extension<Rights>,
) -> Response {
    let views = PayloadView::NAMES.into_iter().filter(|(_, view)| *view <= api.payloads);
    json(&About {
        version: VERSION,
        server: build_info::DESCRIPTION,
        node: api.node.name(),
        rights: rights.name(),
        payloads: views.map(|(name, _)| name).collect(),
        open_taps: api.node.observation().tap_count(),
    })
}
