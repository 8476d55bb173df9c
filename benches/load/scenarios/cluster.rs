//! Scenarios of two nodes that share one Redis: events from one to the other, one at a time and many at
//! once, and members that join and leave.
//!
//! Owns what the three have in common: a pool at the far node, and the CPU of each of the three
//! processes. With one node, near and far are the same, and Redis uses nothing.

use resound_load::{ClientPool, Phase, Plan, PlannedSocket};

use super::{Row, Scale, Scenario};
use crate::figures::Figures;
use crate::meter::{Cpu, Meter};
use crate::pool::{self, Measured};
use crate::subject::Subject;

mod events;
mod members;
mod rate;

/// All of them.
pub(super) const SCENARIOS: [Scenario; 3] = [events::SCENARIO, rate::SCENARIO, members::SCENARIO];

/// One socket at the far node, on one channel.
pub(super) fn one_at_the_far_node(subject: &Subject, channel: &str) -> anyhow::Result<ClientPool> {
    let (near, far) = (subject.target.clone(), subject.far().target.clone());
    let plan = Plan::simple(near.clone(), subject.credentials.clone(), channel, 0);
    let sockets = vec![PlannedSocket { target: 1, channels: vec![0] }];
    pool::connect(Plan { targets: vec![near, far], sockets, ..plan })
}

/// CPU of each process.
pub(super) struct Parts {
    pub(super) near: Cpu,
    far: Cpu,
    servers: Vec<Cpu>,
}

impl Parts {
    pub(super) fn nodes(&self) -> Cpu {
        self.near + self.far
    }

    /// All Redis servers together.
    pub(super) fn redis(&self) -> Cpu {
        self.servers.iter().fold(Cpu::default(), |sum, server| sum + *server)
    }

    pub(super) fn busiest_redis(&self) -> Cpu {
        self.servers.iter().copied().max_by_key(|server| server.total).unwrap_or_default()
    }
}

/// Measures a phase whose requests all go to the near node.
pub(super) fn from_the_near_node(
    subject: &Subject,
    pool: &mut ClientPool,
    phase: &Phase,
) -> anyhow::Result<(Measured, Parts)> {
    let phase = Phase { targets: vec![0], ..phase.clone() };
    let far = Some(subject.far().pid).filter(|pid| *pid != subject.pid);
    let far = far.map(Meter::read).transpose()?;
    let servers = subject.servers().iter().map(|server| Meter::read(server.id()));
    let servers: Vec<Meter> = servers.collect::<anyhow::Result<_>>()?;
    let measured = pool::run(subject, pool, &phase)?;
    let parts = Parts {
        near: measured.cpu,
        far: far.map_or_else(|| Ok(Cpu::default()), |far| far.used())?,
        servers: servers.iter().map(Meter::used).collect::<anyhow::Result<_>>()?,
    };
    Ok((measured, parts))
}
