//! Question: how long is an event on its way from a back end at one node to a socket at the other,
//! and what do the nodes and Redis spend on it? One at a time. The floor is one node, where the way
//! is a function call; the kernel's part of it is two more processes that are woken.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use resound_load::{ClientPool, Phase};

use super::{Figures, Row, Scale, Scenario, Subject};
use crate::bound::{Bound, Unit};
use crate::client::{Client, Received};
use crate::redis::Redis;
use crate::traffic::{self, Counters};

/// The only channel; the keys of Redis contain it.
const CHANNEL: &str = "load";

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cluster-events",
    settings: "",
    beside: true,
    measure,
    rows: &[
        row(
            "one event at a time to a socket of the other node: p50",
            "p50_us",
            Unit::Microseconds,
            Bound::AtMost(300.0),
        ),
        row("the same: p99", "p99_us", Unit::Microseconds, Bound::Free),
        row("the same: CPU of both nodes", "nodes_us", Unit::Microseconds, Bound::AtMost(80.0)),
        row("the same: CPU of the node that publishes", "near_us", Unit::Microseconds, Bound::Free),
        row("the same: CPU of Redis", "redis_us", Unit::Microseconds, Bound::Free),
        row("the same: commands", "commands", Unit::Each, Bound::AtMost(1.0)),
        row("the same: calls inside its script", "calls", Unit::Each, Bound::Free),
        row("the same: bytes that Redis reads", "in_bytes", Unit::Bytes, Bound::Free),
        row("the same: bytes that Redis writes", "out_bytes", Unit::Bytes, Bound::Free),
        row(
            "the same: bytes of the message beyond those of the client's",
            "head_bytes",
            Unit::Bytes,
            Bound::AtMost(100.0),
        ),
        row("an event that is kept: memory of Redis", "kept_bytes", Unit::Bytes, Bound::Free),
    ],
};

const fn row(what: &'static str, figure: &'static str, unit: Unit, bound: Bound) -> Row {
    Row { what, figure, unit, bound }
}

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let mut pool = super::one_at_the_far_node(subject, CHANNEL)?;
    let phase = Phase::closed(1, Duration::from_millis(scale.pick(5000, 700)));
    let warm_up = Phase { duration: Duration::from_millis(scale.pick(1000, 200)), ..phase.clone() };
    super::from_the_near_node(subject, &mut pool, &warm_up)?;
    let mut counters = subject.redis().map(Counters::of).transpose()?;
    let (measured, parts) = super::from_the_near_node(subject, &mut pool, &phase)?;
    let events = measured.measures.published;
    let quantile = |at: f64| measured.measures.latency.value_at_quantile(at) as f64 / 1e3;
    let mut figures = Figures::from([
        ("p50_us", quantile(0.5)),
        ("p99_us", quantile(0.99)),
        ("nodes_us", parts.nodes().us_per(events)?),
        ("near_us", parts.near.us_per(events)?),
    ]);
    if let (Some(redis), Some(counters)) = (subject.redis(), &mut counters) {
        let each = counters.since()?.per(usize::try_from(events)?);
        figures.extend([
            ("redis_us", parts.redis().us_per(events)?),
            ("commands", each.sent),
            ("calls", each.inside),
            ("in_bytes", each.in_bytes),
            ("out_bytes", each.out_bytes),
            ("head_bytes", head_bytes(subject, redis, &mut pool)?),
            ("kept_bytes", kept_bytes(redis)?),
        ]);
    }
    Ok(figures)
}

/// How much longer an event is on its topic than on the socket.
fn head_bytes(subject: &Subject, redis: &Redis, pool: &mut ClientPool) -> anyhow::Result<f64> {
    let mut client = Client::connect(subject.far())?;
    client.subscribe(subject, CHANNEL, None)?;
    let Received::Text(_answer) = client.receive()? else { bail!("closed instead of subscribed") };
    let mut connection = traffic::connect(redis)?;
    let mut topics = connection.as_pubsub();
    topics.psubscribe(format!("resound{{*:{CHANNEL}}}"))?;
    topics.set_read_timeout(Some(Duration::from_secs(10)))?;
    // One of the pool's own events, with the size they all have.
    let once = Phase { events: Some(1), ..Phase::closed(1, Duration::from_secs(60)) };
    let length = std::thread::scope(|scope| {
        let length = scope.spawn(move || topics.get_message().map(|m| m.get_payload_bytes().len()));
        let measures = pool.run(&Phase { targets: vec![0], ..once }, |_| ());
        ensure!(measures.delivered > 0, "the event did not come");
        let length = length.join().ok().context("the listening thread panicked")??;
        Ok(length)
    })?;
    let Received::Text(text) = client.receive()? else { bail!("closed instead of sent the event") };
    Ok(length as f64 - text.len() as f64)
}

/// What Redis holds for each of the events it keeps; nothing if it keeps none.
fn kept_bytes(redis: &Redis) -> anyhow::Result<f64> {
    let mut connection = traffic::connect(redis)?;
    let keys: Vec<String> =
        ::redis::cmd("KEYS").arg(format!("resound*:{CHANNEL}}}:events")).query(&mut connection)?;
    let Some(key) = keys.first() else { return Ok(0.0) };
    let mut memory = ::redis::cmd("MEMORY");
    memory.arg("USAGE").arg(key).arg("SAMPLES").arg(0);
    let bytes: f64 = memory.query(&mut connection)?;
    let events: f64 = ::redis::cmd("XLEN").arg(key).query(&mut connection)?;
    Ok(bytes / events.max(1.0))
}
