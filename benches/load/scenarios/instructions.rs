//! Question: how many instructions of user space does each kind of work take? Exact enough for a change of 1 %, which
//! times are not; what the kernel does for it is not counted. One operation at a time, on one worker. Needs Valgrind,
//! and runs only where `--only` names it.

use std::time::Duration;

use anyhow::ensure;
use resound_load::{ClientPool, Phase, Plan, PlannedSocket};

use super::{Row, Scale, Scenario, cluster, presence};
use crate::bound::{Bound, Unit};
use crate::client::{Client, Received};
use crate::figures::Figures;
use crate::pool;
use crate::subject::Subject;

/// Longer than any number of events takes under Callgrind.
const PATIENCE: Duration = Duration::from_secs(300);

/// Receivers of one event.
const CROWD: usize = 100;

pub(super) const ONE_NODE: Scenario = Scenario {
    name: "instructions",
    settings: "",
    beside: false,
    measure,
    rows: &[
        row("signed POST /events without subscribers: instructions", "trigger"),
        row("the same with 100 subscribers", "fan_out"),
        row("10 events to them in one batch request", "batch"),
        row("one event of 1 KB to 100 that deflate", "deflate"),
        row("a socket connects and subscribes", "connect"),
        row("a member joins among 50: for each frame", "join"),
        row("it leaves: for each frame", "leave"),
    ],
};

pub(super) const TWO_NODES: Scenario = Scenario {
    name: "instructions-cluster",
    settings: "",
    beside: false,
    measure: measure_nodes,
    rows: &[
        row("signed POST /events with a subscriber at the other node: instructions", "near"),
        row("the same at the other node", "far"),
    ],
};

const fn row(what: &'static str, figure: &'static str) -> Row {
    Row { what, figure, unit: Unit::Number, bound: Bound::Free }
}

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    // A debug build under Callgrind, beside everything else: 100 that connect at once would take longer than a step may.
    let (events, receivers) = (scale.pick(2000, 40), scale.pick(CROWD, 10));
    let (target, credentials) = (subject.target.clone(), subject.credentials.clone());
    let sockets = vec![PlannedSocket { target: 0, channels: Vec::new() }];
    let unsubscribed =
        Plan { sockets, ..Plan::simple(target.clone(), credentials.clone(), "load", 0) };
    let trigger = of_phase(subject, &mut pool::connect(unsubscribed)?, &of(events))?;
    let mut crowd = pool::on_one_channel(subject, "load", receivers)?;
    let fan_out = of_phase(subject, &mut crowd, &of(events / 4))?;
    let batch = Phase { batch: 10, ..of(events / 4) };
    let batch = of_phase(subject, &mut crowd, &batch)? * 10.0;
    drop(crowd);
    let plan = Plan { deflate: true, ..Plan::simple(target, credentials, "load", receivers) };
    let deflate = Phase { payload_bytes: 1024, ..of(events / 4) };
    let deflate = of_phase(subject, &mut pool::connect(plan)?, &deflate)?;
    let (join, leave) = of_members(subject)?;
    Ok(Figures::from([
        ("trigger", trigger),
        ("fan_out", fan_out),
        ("batch", batch),
        ("deflate", deflate),
        ("connect", of_connects(subject, scale.pick(500, 20))?),
        ("join", join),
        ("leave", leave),
    ]))
}

fn measure_nodes(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let mut pool = cluster::one_at_the_far_node(subject, "load")?;
    let phase = Phase { targets: vec![0], ..of(scale.pick(4000, 40)) };
    warm(subject, &mut pool, &phase)?;
    subject.far().instructions()?;
    let near = of_phase(subject, &mut pool, &phase)?;
    let events = phase.events.unwrap_or_default();
    // With those of the second warming up, which is as long.
    let far = subject.far().instructions()? as f64 / (events + events / 10) as f64;
    Ok(Figures::from([("near", near), ("far", far)]))
}

/// So many events, one at a time.
fn of(events: u64) -> Phase {
    Phase { events: Some(events), patience: PATIENCE, ..Phase::closed(1, PATIENCE) }
}

/// A tenth of a phase: buffers grow, and branches that run once are behind it.
fn warm(subject: &Subject, pool: &mut ClientPool, phase: &Phase) -> anyhow::Result<()> {
    let events = phase.events.map(|events| events / 10);
    pool::run(subject, pool, &Phase { events, ..phase.clone() })?;
    Ok(())
}

/// Instructions of the node that publishes, for each event.
fn of_phase(subject: &Subject, pool: &mut ClientPool, phase: &Phase) -> anyhow::Result<f64> {
    warm(subject, pool, phase)?;
    subject.instructions()?;
    let measured = pool::run(subject, pool, phase)?;
    Ok(subject.instructions()? as f64 / measured.measures.published as f64)
}

fn of_connects(subject: &Subject, sockets: usize) -> anyhow::Result<f64> {
    let mut clients = Vec::new();
    for number in 0..sockets + 20 {
        if number == 20 {
            subject.instructions()?;
        }
        let mut client = Client::connect(subject)?;
        client.subscribe(subject, "load", None)?;
        let Received::Text(answer) = client.receive()? else {
            anyhow::bail!("closed instead of subscribed")
        };
        ensure!(answer.contains("subscription_succeeded"), "not subscribed: {answer}");
        clients.push(client);
    }
    Ok(subject.instructions()? as f64 / sockets as f64)
}

/// Of joins, then of leaves, for each frame that one of them is sent.
fn of_members(subject: &Subject) -> anyhow::Result<(f64, f64)> {
    let clients = (0..50).map(|_| Client::connect(subject));
    let mut clients: Vec<Client> = clients.collect::<anyhow::Result<_>>()?;
    presence::join(subject, &mut clients)?;
    presence::leave(&mut clients)?;
    subject.instructions()?;
    let joined = presence::join(subject, &mut clients)? + clients.len();
    let join = subject.instructions()? as f64 / joined as f64;
    let left = presence::leave(&mut clients)?;
    let leave = subject.instructions()? as f64 / left as f64;
    Ok((join, leave))
}
