//! Question: what becomes of events and members while a Redis Cluster changes under load? 1 000 members of 100
//! channels on two nodes, 2 000 events a second to both nodes; then 1 000 slots move to another master, among them
//! that of the nodes, or its master dies.
//!
//! A watcher at each node is in all channels, and reads every message: members that leave, which none does, events,
//! and how many events its node reports as missed. What must never happen fails the scenario; times are bounds.

use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use resound_load::{Backend, ClientPool, Measures, Phase, Plan, PlannedSocket};

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Unit};
use crate::figures::Figures;
use crate::pool;
use crate::redis_servers::{MASTERS, eventually};
use crate::slots::{self, Owner};
use crate::subject::Subject;
use crate::watcher::{Watched, Watcher};

const MEMBERS: usize = 1000;
const CHANNELS: usize = 100;
const EVENTS_PER_SECOND: f64 = 2000.0;
const SLOTS: u16 = 1000;

/// Behind the failover of Redis itself.
const WHOLE_WITHIN: Duration = Duration::from_secs(2);

/// Before the fault.
const UNDISTURBED: Duration = Duration::from_secs(1);

pub(super) const SCENARIOS: [Scenario; 2] = [
    Scenario {
        name: "faults-slots",
        settings: SETTINGS,
        beside: true,
        measure: slots_move,
        rows: &[
            lost("1 000 members, 2 000 events/s, 1 000 slots move: events lost"),
            UNANNOUNCED,
            DISORDERED,
            LEFT,
            WHOLE,
            LONGEST,
            row("the same: the slots move in", "fault_ms", Unit::Milliseconds, Bound::Free),
        ],
    },
    Scenario {
        name: "faults-master",
        settings: SETTINGS,
        beside: true,
        measure: master_dies,
        rows: &[
            lost("1 000 members, 2 000 events/s, the master of the nodes dies: events lost"),
            UNANNOUNCED,
            DISORDERED,
            LEFT,
            WHOLE,
            LONGEST,
            row(
                "the same: the failover of Redis takes",
                "fault_ms",
                Unit::Milliseconds,
                Bound::Free,
            ),
        ],
    },
];

/// Keys of the app.
const SETTINGS: &str = "gap_event = \"gap\"";

/// Of a socket, so an event that one node misses counts for each of its subscribers.
const fn lost(what: &'static str) -> Row {
    row(what, "lost", Unit::Number, Bound::AtMost(0.0))
}
const UNANNOUNCED: Row =
    row("the same: lost and not announced", "unannounced", Unit::Number, Bound::Exactly(0.0));
const DISORDERED: Row =
    row("the same: doubled, or out of order", "disordered", Unit::Number, Bound::Exactly(0.0));
const LEFT: Row = row("the same: members that left", "left", Unit::Number, Bound::Exactly(0.0));
const WHOLE: Row = row(
    "the same: both nodes are linked again after",
    "whole_ms",
    Unit::Milliseconds,
    Bound::AtMost(WHOLE_WITHIN.as_millis() as f64),
);
const LONGEST: Row =
    row("the same: the longest way of an event", "longest_ms", Unit::Milliseconds, Bound::Free);

const fn row(what: &'static str, figure: &'static str, unit: Unit, bound: Bound) -> Row {
    Row { what, figure, unit, bound }
}

fn slots_move(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let servers = subject.servers();
    let Owner { at, slot } = Owner::find(servers)?;
    let (from, to) = (&servers[at], &servers[(at + 1) % MASTERS]);
    let first = slot.saturating_sub(SLOTS / 2);
    let figures = under_load(subject, scale, || slots::move_slots(first..first + SLOTS, from, to))?;
    let owner = Owner::find(servers)?.at;
    ensure!(owner != at, "the slot of the nodes has not moved");
    // Of a master that dies before its replica has what it sent, an event may come again.
    ensure!(figures["disordered"] == 0.0, "events came twice or out of order");
    Ok(figures)
}

fn master_dies(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let servers = subject.servers();
    let Owner { at, .. } = Owner::find(servers)?;
    under_load(subject, scale, || slots::fail_over(&servers[at], &servers[at + MASTERS]))
}

/// Runs the load around a fault, which returns how long it took.
fn under_load(
    subject: &Subject,
    scale: Scale,
    fault: impl FnOnce() -> anyhow::Result<Duration> + Send,
) -> anyhow::Result<Figures> {
    let channels: Vec<String> =
        (0..CHANNELS).map(|number| format!("presence-load-{number}")).collect();
    let mut pool = members(subject, channels.clone())?;
    let watchers = [Watcher::start(subject, &channels)?, Watcher::start(subject.far(), &channels)?];
    let seconds = Duration::from_secs(scale.pick(10, 4));
    let phase = Phase::open(EVENTS_PER_SECOND, seconds);
    let (measures, fault) = thread::scope(|scope| {
        let fault = scope.spawn(|| {
            thread::sleep(UNDISTURBED);
            let took = fault()?;
            Ok::<_, anyhow::Error>((took, linked_again(subject)?))
        });
        let measures = pool.run(&phase, |_| ());
        (measures, fault.join())
    });
    let (fault, whole) = fault.ok().context("the fault panicked")??;
    check(&measures)?;
    let near = Backend::new(&subject.target, subject.target.resolve()?, &subject.credentials);
    Watcher::end(near, &channels)?;
    let watched: Vec<Watched> =
        watchers.into_iter().map(Watcher::watched).collect::<anyhow::Result<_>>()?;
    let left: u64 = watched.iter().map(|watched| watched.left).sum();
    let unannounced: u64 = watched.iter().map(|it| it.unannounced(measures.published)).sum();
    ensure!(
        (left, unannounced) == (0, 0),
        "{left} members left, {unannounced} events were lost and not announced"
    );
    Ok(Figures::from([
        ("lost", measures.lost() as f64),
        ("announced", watched.iter().map(|watched| watched.missed).sum::<u64>() as f64),
        ("unannounced", unannounced as f64),
        ("disordered", measures.disordered as f64),
        ("left", left as f64),
        ("whole_ms", whole.as_secs_f64() * 1e3),
        ("longest_ms", measures.latency.max() as f64 / 1e6),
        ("fault_ms", fault.as_secs_f64() * 1e3),
    ]))
}

/// Those of each channel on both nodes.
fn members(subject: &Subject, channels: Vec<String>) -> anyhow::Result<ClientPool> {
    let targets = vec![subject.target.clone(), subject.far().target.clone()];
    let sockets = PlannedSocket::spread(MEMBERS, targets.len(), channels.len(), 1);
    let plan = Plan::simple(subject.target.clone(), subject.credentials.clone(), "", 0);
    pool::connect(Plan { targets, channels, sockets, ..plan })
}

/// Until both nodes have a link.
fn linked_again(subject: &Subject) -> anyhow::Result<Duration> {
    eventually("links of both nodes", || Ok(subject.is_linked()? && subject.far().is_linked()?))
}

/// Losses are figures; what else may go wrong is not.
fn check(measures: &Measures) -> anyhow::Result<()> {
    let Measures { refused, unanswered, errors, closed, .. } = measures;
    ensure!(
        refused.is_empty() && *unanswered == 0 && *errors == 0,
        "requests were refused: {refused:?}, {unanswered} without an answer: {:?}",
        measures.refusal
    );
    if !closed.is_empty() {
        bail!("sockets were closed: {closed:?}");
    }
    Ok(())
}
