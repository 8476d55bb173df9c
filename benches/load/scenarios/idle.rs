//! Question: what do sockets cost that send and receive nothing? Memory of 10 000, each
//! subscribed to the one channel; then 5 000 more, and the CPU of a minute in which nothing happens
//! but the server's own pings. The floor is what the kernel keeps, which is not counted: nothing.

use std::time::Duration;

use anyhow::ensure;
use resound_load::Phase;

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Unit};
use crate::figures::Figures;
use crate::meter;
use crate::pool;
use crate::subject::Subject;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "idle",
    settings: "",
    beside: false,
    measure,
    rows: &[
        Row {
            what: "15 000 idle sockets for 60 s: CPU",
            figure: "cpu_percent",
            unit: Unit::Percent,
            bound: Bound::AtMost(1.0),
        },
        Row {
            what: "idle, subscribed socket at 10 000: resident memory",
            figure: "kb_per_socket",
            unit: Unit::Kilobytes,
            bound: Bound::AtMost(3.0),
        },
    ],
};

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    // What the first sockets bring into memory is the server's own and not theirs.
    drop(pool::on_one_channel(subject, "warm", 50)?);
    let empty = meter::resident(subject.pid)?;
    let (first, more) = scale.pick((10_000, 5000), (2000, 1000));
    let mut idle = pool::on_one_channel(subject, "load", first)?;
    let full = meter::resident(subject.pid)?;
    let others = pool::on_one_channel(subject, "load", more)?;
    // The last answers are behind us, and with them what connecting costs.
    let phase = Phase::idle(Duration::from_secs(scale.pick(60, 5)));
    pool::run(subject, &mut idle, &Phase { duration: Duration::from_secs(1), ..phase.clone() })?;
    let quiet = pool::run(subject, &mut idle, &phase)?;
    ensure!(others.open() == more, "{} of {more} sockets are left", others.open());
    let share = quiet.cpu.total.as_secs_f64() / quiet.measures.elapsed.as_secs_f64();
    Ok(Figures::from([
        ("cpu_percent", share * 100.0),
        ("kb_per_socket", (full - empty) / first as f64 / 1024.0),
    ]))
}
