//! Question: what do several partitions cost, and what does the busiest of several Redis servers save? Events from
//! one node to sockets of the other, on 64 channels; the first column has one partition.
//!
//! Nodes, back ends and Redis servers share the cores, so events a second show no more than what the whole way
//! costs. What a core for each Redis would carry is in the CPU of the busiest one.

use std::time::Duration;

use resound_load::{ClientPool, Phase, Plan, PlannedSocket};

use super::cluster::from_the_near_node;
use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Unit};
use crate::figures::Figures;
use crate::pool;
use crate::redis::Redis;
use crate::subject::Subject;
use crate::traffic;

/// Four for each of 16 partitions.
const CHANNELS: usize = 64;

/// One for each channel.
const UNDER_WAY: usize = 64;

/// One for each layout.
pub(super) const SCENARIOS: [Scenario; 3] = [
    scenario("partitions-one-redis"),
    scenario("partitions-redis-cluster"),
    scenario("partitions-three-redis"),
];

const fn scenario(name: &'static str) -> Scenario {
    Scenario { name, settings: "", beside: true, measure, rows: &ROWS }
}

const ROWS: [Row; 10] = [
    row(
        "one event at a time to sockets of the other node: p50",
        "serial_us",
        Unit::Microseconds,
        Bound::AtMost(300.0),
    ),
    row("64 events under way on 64 channels: events", "per_second", Unit::PerSecond, Bound::Free),
    row("the same: p50", "p50_ms", Unit::Milliseconds, Bound::Free),
    row("the same: CPU of the node that publishes", "near_us", Unit::Microseconds, Bound::Free),
    row("the same: CPU of both nodes", "nodes_us", Unit::Microseconds, Bound::Free),
    row("the same: CPU of all Redis servers", "redis_us", Unit::Microseconds, Bound::Free),
    row("the same: CPU of the busiest one", "busiest_us", Unit::Microseconds, Bound::Free),
    row(
        "the same: connections to the Redis that has most",
        "connections",
        Unit::Number,
        Bound::Free,
    ),
    row("the same: topics of the Redis that has most", "topics", Unit::Number, Bound::Free),
    row("the same: events lost", "lost", Unit::Number, Bound::AtMost(0.0)),
];

const fn row(what: &'static str, figure: &'static str, unit: Unit, bound: Bound) -> Row {
    Row { what, figure, unit, bound }
}

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let mut pool = one_on_each_channel(subject)?;
    let long = Duration::from_millis(scale.pick(4000, 300));
    from_the_near_node(subject, &mut pool, &Phase::closed(UNDER_WAY, long / 4))?;
    let serial = Phase::closed(1, long / 2);
    let (serial, _) = from_the_near_node(subject, &mut pool, &serial)?;
    let (many, parts) = from_the_near_node(subject, &mut pool, &Phase::closed(UNDER_WAY, long))?;
    let events = many.measures.published;
    let held: Vec<Held> = subject.servers().iter().map(Held::by).collect::<anyhow::Result<_>>()?;
    let most = |of: fn(&Held) -> usize| held.iter().map(of).max().unwrap_or_default() as f64;
    Ok(Figures::from([
        ("serial_us", serial.latency_ms(0.5) * 1e3),
        ("per_second", many.measures.rate()),
        ("p50_ms", many.latency_ms(0.5)),
        ("near_us", parts.near.us_per(events)?),
        ("nodes_us", parts.nodes().us_per(events)?),
        ("redis_us", parts.redis().us_per(events)?),
        ("busiest_us", parts.busiest_redis().us_per(events)?),
        ("connections", most(|held| held.connections)),
        ("topics", most(|held| held.topics)),
        ("lost", (serial.measures.lost() + many.measures.lost()) as f64),
    ]))
}

/// What a Redis holds for the nodes.
struct Held {
    connections: usize,
    topics: usize,
}

impl Held {
    fn by(redis: &Redis) -> anyhow::Result<Self> {
        let mut connection = traffic::connect(redis)?;
        let clients: String =
            ::redis::cmd("CLIENT").arg("LIST").arg("TYPE").arg("pubsub").query(&mut connection)?;
        let mut topics = 0;
        for kind in ["CHANNELS", "SHARDCHANNELS"] {
            let named: Vec<String> = ::redis::cmd("PUBSUB").arg(kind).query(&mut connection)?;
            topics += named.len();
        }
        Ok(Self { connections: clients.lines().count(), topics })
    }
}

/// A socket at the far node for each channel.
fn one_on_each_channel(subject: &Subject) -> anyhow::Result<ClientPool> {
    let targets = vec![subject.target.clone(), subject.far().target.clone()];
    let channels = (0..CHANNELS).map(|number| format!("load-{number}")).collect();
    let sockets =
        (0..CHANNELS).map(|channel| PlannedSocket { target: 1, channels: vec![channel] }).collect();
    let plan = Plan::simple(subject.target.clone(), subject.credentials.clone(), "", 0);
    pool::connect(Plan { targets, channels, sockets, ..plan })
}
