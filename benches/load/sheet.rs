//! The scenarios of one table, and its columns.
//!
//! Owns which scenario is measured on which subject. How a subject starts is left to it.

use std::path::Path;

use crate::options::Options;
use crate::scenarios::{self, Scenario};
use crate::subject::{Kind, Wire};

/// One table before it is measured.
pub(crate) struct Sheet {
    pub(crate) scenarios: Vec<&'static Scenario>,
    /// Over the first column, and over what stands beside ours.
    pub(crate) headings: [&'static str; 2],
    /// What has to hold the bounds.
    pub(crate) ours: Kind,
    pub(crate) beside: Kind,
    /// A column each, behind the verdict.
    pub(crate) rest: Vec<Kind>,
}

impl Sheet {
    /// Both tables, with the chosen scenarios.
    pub(crate) fn all(options: &Options, program: &Path) -> [Self; 2] {
        let program = program.to_owned();
        let server = Self {
            scenarios: chosen(&scenarios::ONE_SERVER, &options.only),
            headings: ["scenario", "reference"],
            ours: Kind::Server(program.clone()),
            beside: Kind::BareLoop,
            rest: options.peers.iter().cloned().map(Box::new).map(Kind::Peer).collect(),
        };
        let nodes = Self {
            scenarios: chosen(&scenarios::SEVERAL_NODES, &options.only),
            headings: ["two nodes and Redis", Wire::Streams.name()],
            ours: Kind::TwoNodes(program.clone(), Wire::Pubsub),
            beside: Kind::TwoNodes(program.clone(), Wire::Streams),
            rest: vec![Kind::OneNode(program)],
        };
        [server, nodes]
    }

    /// The subjects of a scenario, in the order of each round.
    pub(crate) fn subjects(&self, scenario: &Scenario) -> Vec<&Kind> {
        let beside = scenario.beside.then_some(&self.beside);
        [&self.ours].into_iter().chain(beside).chain(&self.rest).collect()
    }
}

fn chosen(all: &'static [Scenario], only: &[String]) -> Vec<&'static Scenario> {
    let is_chosen = |name: &str| only.is_empty() || only.iter().any(|chosen| names(chosen, name));
    all.iter().filter(|scenario| is_chosen(scenario.name)).collect()
}

/// Whether `chosen` is that scenario, or the first word of several.
pub(crate) fn names(chosen: &str, scenario: &str) -> bool {
    let rest = scenario.strip_prefix(chosen);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}
