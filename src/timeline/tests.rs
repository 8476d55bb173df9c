//! What the timeline shows of counts that change under it.

use std::time::Duration;

use super::ring::SECONDS;
use super::{Condition, Metrics, Series, Timeline};
use crate::protocol::CloseCode;

/// Some second of 2023.
const START: u64 = 1_700_000_000;

/// The values of one series.
fn points(timeline: &Timeline, series: Series, since: u64, step: u64) -> (u64, Vec<Option<f32>>) {
    let mut points = timeline.points(since, step);
    (points.start_seconds, std::mem::take(&mut points.values[series as usize]))
}

fn newest(timeline: &Timeline, series: Series) -> Option<f32> {
    timeline.recent(series, 1)
}

fn at(second: u64) -> Duration {
    Duration::from_secs(START + second)
}

#[test]
fn a_rate_is_what_was_counted_between_two_samples() {
    let (timeline, metrics) = (Timeline::default(), Metrics::default());
    let app = metrics.apps.of("7");
    timeline.sample(&metrics, at(0));
    app.socket_opened();
    app.events_triggered.inc_by(3);
    app.client_events.inc();
    timeline.sample(&metrics, at(1));
    assert_eq!(newest(&timeline, Series::EventsIn), Some(4.0));
    timeline.sample(&metrics, at(2));
    let expected = (START + 1, vec![Some(4.0), Some(0.0)]);
    assert_eq!(points(&timeline, Series::EventsIn, START + 1, 1), expected);
    assert_eq!(timeline.recent(Series::EventsIn, 2), Some(2.0));
    assert_eq!(newest(&timeline, Series::Sockets), Some(1.0));
    assert_eq!(newest(&timeline, Series::LatencyP99), None, "no event, no latency");
    let latency = metrics.delivery.for_shard().trigger_to_write;
    latency.observe(Duration::from_micros(900));
    timeline.sample(&metrics, at(5));
    assert_eq!(newest(&timeline, Series::LatencyP50), Some(0.75));
    let (_, skipped) = points(&timeline, Series::Sockets, START + 2, 1);
    assert_eq!(skipped, [Some(1.0), None, None, Some(1.0)]);
}

#[test]
fn a_step_is_the_mean_of_its_seconds_and_begins_at_a_multiple() {
    let (timeline, metrics) = (Timeline::default(), Metrics::default());
    let app = metrics.apps.of("7");
    timeline.sample(&metrics, at(0));
    for second in 1..=11 {
        app.events_triggered.inc_by(second);
        timeline.sample(&metrics, at(second));
    }
    let expected = (START + 5, vec![Some(7.0)]);
    assert_eq!(points(&timeline, Series::EventsIn, START + 1, 5), expected);
}

#[test]
fn the_ring_keeps_fifteen_minutes_and_the_minute_sixty_samples() {
    let (timeline, metrics) = (Timeline::default(), Metrics::default());
    for second in 0..2000 {
        metrics.sockets.handshake_refused(CloseCode::ApplicationDoesNotExist);
        timeline.sample(&metrics, at(second));
    }
    assert_eq!(points(&timeline, Series::Refusals, 0, 1).1, vec![Some(1.0); SECONDS]);
    let minute = timeline.last_minute();
    assert_eq!((minute.unknown_keys, minute.errors.refused), (60, 60));
    // A second that comes again, and a clock that is set back.
    timeline.sample(&metrics, at(1999));
    timeline.sample(&metrics, at(1500));
    timeline.sample(&metrics, at(1501));
    assert_eq!(newest(&timeline, Series::Refusals), Some(0.0));
}

#[test]
fn a_condition_has_the_time_of_the_first_sample_that_shows_it() {
    let (timeline, metrics) = (Timeline::default(), Metrics::default());
    let conditions = &metrics.process.condition;
    timeline.sample(&metrics, at(0));
    metrics.cluster.nodes.set(0, 3);
    timeline.sample(&metrics, at(0));
    conditions.set(Condition::RedisAway, true);
    metrics.cluster.nodes.set(0, 1);
    timeline.sample(&metrics, at(1));
    timeline.sample(&metrics, at(9));
    let held = timeline.conditions();
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].condition, held[0].unix_time), (Condition::RedisAway, at(1)));
    assert_eq!(timeline.nodes(), 3, "those that were there with Redis");
    conditions.set(Condition::RedisAway, false);
    timeline.sample(&metrics, at(10));
    assert_eq!(timeline.conditions(), []);
}
