//! `GET /internal/v1/refusals?group=cause`: the refusals by their cause, with the remedy and the last ones of each.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use axum::http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::api::InternalApi;
use super::node_scope::NodeScope;
use super::other_nodes::{self, OtherNodes};
use crate::config::PayloadView;
use crate::observation::{Occurrence, RefusalGroup, RefusalGroupKey, TapFilter, What, remedy, row};

/// Refusals of one cause that are shown.
const ROWS_MAX: usize = 20;

#[derive(Serialize, Deserialize)]
pub(super) struct RefusalCauses {
    /// The one that came last in front.
    groups: Vec<RefusedCause>,
    left_out: u64,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    other_nodes: Option<OtherNodes>,
}

/// The refusals of one cause.
#[derive(Serialize, Deserialize)]
struct RefusedCause {
    part: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    /// Since the start of the servers.
    count: u64,
    last_at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    /// The last one.
    example: Option<Box<RawValue>>,
    /// The last ones that are kept, the newest first.
    rows: Vec<Box<RawValue>>,
}

/// The causes on the nodes that the request is about.
pub(super) async fn of_nodes(
    api: &InternalApi,
    scope: NodeScope,
    uri: &Uri,
    filter: &TapFilter,
) -> RefusalCauses {
    let mut causes = of_this_node(api, filter);
    let (answers, other_nodes) = other_nodes::ask::<RefusalCauses>(api, scope, uri).await;
    for answer in answers.into_iter().flatten() {
        causes.left_out += answer.left_out;
        causes.groups.extend(answer.groups);
    }
    let mut groups: Vec<RefusedCause> = joined(causes.groups);
    groups.sort_by_key(|group| Reverse(group.last_at_ms));
    RefusalCauses { groups, left_out: causes.left_out, other_nodes }
}

fn of_this_node(api: &InternalApi, filter: &TapFilter) -> RefusalCauses {
    let ring = api.node.observation().refusals();
    let past = ring.past();
    let shown: Vec<&Occurrence> =
        past.refusals.iter().filter(|refusal| filter.takes(refusal)).rev().collect();
    let causes = ring.causes().into_iter().filter(|(_, group)| filter.takes(&group.last));
    let groups = causes.map(|(key, group)| refused_cause(api, key, &group, &shown)).collect();
    RefusalCauses { groups, left_out: past.left_out, other_nodes: None }
}

fn refused_cause(
    api: &InternalApi,
    key: RefusalGroupKey,
    group: &RefusalGroup,
    shown: &[&Occurrence],
) -> RefusedCause {
    let RefusalGroupKey { part, reason, code } = key;
    let sockets = &api.node.metrics().sockets;
    let counted = reason.and_then(|reason| sockets.refused_so_far(part.name(), reason, code));
    let is_of = |occurrence: &&&Occurrence| match &occurrence.what {
        What::Refused(refusal) => RefusalGroupKey::of(refusal) == key,
        _ => false,
    };
    let rows = shown.iter().filter(is_of).take(ROWS_MAX);
    RefusedCause {
        part: part.name().to_owned(),
        reason: reason.map(str::to_owned),
        code,
        // Those that came too fast to be kept are counted there.
        count: counted.unwrap_or_default().max(group.count),
        last_at_ms: group.last.at_ms,
        remedy: remedy(&key).map(str::to_owned),
        example: written(api, &group.last),
        rows: rows.filter_map(|refusal| written(api, refusal)).collect(),
    }
}

/// Joins the groups that several nodes have of one cause.
fn joined(groups: Vec<RefusedCause>) -> Vec<RefusedCause> {
    let mut by_cause: BTreeMap<_, RefusedCause> = BTreeMap::new();
    for group in groups {
        let key = (group.part.clone(), group.reason.clone(), group.code);
        let Some(known) = by_cause.get_mut(&key) else {
            by_cause.insert(key, group);
            continue;
        };
        known.count += group.count;
        if group.last_at_ms > known.last_at_ms {
            (known.last_at_ms, known.example) = (group.last_at_ms, group.example);
        }
        known.rows.extend(group.rows);
        other_nodes::sort_by_time(&mut known.rows);
        known.rows.reverse();
        known.rows.truncate(ROWS_MAX);
    }
    by_cause.into_values().collect()
}

/// The row of a refusal of this node.
pub(super) fn written(api: &InternalApi, refusal: &Occurrence) -> Option<Box<RawValue>> {
    RawValue::from_string(row(refusal, api.node.name().as_deref(), PayloadView::None)).ok()
}
