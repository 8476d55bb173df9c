//! Question: does a batch of ten events to one channel leave each socket in one write? 1 000
//! sockets, 50 events a second: one by one, then ten in a request. The floor is a tenth of the
//! kernel's send, and the copy of ten frames.

use std::time::Duration;

use resound_load::Phase;

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Reference, Unit};
use crate::figures::Figures;
use crate::pool;
use crate::subject::Subject;

const SINGLE: Reference = Reference::Own { figure: "single_us", name: "ten single triggers" };

pub(super) const SCENARIO: Scenario = Scenario {
    name: "batch",
    settings: "",
    beside: false,
    measure,
    rows: &[Row {
        what: "10 events to that channel in one batch request: CPU per delivery",
        figure: "batch_us",
        unit: Unit::Microseconds,
        bound: Bound::AtMostTimes(0.35, SINGLE),
    }],
};

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let mut pool = pool::on_one_channel(subject, "load", scale.pick(1000, 200))?;
    let single = Phase::open(50.0, Duration::from_secs(scale.pick(6, 1)));
    let batch = Phase { batch: 10, ..single.clone() };
    let single = pool::warm(subject, &mut pool, &single)?;
    let batch = pool::warm(subject, &mut pool, &batch)?;
    Ok(Figures::from([("single_us", single.cpu_us()?), ("batch_us", batch.cpu_us()?)]))
}
