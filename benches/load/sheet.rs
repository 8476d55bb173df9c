//! The scenarios of one table, and its columns.
//!
//! Owns which scenario is measured on which subject. How a subject starts is left to it.

use std::path::Path;

use crate::options::Options;
use crate::redis_servers::Layout;
use crate::scenarios::{self, Scenario};
use crate::subject::{Kind, Spread, Wire};

/// One table before it is measured.
pub(crate) struct Sheet {
    pub(crate) scenarios: Vec<&'static Scenario>,
    /// Over the first column, and over what stands beside ours.
    pub(crate) headings: [&'static str; 2],
    /// What has to hold the bounds.
    pub(crate) ours: Kind,
    pub(crate) beside: Option<Kind>,
    /// A column each, behind the verdict.
    pub(crate) rest: Vec<Kind>,
}

impl Sheet {
    /// All tables, with the chosen scenarios.
    pub(crate) fn all(options: &Options, program: &Path) -> Vec<Self> {
        let program = program.to_owned();
        let server = Self {
            scenarios: chosen(&scenarios::ONE_SERVER, &options.only),
            headings: ["scenario", "reference"],
            ours: Kind::Server(program.clone()),
            beside: Some(Kind::BareLoop),
            rest: options.peers.iter().cloned().map(Box::new).map(Kind::Peer).collect(),
        };
        let nodes = Self {
            scenarios: chosen(&scenarios::SEVERAL_NODES, &options.only),
            headings: ["two nodes and Redis", Wire::Streams.name()],
            ours: Kind::TwoNodes(program.clone(), Wire::Pubsub),
            beside: Some(Kind::TwoNodes(program.clone(), Wire::Streams)),
            rest: vec![Kind::OneNode(program.clone())],
        };
        let layouts = [Layout::One, Layout::RedisCluster, Layout::SideBySide];
        let spread = scenarios::PARTITIONS.iter().zip(layouts);
        let spread = spread.map(|(scenario, layout)| {
            let scenarios = chosen(std::slice::from_ref(scenario), &options.only);
            Self::of_partitions(scenarios, layout, options.quick, &program)
        });
        let faults = chosen(&scenarios::FAULTS, &options.only);
        let faults = Self::of_faults(faults, options.quick, &program);
        let instructions = Self::of_instructions(&options.only, &program);
        [server, nodes].into_iter().chain(spread).chain([faults]).chain(instructions).collect()
    }

    /// One worker, and two nodes with one each.
    fn of_instructions(only: &[String], program: &Path) -> Vec<Self> {
        let one = ("one node", Kind::Counted(program.to_owned()));
        let two = ("two nodes and Redis", Kind::TwoCounted(program.to_owned()));
        let named = scenarios::INSTRUCTIONS.iter().zip([one, two]).filter(|_| !only.is_empty());
        let sheet = |(scenario, (heading, ours))| Self {
            scenarios: chosen(std::slice::from_ref(scenario), only),
            headings: [heading, "reference"],
            ours,
            beside: None,
            rest: Vec::new(),
        };
        named.map(sheet).collect()
    }

    /// A column for each wire; streams lose nothing, and show that all works.
    fn of_faults(scenarios: Vec<&'static Scenario>, quick: bool, program: &Path) -> Self {
        let layout = Layout::WithReplicas;
        let spread = |wire: Wire| {
            let (program, heading) = (program.to_owned(), wire.name());
            Kind::Spread(Box::new(Spread { program, heading, layout, wire, partitions: 1 }))
        };
        let headings = [layout.heading(), Wire::Pubsub.name()];
        let beside = (!quick).then(|| spread(Wire::Pubsub));
        Self { scenarios, headings, ours: spread(Wire::Streams), beside, rest: Vec::new() }
    }

    /// A column for each number of partitions; the largest shows that all works.
    fn of_partitions(
        scenarios: Vec<&'static Scenario>,
        layout: Layout,
        quick: bool,
        program: &Path,
    ) -> Self {
        let spread = |(partitions, heading): (u32, &'static str)| {
            let program = program.to_owned();
            let wire = Wire::Pubsub;
            Kind::Spread(Box::new(Spread { program, heading, layout, wire, partitions }))
        };
        let least = layout.least_partitions();
        let (four, sixteen) = ((4, "4 partitions"), (16, "16 partitions"));
        let (ours, beside, rest) = match quick {
            true => (spread(sixteen), None, Vec::new()),
            false => (spread(least), Some(spread(four)), vec![spread(sixteen)]),
        };
        Self { scenarios, headings: [layout.heading(), four.1], ours, beside, rest }
    }

    /// The subjects of a scenario, in the order of each round.
    pub(crate) fn subjects(&self, scenario: &Scenario) -> Vec<&Kind> {
        let beside = self.beside.as_ref().filter(|_| scenario.beside);
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
