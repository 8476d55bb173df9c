//! Crowds and phases of the load generator, with the CPU of the measured process around them.
//!
//! Owns what makes a phase count: every delivery arrived, no request was refused, no socket was closed.
//! Any other phase has no figures.

use std::time::Duration;

use anyhow::ensure;
use resound_load::{ClientPool, Measures, Phase, Plan, PlannedSocket};

use crate::meter::{Cpu, Meter};
use crate::subject::Subject;

/// A phase that counts.
pub(crate) struct Measured {
    pub(crate) measures: Measures,
    pub(crate) cpu: Cpu,
}

/// Connects so many sockets on one channel.
pub(crate) fn on_one_channel(
    subject: &Subject,
    channel: &str,
    sockets: usize,
) -> anyhow::Result<ClientPool> {
    let (target, credentials) = (subject.target.clone(), subject.credentials.clone());
    connect(Plan::simple(target, credentials, channel, sockets))
}

/// Connects so many sockets, evenly over these channels.
pub(crate) fn in_groups(
    subject: &Subject,
    channels: Vec<String>,
    sockets: usize,
) -> anyhow::Result<ClientPool> {
    let (target, credentials) = (subject.target.clone(), subject.credentials.clone());
    let sockets = PlannedSocket::spread(sockets, 1, channels.len(), 1);
    connect(Plan { channels, sockets, ..Plan::simple(target, credentials, "", 0) })
}

/// The sockets of a plan.
pub(crate) fn connect(plan: Plan) -> anyhow::Result<ClientPool> {
    Ok(ClientPool::connect(plan, |_| ())?)
}

/// Warms up with a short piece of the same, then measures the phase.
pub(crate) fn warm(
    subject: &Subject,
    pool: &mut ClientPool,
    phase: &Phase,
) -> anyhow::Result<Measured> {
    let start = Phase { duration: phase.duration.min(Duration::from_secs(1)), ..phase.clone() };
    run(subject, pool, &start)?;
    run(subject, pool, phase)
}

/// Measures one phase.
pub(crate) fn run(
    subject: &Subject,
    pool: &mut ClientPool,
    phase: &Phase,
) -> anyhow::Result<Measured> {
    let before = Meter::read(subject.pid)?;
    let measures = pool.run(phase, |_| ());
    let cpu = before.used()?;
    let Measures { delivered, expected, .. } = measures;
    let why =
        measures.refusal.as_deref().or(measures.error.as_deref()).unwrap_or("no reason was given");
    ensure!(
        measures.refused.is_empty() && measures.unanswered == 0,
        "requests were refused: {why}"
    );
    ensure!(measures.errors == 0, "{} messages were rejected: {why}", measures.errors);
    ensure!(measures.closed.is_empty(), "sockets were closed: {:?}", measures.closed);
    ensure!(delivered == expected, "{delivered} of {expected} deliveries came");
    ensure!(measures.disordered == 0, "{} deliveries came out of order", measures.disordered);
    Ok(Measured { measures, cpu })
}

impl Measured {
    /// CPU of the measured process for each delivery, its share of the publishing included.
    pub(crate) fn cpu_us(&self) -> anyhow::Result<f64> {
        self.cpu.us_per(self.measures.delivered)
    }

    /// The 99th percentile of what passed from when an event was due until it was read.
    pub(crate) fn p99_ms(&self) -> f64 {
        self.latency_ms(0.99)
    }

    /// That quantile of it.
    pub(crate) fn latency_ms(&self, quantile: f64) -> f64 {
        self.measures.latency.value_at_quantile(quantile) as f64 / 1e6
    }
}
