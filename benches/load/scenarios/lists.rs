//! Question: do lists disturb deliveries? 10 000 sockets, each on a channel of its own, are listed in a loop, with their
//! channels, while ten others get 2 000 events a second. First without the lists, then with.

use std::time::Duration;

use resound_load::Phase;

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Reference, Unit};
use crate::figures::Figures;
use crate::pool;
use crate::subject::Subject;
use crate::viewer::Page;

/// Where the settings of the scenario have the internal listener.
const ADDRESS: &str = "127.0.0.1:29604";

/// Everything that is listed: by an order that needs no connection, by one that does, by a text, of one channel.
const RESOURCES: [&str; 6] = [
    "sockets?limit=500",
    "sockets?sort=sent&limit=500",
    "sockets?search=nothing",
    "apps/load/channels?limit=500",
    "apps/load/channels?sort=subscriptions",
    "apps/load/channels/load-0",
];

const EVENTS_PER_SECOND: f64 = 2000.0;

/// Below it the p99 is a matter of the scheduler: one look of another thread.
const FLOOR_MS: f64 = 0.5;

const ALONE: Reference = Reference::Own { figure: "alone_ms", name: "without lists, or 0.5 ms" };

pub(super) const SCENARIO: Scenario = Scenario {
    name: "lists",
    settings: "[internal]\nlisten = [\"127.0.0.1:29604\"]",
    beside: false,
    measure,
    rows: &[
        Row {
            what: "10 000 sockets and channels listed in a loop: trigger to socket, p99",
            figure: "listed_ms",
            unit: Unit::Milliseconds,
            bound: Bound::AtMostTimes(1.2, ALONE),
        },
        Row {
            what: "the same: lists that were made",
            figure: "lists_per_second",
            unit: Unit::PerSecond,
            bound: Bound::Free,
        },
    ],
};

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let names = |name: &str, count| (0..count).map(|number| format!("{name}-{number}")).collect();
    let idle = scale.pick(10_000, 1000);
    let _idle = pool::in_groups(subject, names("idle", idle), idle)?;
    let mut pool = pool::in_groups(subject, names("load", 10), 10)?;
    let phase = Phase::open(EVENTS_PER_SECOND, Duration::from_secs(scale.pick(15, 2)));
    let alone = pool::warm(subject, &mut pool, &phase)?;
    let page = Page::open(ADDRESS, &RESOURCES, Duration::ZERO);
    let listed = pool::warm(subject, &mut pool, &phase)?;
    let lists = page.close()? * RESOURCES.len();
    Ok(Figures::from([
        ("alone_ms", alone.p99_ms().max(FLOOR_MS)),
        ("alone_p99_ms", alone.p99_ms()),
        ("alone_p50_ms", alone.latency_ms(0.50)),
        ("listed_p50_ms", listed.latency_ms(0.50)),
        ("listed_ms", listed.p99_ms()),
        ("lists_per_second", lists as f64 / (listed.measures.elapsed.as_secs_f64() + 1.0)),
        ("more_cpu_us", listed.cpu_us()? - alone.cpu_us()?),
    ]))
}
