//! Question: does an event of a client cost more than one of a back end? Private channels of ten
//! sockets each, 5 000 events a second over all of them: by client events to the nine others, then
//! by signed requests to all ten. The floor is nine sends of the kernel and one read.

use std::time::Duration;

use resound_load::{EventSource, Phase};

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Reference, Unit};
use crate::figures::Figures;
use crate::pool;
use crate::subject::Subject;

const TRIGGERS: Reference = Reference::Own { figure: "trigger_us", name: "HTTP triggers" };

pub(super) const SCENARIO: Scenario = Scenario {
    name: "whispers",
    settings: "max_client_events_per_second = 0",
    beside: false,
    measure,
    rows: &[Row {
        what: "client events in groups of 10, 5 000 events/s in all: CPU per delivery",
        figure: "client_event_us",
        unit: Unit::Microseconds,
        bound: Bound::AtMostTimes(1.5, TRIGGERS),
    }],
};

/// Each socket sends five events a second.
const GROUPS: usize = 100;

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let groups: Vec<String> = (0..GROUPS).map(|group| format!("private-load-{group}")).collect();
    let mut pool = pool::in_groups(subject, groups, GROUPS * 10)?;
    let triggers = Phase::open(5000.0, Duration::from_secs(scale.pick(6, 1)));
    let client_events = Phase { source: EventSource::Clients, ..triggers.clone() };
    let triggers = pool::warm(subject, &mut pool, &triggers)?;
    let client_events = pool::warm(subject, &mut pool, &client_events)?;
    Ok(Figures::from([
        ("trigger_us", triggers.cpu_us()?),
        ("client_event_us", client_events.cpu_us()?),
        ("trigger_p99_ms", triggers.p99_ms()),
        ("client_event_p99_ms", client_events.p99_ms()),
    ]))
}
