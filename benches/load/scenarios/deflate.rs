//! Question: does permessage-deflate halve the bytes without costing more CPU than it saves? 1 000
//! sockets on one channel, 1 KB of text at 50 events a second: plain, then deflated. The floor is
//! one compression per event, shared by all receivers.

use std::time::Duration;

use resound_load::{ClientPool, Phase, Plan};

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Reference, Unit};
use crate::figures::{Figures, NotNegotiated};
use crate::pool::{self, Measured};
use crate::subject::Subject;

const PLAIN_BYTES: Reference = Reference::Own { figure: "plain_bytes", name: "uncompressed" };
const PLAIN_CPU: Reference = Reference::Own { figure: "plain_us", name: "uncompressed" };

pub(super) const SCENARIO: Scenario = Scenario {
    name: "deflate",
    settings: "",
    beside: false,
    measure,
    rows: &[
        Row {
            what: "1 KB with permessage-deflate, 1 000 sockets: bytes per delivery",
            figure: "deflated_bytes",
            unit: Unit::Bytes,
            bound: Bound::AtMostTimes(0.5, PLAIN_BYTES),
        },
        Row {
            what: "the same: CPU per delivery",
            figure: "deflated_us",
            unit: Unit::Microseconds,
            bound: Bound::AtMostTimes(1.2, PLAIN_CPU),
        },
    ],
};

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let phase = Phase::open(50.0, Duration::from_secs(scale.pick(6, 1)));
    let phase = Phase { payload_bytes: 1024, ..phase };
    let mut deflating = connect(subject, scale, true)?;
    if deflating.deflated() == 0 {
        return Err(NotNegotiated("permessage-deflate").into());
    }
    let deflated = pool::warm(subject, &mut deflating, &phase)?;
    drop(deflating);
    let plain = pool::warm(subject, &mut connect(subject, scale, false)?, &phase)?;
    Ok(Figures::from([
        ("plain_bytes", bytes(&plain)),
        ("deflated_bytes", bytes(&deflated)),
        ("plain_us", plain.cpu_us()?),
        ("deflated_us", deflated.cpu_us()?),
    ]))
}

fn connect(subject: &Subject, scale: Scale, deflate: bool) -> anyhow::Result<ClientPool> {
    let (target, credentials) = (subject.target.clone(), subject.credentials.clone());
    let plan = Plan::simple(target, credentials, "load", scale.pick(1000, 200));
    pool::connect(Plan { deflate, ..plan })
}

fn bytes(measured: &Measured) -> f64 {
    measured.measures.received_bytes as f64 / measured.measures.delivered as f64
}
