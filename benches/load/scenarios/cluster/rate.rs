//! Question: how many events a second go from back ends at one node to a socket at the other, when
//! 8 and 16 are under way at any time, and what does each cost? All on the same cores: nodes, Redis,
//! back ends and the reader. The floor is one node, which has both ends and no Redis between them.

use std::time::Duration;

use resound_load::Phase;

use super::{Figures, Row, Scale, Scenario, Subject};
use crate::bound::{Bound, Unit};

/// Three times what another server reaches on the same machine: 6 500.
const LEAST: Bound = Bound::AtLeast(19_500.0);

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cluster-rate",
    settings: "",
    beside: true,
    measure,
    rows: &[
        Row {
            what: "8 events under way to a socket of the other node: events",
            figure: "eight_per_second",
            unit: Unit::PerSecond,
            bound: LEAST,
        },
        Row {
            what: "the same with 16 under way",
            figure: "sixteen_per_second",
            unit: Unit::PerSecond,
            bound: LEAST,
        },
        Row {
            what: "the same: CPU of the node that publishes",
            figure: "near_us",
            unit: Unit::Microseconds,
            bound: Bound::Free,
        },
        Row {
            what: "the same: CPU of both nodes",
            figure: "nodes_us",
            unit: Unit::Microseconds,
            bound: Bound::Free,
        },
        Row {
            what: "the same: CPU of Redis",
            figure: "redis_us",
            unit: Unit::Microseconds,
            bound: Bound::Free,
        },
        Row {
            what: "the same: events lost",
            figure: "lost",
            unit: Unit::Number,
            bound: Bound::AtMost(0.0),
        },
    ],
};

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let mut pool = super::one_at_the_far_node(subject, "load")?;
    let long = Duration::from_millis(scale.pick(5000, 500));
    let warm_up = Phase::closed(16, long / 5);
    super::from_the_near_node(subject, &mut pool, &warm_up)?;
    let (eight, _) = super::from_the_near_node(subject, &mut pool, &Phase::closed(8, long))?;
    let (sixteen, parts) = super::from_the_near_node(subject, &mut pool, &Phase::closed(16, long))?;
    let events = sixteen.measures.published;
    let mut figures = Figures::from([
        ("eight_per_second", eight.measures.rate()),
        ("sixteen_per_second", sixteen.measures.rate()),
        ("near_us", parts.near.us_per(events)?),
        ("nodes_us", parts.nodes().us_per(events)?),
        ("lost", (eight.measures.lost() + sixteen.measures.lost()) as f64),
    ]);
    if subject.redis().is_some() {
        figures.insert("redis_us", parts.redis().us_per(events)?);
    }
    Ok(figures)
}
