//! `GET /internal/v1/refusals`: the last refusals, which are kept whether or not a viewer is there, one by one or by
//! cause.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::parameters;
use crate::config::PayloadView;
use crate::observation::{
    Occurrence, RefusalGroup, RefusalGroupKey, RefusedPart, TapFilter, What, remedy, row,
};

/// Refusals of one cause that are shown.
const ROWS_MAX: usize = 20;

#[derive(Serialize)]
struct Refusals {
    /// The oldest first.
    refusals: Vec<Box<RawValue>>,
    /// Refusals that came too fast to be kept, since the start of the server.
    left_out: u64,
}

#[derive(Serialize)]
struct RefusalCauses {
    /// The one that came last in front.
    groups: Vec<RefusedCause>,
    left_out: u64,
}

/// The refusals of one cause.
#[derive(Serialize)]
struct RefusedCause {
    part: RefusedPart,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    /// Since the start of the server.
    count: u64,
    last_at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
    /// The last one.
    example: Option<Box<RawValue>>,
    /// The last ones that are kept, the newest first.
    rows: Vec<Box<RawValue>>,
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let (mut filter, mut is_grouped) = (TapFilter::default(), false);
    for (name, value) in parameters::pairs(uri.query().unwrap_or_default())? {
        match (name.as_str(), value.as_str()) {
            ("group", "cause") => is_grouped = true,
            ("group", _) => return Err(InternalError::bad_request("group must be cause")),
            _ if parameters::take_filter(&mut filter, &name, &value)? => {}
            _ => return Err(parameters::unknown(&name, "app, channel, socket, group")),
        }
    }
    let past = api.node.observation().refusals().past();
    let mut shown = past.refusals.iter().filter(|refusal| filter.takes(refusal));
    let left_out = past.left_out;
    if is_grouped {
        let shown: Vec<&Occurrence> = shown.rev().collect();
        let causes = api.node.observation().refusals().causes().into_iter();
        let causes = causes.filter(|(_, group)| filter.takes(&group.last));
        let mut groups: Vec<RefusedCause> =
            causes.map(|(key, group)| api.refused_cause(key, &group, &shown)).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.last_at_ms));
        return Ok(json(&RefusalCauses { groups, left_out }));
    }
    let refusals = shown.by_ref().filter_map(|refusal| api.written(refusal)).collect();
    Ok(json(&Refusals { refusals, left_out }))
}

impl InternalApi {
    fn refused_cause(
        &self,
        key: RefusalGroupKey,
        group: &RefusalGroup,
        shown: &[&Occurrence],
    ) -> RefusedCause {
        let RefusalGroupKey { part, reason, code } = key;
        let sockets = &self.node.metrics().sockets;
        let counted = reason.and_then(|reason| sockets.refused_so_far(part.name(), reason, code));
        let is_of = |occurrence: &&&Occurrence| match &occurrence.what {
            What::Refused(refusal) => RefusalGroupKey::of(refusal) == key,
            _ => false,
        };
        let rows = shown.iter().filter(is_of).take(ROWS_MAX);
        RefusedCause {
            part,
            reason,
            code,
            // Those that came too fast to be kept are counted there.
            count: counted.unwrap_or_default().max(group.count),
            last_at_ms: group.last.at_ms,
            remedy: remedy(&key),
            example: self.written(&group.last),
            rows: rows.filter_map(|refusal| self.written(refusal)).collect(),
        }
    }

    fn written(&self, refusal: &Occurrence) -> Option<Box<RawValue>> {
        let node = self.node.name();
        RawValue::from_string(row(refusal, node.as_deref(), PayloadView::None)).ok()
    }
}
