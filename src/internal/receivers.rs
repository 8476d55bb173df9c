//! `GET /internal/v1/apps/{app}/receivers`: which sockets of each node received one event on one channel.
//!
//! The event is named by what its row says, since it has no id that all nodes know.

use std::sync::Arc;

use axum::extract::{RawPathParams, State};
use axum::http::Uri;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::node_scope::take_scope;
use super::other_nodes::{self, OtherNodes};
use super::{parameters, sockets};
use crate::node::{NodeReceivers, SoughtDelivery};
use crate::protocol::ChannelName;

/// What names the event.
#[derive(Default)]
struct Sought {
    channel: Option<String>,
    event: Option<String>,
    bytes: Option<usize>,
    except: Option<String>,
    at_ms: Option<u64>,
}

#[derive(Serialize)]
struct Receivers {
    app: String,
    channel: String,
    /// This node first.
    nodes: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_nodes: Option<OtherNodes>,
}

#[derive(Serialize)]
struct OnNode<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    #[serde(flatten)]
    receivers: NodeReceivers,
}

/// What is used of the answer of another node.
#[derive(Deserialize)]
struct OfOther {
    nodes: Vec<Box<RawValue>>,
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    path: RawPathParams,
    uri: Uri,
) -> Result<Response, InternalError> {
    let app = path.iter().next().map_or("", |(_, app)| app);
    let mut pairs = parameters::pairs(uri.query().unwrap_or_default())?;
    let scope = take_scope(&mut pairs)?;
    let sought = Sought::read(pairs)?;
    let channels = parameters::channels_of(&api, app)?;
    let missing = |name: &str| {
        InternalError::bad_request(format!("name {name}, as the row of the event has it"))
    };
    let channel = sought.channel.ok_or_else(|| missing("channel"))?;
    let bytes_max = channels.app().limits.channel_name_bytes;
    let name = ChannelName::parse(&channel, bytes_max)
        .map_err(|why| InternalError::bad_request(why.to_string()))?;
    let event = sought.event.ok_or_else(|| missing("event"))?;
    let except = sought.except.as_deref().map(sockets::parse).transpose()?;
    let sought = SoughtDelivery {
        channel: &name,
        event: &event,
        bytes: sought.bytes.ok_or_else(|| missing("bytes"))?,
        except,
        at_ms: sought.at_ms.ok_or_else(|| missing("at_ms"))?,
    };
    let receivers = channels.receivers(sought).await;
    let node = api.node.name();
    let own = serde_json::value::to_raw_value(&OnNode { node: node.as_deref(), receivers });
    let (others, other_nodes) = other_nodes::ask::<OfOther>(&api, scope, &uri).await;
    let mut nodes: Vec<_> = others.into_iter().flatten().flat_map(|other| other.nodes).collect();
    nodes.sort_by(|one, other| one.get().cmp(other.get()));
    nodes.splice(0..0, own);
    Ok(json(&Receivers { app: app.to_owned(), channel, nodes, other_nodes }))
}

impl Sought {
    fn read(pairs: Vec<(String, String)>) -> Result<Self, InternalError> {
        let mut sought = Self::default();
        for (name, value) in pairs {
            let number = || {
                let text = format!("{name} must be a number, as the row of the event has it");
                value.parse().map_err(|_| InternalError::bad_request(text))
            };
            match name.as_str() {
                "channel" => sought.channel = Some(value),
                "event" => sought.event = Some(value),
                "except" => sought.except = Some(value),
                "bytes" => {
                    let bytes: u64 = number()?;
                    sought.bytes = usize::try_from(bytes).ok();
                }
                "at_ms" => sought.at_ms = Some(number()?),
                _ => {
                    let known = "channel, event, bytes, except, at_ms, nodes";
                    return Err(parameters::unknown(&name, known));
                }
            }
        }
        Ok(sought)
    }
}
