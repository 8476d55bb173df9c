//! Question: does a pool of 10 000 on one channel delay ten sockets on another? Both get 20 events
//! a second; the small channel is measured alone first. The floor is its latency alone.

use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use resound_load::Phase;

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Reference, Unit};
use crate::figures::Figures;
use crate::pool;
use crate::subject::Subject;

const ALONE: Reference = Reference::Own { figure: "alone_p99_ms", name: "alone" };
const ALONE_P50: Reference = Reference::Own { figure: "alone_p50_ms", name: "alone" };

pub(super) const SCENARIO: Scenario = Scenario {
    name: "lanes",
    settings: "",
    beside: false,
    measure,
    rows: &[
        Row {
            what: "10 sockets beside a channel of 10 000, 20 events/s each: p99 of the ten",
            figure: "beside_p99_ms",
            unit: Unit::Milliseconds,
            bound: Bound::AtMostTimes(3.0, ALONE),
        },
        Row {
            what: "the same: p50 of the ten",
            figure: "beside_p50_ms",
            unit: Unit::Milliseconds,
            bound: Bound::AtMostTimes(3.0, ALONE_P50),
        },
    ],
};

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let mut small = pool::on_one_channel(subject, "small", 10)?;
    let phase = Phase::open(20.0, Duration::from_secs(scale.pick(10, 2)));
    let alone = pool::warm(subject, &mut small, &phase)?;
    let mut large = pool::on_one_channel(subject, "large", scale.pick(10_000, 1000))?;
    // The large one starts before and ends after, or the small one would be alone at both ends.
    let longer = phase.duration + Duration::from_secs(2);
    let patience = Duration::from_secs(30);
    let around = Phase { duration: longer, patience, ..phase.clone() };
    pool::run(subject, &mut large, &Phase { duration: Duration::from_secs(1), ..around.clone() })?;
    let (beside, large) = thread::scope(|scope| {
        let large = scope.spawn(|| pool::run(subject, &mut large, &around));
        thread::sleep(Duration::from_secs(1));
        let beside = pool::run(subject, &mut small, &phase);
        let large = large.join().map_err(|_| anyhow!("the pool's thread panicked"));
        (beside, large.and_then(|large| large))
    });
    let (beside, large) = (beside?, large?);
    Ok(Figures::from([
        ("alone_p99_ms", alone.p99_ms()),
        ("alone_p50_ms", alone.latency_ms(0.50)),
        ("beside_p50_ms", beside.latency_ms(0.50)),
        ("beside_p99_ms", beside.p99_ms()),
        // How late the generator itself was: a part of the above that is not the server's.
        ("beside_lateness_p99_ms", beside.measures.lateness.value_at_quantile(0.99) as f64 / 1e6),
        ("large_p99_ms", large.p99_ms()),
        ("large_cpu_us", large.cpu_us()?),
    ]))
}
