//! `GET /internal/v1/inputs`: what other programs publish in Redis for the apps of this server, and whether it arrives.
//!
//! Each node answers for itself, since each has its own links and receives every message itself.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::other_nodes::{self, OtherNodes};
use super::parameters;
use crate::metrics::RefusedMessages;
use crate::redis_input::InputFacts;

#[derive(Serialize)]
struct Inputs {
    /// Those of this node first.
    inputs: Vec<Input>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_nodes: Option<OtherNodes>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Input {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// `laravel` or `reverb`.
    input: String,
    /// Its section of the configuration.
    section: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app: Option<String>,
    address: String,
    /// `connected` or `away`.
    state: String,
    for_ms: u64,
    reconnects: u64,
    cause: Option<String>,
    software: Option<String>,
    version: Option<String>,
    topics: u64,
    messages: u64,
    messages_refused: Vec<RefusedMessages>,
    messages_published: u64,
    possible_gaps: u64,
    links_lost: u64,
}

/// The answer of another node, as far as it is read here.
#[derive(Deserialize)]
struct OfOther {
    inputs: Vec<Input>,
}

pub(super) async fn list(
    State(api): State<Arc<InternalApi>>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let scope = parameters::scope_alone(&uri)?;
    let own = api.node.input_facts().into_iter().map(|facts| Input::of(api.node.name(), facts));
    let mut inputs: Vec<_> = own.collect();
    let (others, other_nodes) = other_nodes::ask::<OfOther>(&api, scope, &uri).await;
    let mut others: Vec<_> = others.into_iter().flatten().flat_map(|other| other.inputs).collect();
    // The sort is stable, so those of one node stay in the order of its configuration.
    others.sort_by(|one, other| one.node.cmp(&other.node));
    inputs.extend(others);
    Ok(json(&Inputs { inputs, other_nodes }))
}

impl Input {
    fn of(node: Option<String>, facts: InputFacts) -> Self {
        let InputFacts { input, section, app, link, topics, counts } = facts;
        let (software, version) = link.peer.map(|peer| (peer.software, peer.version)).unzip();
        Self {
            node,
            input: input.to_owned(),
            section,
            app,
            address: link.address,
            state: if link.is_up { "connected" } else { "away" }.to_owned(),
            for_ms: whole_ms(link.since.elapsed()),
            reconnects: link.connects.saturating_sub(1),
            cause: link.cause,
            software,
            version,
            topics,
            messages: counts.messages.get(),
            messages_refused: counts.refused_messages(),
            messages_published: counts.messages_published.get(),
            possible_gaps: counts.possible_gaps.get(),
            links_lost: counts.links_lost.get(),
        }
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
