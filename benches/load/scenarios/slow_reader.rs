//! Question: what does one reader that stops reading cost the other 1 000? They get 50 events of
//! 4 KB a second; then one more joins that never reads. None of the others may lose or wait for an
//! event, memory may grow by that one outbox, and the reader gets a close code. The floor is the
//! same pool before it joins.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use resound_load::{ClientPool, Phase};

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Reference, Unit};
use crate::client::{Client, Received};
use crate::figures::Figures;
use crate::meter;
use crate::pool::{self, Measured};
use crate::subject::Subject;

/// The default, which the bound below is made of.
const OUTBOX_KB: f64 = 1024.0;
const BEFORE: Reference = Reference::Own { figure: "before_p99_ms", name: "before it stopped" };

pub(super) const SCENARIO: Scenario = Scenario {
    name: "slow-reader",
    // It reads again, and finds out why it is closed, only when the others have been measured.
    settings: "[websocket]\noutbox_bytes = 1048576\nclose_timeout_seconds = 60",
    beside: false,
    measure,
    rows: &[
        Row {
            what: "one reader of 1 000 stops reading: deliveries the others lose",
            figure: "lost",
            unit: Unit::Number,
            bound: Bound::AtMost(0.0),
        },
        Row {
            what: "the same: p99 of the others",
            figure: "during_p99_ms",
            unit: Unit::Milliseconds,
            bound: Bound::AtMostTimes(1.5, BEFORE),
        },
        Row {
            what: "the same: growth of the server's memory (one outbox is 1 MiB)",
            figure: "growth_kb",
            unit: Unit::Kilobytes,
            bound: Bound::AtMost(OUTBOX_KB),
        },
        Row {
            what: "the same: how the reader is closed",
            figure: "close_code",
            unit: Unit::Number,
            bound: Bound::Exactly(4100.0),
        },
    ],
};

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let mut pool = pool::on_one_channel(subject, "load", scale.pick(1000, 100))?;
    let phase = Phase::open(scale.pick(50.0, 200.0), Duration::from_secs(scale.pick(12, 4)));
    let phase = Phase { payload_bytes: 4096, ..phase };
    let warm_up = Phase { duration: Duration::from_secs(2), ..phase.clone() };
    pool::run(subject, &mut pool, &warm_up)?;
    let (before, resting) = watched(subject, &mut pool, &phase)?;
    let mut reader = Client::narrow(subject)?;
    reader.subscribe(subject, "load", None)?;
    // The kernel takes some megabytes before the outbox has to.
    let longer = Phase { duration: phase.duration * 2, ..phase };
    let (during, peak) = watched(subject, &mut pool, &longer)?;
    let code = loop {
        match reader.receive().context("the reader got no close code")? {
            Received::Text(_) => {}
            Received::Close(code) => break code,
        }
    };
    ensure!(resting > 0.0 && peak > 0.0, "the memory was never read");
    Ok(Figures::from([
        ("lost", during.measures.lost() as f64),
        ("before_p99_ms", before.p99_ms()),
        ("during_p99_ms", during.p99_ms()),
        ("growth_kb", ((peak - resting) / 1024.0).max(0.0)),
        ("close_code", f64::from(code)),
    ]))
}

/// The phase, and the most memory the server had in it.
fn watched(
    subject: &Subject,
    pool: &mut ClientPool,
    phase: &Phase,
) -> anyhow::Result<(Measured, f64)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut peak = 0.0_f64;
            while !over.load(Ordering::Relaxed) {
                peak = peak.max(meter::resident(subject.pid)?);
                thread::sleep(Duration::from_millis(20));
            }
            anyhow::Ok(peak)
        });
        let during = pool::run(subject, pool, phase);
        over.store(true, Ordering::Relaxed);
        let peak = watcher.join().map_err(|_| anyhow!("the watching thread panicked"))??;
        Ok((during?, peak))
    })
}
