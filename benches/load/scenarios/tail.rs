//! Question: what does it cost to be looked at? 100 sockets on one channel and 500 events a second, which are
//! 50 000 deliveries a second, first without a viewer and then with one that takes everything.

use std::time::Duration;

use anyhow::ensure;
use resound_load::Phase;

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Unit};
use crate::figures::Figures;
use crate::pool;
use crate::subject::Subject;
use crate::viewer::Viewer;

/// Where the settings of the scenario have the internal listener.
const ADDRESS: &str = "127.0.0.1:29602";

const SOCKETS: usize = 100;
const EVENTS_PER_SECOND: f64 = 500.0;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tail",
    settings: "[internal]\nlisten = [\"127.0.0.1:29602\"]",
    beside: false,
    measure,
    rows: &[
        Row {
            what: "50 000 deliveries/s, a viewer of everything: CPU beyond that without one",
            figure: "more_percent",
            unit: Unit::Percent,
            bound: Bound::AtMost(10.0),
        },
        Row {
            what: "the same: trigger to socket, p99",
            figure: "p99_ms",
            unit: Unit::Milliseconds,
            bound: Bound::Free,
        },
    ],
};

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let mut pool = pool::on_one_channel(subject, "load", SOCKETS)?;
    let phase = Phase::open(EVENTS_PER_SECOND, Duration::from_secs(scale.pick(10, 3)));
    let alone = pool::warm(subject, &mut pool, &phase)?;
    let viewer = Viewer::open(ADDRESS, "")?;
    let watched = pool::warm(subject, &mut pool, &phase)?;
    let rows = viewer.rows();
    ensure!(rows > 0, "the viewer got no row");
    Ok(Figures::from([
        ("more_percent", (watched.cpu_us()? / alone.cpu_us()? - 1.0) * 100.0),
        ("cpu_us", watched.cpu_us()?),
        ("p99_ms", watched.p99_ms()),
        ("rows", rows as f64),
    ]))
}
