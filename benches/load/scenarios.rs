//! All scenarios, in the order of the table.
//!
//! Owns the list and what a scenario is: how one run of one subject is measured, and which of its
//! figures have which bounds. The number of runs and the kinds of subjects are left to the sheet.

use crate::bound::{Bound, Unit};
use crate::figures::Figures;
use crate::subject::Subject;

mod api;
mod batch;
mod client_events;
mod cluster;
mod connect;
mod consoles;
mod deflate;
mod faults;
mod fan_out;
mod flood;
mod idle;
mod instructions;
mod lanes;
mod lists;
mod partitions;
mod presence;
mod scrape;
mod slow_reader;
mod tail;
mod tls;

/// The scenarios of one server.
pub(crate) const ONE_SERVER: [Scenario; 16] = [
    fan_out::SCENARIO,
    batch::SCENARIO,
    lanes::SCENARIO,
    client_events::SCENARIO,
    presence::SCENARIO,
    deflate::SCENARIO,
    slow_reader::SCENARIO,
    flood::SCENARIO,
    idle::SCENARIO,
    scrape::SCENARIO,
    tail::SCENARIO,
    consoles::SCENARIO,
    lists::SCENARIO,
    connect::SCENARIO,
    api::SCENARIO,
    tls::SCENARIO,
];

/// The scenarios of two nodes and their Redis.
pub(crate) const SEVERAL_NODES: [Scenario; 3] = cluster::SCENARIOS;

/// The same with several partitions, on each layout of Redis servers.
pub(crate) const PARTITIONS: [Scenario; 3] = partitions::SCENARIOS;

/// What becomes of events and members while a Redis Cluster changes.
pub(crate) const FAULTS: [Scenario; 2] = faults::SCENARIOS;

/// Instructions instead of times: only where `--only` names them.
pub(crate) const INSTRUCTIONS: [Scenario; 2] = [instructions::ONE_NODE, instructions::TWO_NODES];

/// One situation of a server.
pub(crate) struct Scenario {
    /// For `--only`.
    pub(crate) name: &'static str,
    /// Keys of `[[apps]]`, then sections, for the server's file.
    pub(crate) settings: &'static str,
    /// Whether what stands beside ours is measured too.
    pub(crate) beside: bool,
    /// One run on a fresh process.
    pub(crate) measure: fn(&Subject, Scale) -> anyhow::Result<Figures>,
    /// The lines of the table.
    pub(crate) rows: &'static [Row],
}

/// One line of the table.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) figure: &'static str,
    pub(crate) unit: Unit,
    pub(crate) bound: Bound,
}

/// Whether to measure or only to show that it works.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scale {
    /// Where a figure is about time that passes, for five minutes.
    Long,
    Full,
    Quick,
}

impl Scale {
    /// The number for this scale.
    pub(crate) fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Long | Self::Full => full,
            Self::Quick => quick,
        }
    }
}
