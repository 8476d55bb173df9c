//! Question: what does a signed request to a channel without subscribers cost? `POST /events` over kept-alive
//! connections: one in series, then eight at once. The floor is the bare loop, which
//! checks no signature; in series it sleeps between requests too, and most of the cost is waking up.

use std::time::Duration;

use resound_load::{Phase, Plan, PlannedSocket};

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Unit};
use crate::figures::Figures;
use crate::pool::{self, Measured};
use crate::subject::Subject;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "api",
    settings: "",
    beside: true,
    measure,
    rows: &[
        Row {
            what: "signed POST /events without subscribers, in series: CPU per request",
            figure: "serial_us",
            unit: Unit::Microseconds,
            bound: Bound::AtMost(20.0),
        },
        Row {
            what: "the same over 8 connections at once",
            figure: "eight_us",
            unit: Unit::Microseconds,
            bound: Bound::AtMost(20.0),
        },
    ],
};

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let (target, credentials) = (subject.target.clone(), subject.credentials.clone());
    // A pool needs a socket; this one is subscribed to nothing.
    let sockets = vec![PlannedSocket { target: 0, channels: Vec::new() }];
    let mut pool = pool::connect(Plan { sockets, ..Plan::simple(target, credentials, "load", 0) })?;
    let long = Duration::from_secs(scale.pick(4, 1));
    let serial = pool::warm(subject, &mut pool, &Phase::closed(1, long))?;
    let eight = pool::warm(subject, &mut pool, &Phase::closed(8, long))?;
    Ok(Figures::from([
        ("serial_us", cpu_us(&serial)?),
        ("eight_us", cpu_us(&eight)?),
        ("eight_per_second", eight.measures.published as f64 / long.as_secs_f64()),
    ]))
}

fn cpu_us(measured: &Measured) -> anyhow::Result<f64> {
    measured.cpu.us_per(measured.measures.published)
}
