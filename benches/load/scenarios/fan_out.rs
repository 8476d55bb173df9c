//! Question: is a delivery more than the kernel's send? 1 000 sockets on one channel, 128 bytes;
//! first at a steady 50 events a second, then as fast as eight events under way allow. The floor is
//! the bare loop in the same rounds.

use std::time::Duration;

use resound_load::Phase;

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Reference, Unit};
use crate::figures::Figures;
use crate::pool;
use crate::subject::Subject;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "fan-out",
    settings: "",
    beside: true,
    measure,
    rows: &[
        Row {
            what: "1 000 sockets on one channel, 50 events/s: CPU per delivery",
            figure: "cpu_us",
            unit: Unit::Microseconds,
            bound: Bound::AtMostTimes(1.1, Reference::BareLoop),
        },
        Row {
            what: "the same: its part in user space",
            figure: "user_us",
            unit: Unit::Microseconds,
            bound: Bound::AtMost(0.5),
        },
        Row {
            what: "the same, 8 events under way: deliveries",
            figure: "closed_per_second",
            unit: Unit::PerSecond,
            bound: Bound::AtLeastTimes(1.0, Reference::BareLoop),
        },
    ],
};

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let mut pool = pool::on_one_channel(subject, "load", 1000)?;
    // The kernel samples at its ticks what is user space: a second of CPU has 250 of them.
    let long = Duration::from_secs(scale.pick(10, 3));
    let open = pool::warm(subject, &mut pool, &Phase::open(50.0, long))?;
    let long = Duration::from_secs(scale.pick(5, 1));
    let closed = pool::warm(subject, &mut pool, &Phase::closed(8, long))?;
    Ok(Figures::from([
        ("cpu_us", open.cpu_us()?),
        ("user_us", open.cpu.user_us_per(open.measures.delivered)?),
        ("p99_ms", open.p99_ms()),
        ("closed_per_second", closed.measures.rate()),
        ("closed_cpu_us", closed.cpu_us()?),
    ]))
}
