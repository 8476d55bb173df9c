//! `GET /internal/v1/timeline`: the last minutes of each series, of this node or of the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::node_scope::take_scope;
use super::other_nodes::{self, OtherNodes};
use super::parameters;
use crate::observation::now_ms;
use crate::timeline::{Points, Series};

/// A step of five seconds is two pixels of a small chart of ten minutes.
const STEP_SECONDS: u64 = 5;

/// A longer one would leave fifteen values of all.
const STEP_SECONDS_MAX: u64 = 60;

#[derive(Serialize)]
struct Answer {
    now_ms: u64,
    #[serde(flatten)]
    past: PastSeries,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_nodes: Option<OtherNodes>,
}

/// The values of each series, by its name.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct PastSeries {
    start_ms: u64,
    step_ms: u64,
    series: BTreeMap<String, Vec<Option<f32>>>,
}

impl PastSeries {
    fn of(points: Points, step: u64) -> Self {
        // Two decimals: a chart is 44 pixels high.
        let round = |value: Option<f32>| value.map(|value| (value * 100.0).round() / 100.0);
        let named = Series::ALL
            .into_iter()
            .zip(points.values)
            .map(|((_, name), values)| (name.to_owned(), values.into_iter().map(round).collect()));
        Self {
            start_ms: points.start_seconds * 1000,
            step_ms: step * 1000,
            series: named.collect(),
        }
    }

    /// Adds those of another node, of the same steps.
    fn add(&mut self, other: &Self) {
        if other.step_ms != self.step_ms {
            return;
        }
        for (series, name) in Series::ALL {
            let Some(values) = self.series.get_mut(name) else { continue };
            let others = other.series.get(name).map_or(&[][..], Vec::as_slice);
            for (at, value) in values.iter_mut().enumerate() {
                let time = self.start_ms + at as u64 * self.step_ms;
                let place = time.checked_sub(other.start_ms).map(|ms| ms / self.step_ms);
                let place = place.and_then(|place| usize::try_from(place).ok());
                let of_other = place.and_then(|place| others.get(place).copied()).flatten();
                let both = [*value, of_other].into_iter().flatten();
                *value = if series.is_summed() {
                    both.reduce(|one, other| one + other)
                } else {
                    both.reduce(f32::max)
                };
            }
        }
    }
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let mut pairs = parameters::pairs(uri.query().unwrap_or_default())?;
    let scope = take_scope(&mut pairs)?;
    let (mut since_ms, mut step) = (0_u64, STEP_SECONDS);
    for (name, value) in pairs {
        match name.as_str() {
            "since" => {
                let text = "since must be milliseconds since the Unix epoch";
                since_ms = value.parse().map_err(|_| InternalError::bad_request(text))?;
            }
            "step" => {
                let found = value.parse().ok().filter(|step| (1..=STEP_SECONDS_MAX).contains(step));
                let text = format!("step must be 1 to {STEP_SECONDS_MAX} seconds");
                step = found.ok_or_else(|| InternalError::bad_request(text))?;
            }
            _ => return Err(parameters::unknown(&name, "since, step, nodes")),
        }
    }
    let mut past = PastSeries::of(api.timeline.points(since_ms / 1000, step), step);
    let (others, other_nodes) = other_nodes::ask::<PastSeries>(&api, scope, &uri).await;
    others.iter().flatten().for_each(|other| past.add(other));
    Ok(json(&Answer { now_ms: now_ms(), past, other_nodes }))
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, PastSeries};

    fn past(start_ms: u64, sockets: &[Option<f32>], latency: &[Option<f32>]) -> PastSeries {
        let series = BTreeMap::from([
            ("sockets".to_owned(), sockets.to_vec()),
            ("latency_p99_ms".to_owned(), latency.to_vec()),
        ]);
        PastSeries { start_ms, step_ms: 5000, series }
    }

    #[test]
    fn two_nodes_are_added_step_by_step_and_of_latencies_the_highest_counts() {
        let one = [Some(1.0), None, Some(3.0)];
        let mut sum = past(10_000, &one, &one);
        // It began a step later, and is a step ahead.
        let other = [Some(10.0), Some(2.0), Some(7.0)];
        sum.add(&past(15_000, &other, &other));
        let (sockets, latency) =
            ([Some(1.0), Some(10.0), Some(5.0)], [Some(1.0), Some(10.0), Some(3.0)]);
        assert_eq!(sum, past(10_000, &sockets, &latency));
    }
}
