//! Question: how much later does a member get its answer when the roster is in Redis, and how many
//! commands does a join and a leave cost? Each channel has a member at this node and one at the other,
//! which receive the change. The floor is one node, which sends no command.

use std::time::Instant;

use anyhow::{bail, ensure};

use super::{Figures, Row, Scale, Scenario, Subject};
use crate::bound::{Bound, Unit};
use crate::client::{Client, Received};
use crate::figures;
use crate::traffic::{Counters, Traffic};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cluster-members",
    settings: "",
    beside: true,
    measure,
    rows: &[
        row(
            "a member joins beside others on both nodes: answered, p50",
            "join_us",
            Unit::Microseconds,
            Bound::Free,
        ),
        row(
            "the same: received by the other node's members, p50",
            "announced_us",
            Unit::Microseconds,
            Bound::Free,
        ),
        row("the same: commands", "join_commands", Unit::Each, Bound::AtMost(1.0)),
        row("the same: calls inside its script", "join_calls", Unit::Each, Bound::Free),
        row("it leaves: commands", "leave_commands", Unit::Each, Bound::AtMost(1.0)),
        row("the same: calls inside its script", "leave_calls", Unit::Each, Bound::Free),
        row(
            "the first of a node subscribes to a public channel: commands",
            "first_commands",
            Unit::Each,
            Bound::AtMost(2.0),
        ),
        row("one more subscribes: commands", "next_commands", Unit::Each, Bound::AtMost(1.0)),
        row("a socket connects: commands", "connect_commands", Unit::Each, Bound::AtMost(1.0)),
    ],
};

const fn row(what: &'static str, figure: &'static str, unit: Unit, bound: Bound) -> Row {
    Row { what, figure, unit, bound }
}

/// The clients of the scenario.
struct Members {
    /// On this node and on the other, on every presence channel.
    near: Client,
    far: Client,
    /// Joins and leaves, on this node.
    guest: Client,
}

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let count = scale.pick(400, 60);
    let names = |kind: &str| -> Vec<String> {
        (0..count).map(|number| format!("{kind}load-{number}")).collect()
    };
    let (public, presence) = (names(""), names("presence-"));
    let mut watch = Watch(subject.redis().map(Counters::of).transpose()?);
    let guest = Client::connect(subject)?;
    let mut members =
        Members { near: Client::connect(subject)?, far: Client::connect(subject.far())?, guest };
    watch.each(1)?;
    let pool: Vec<Client> =
        (0..count).map(|_| Client::connect(subject)).collect::<anyhow::Result<_>>()?;
    let connects = watch.each(count)?;
    for name in &public {
        enter(&mut members.guest, subject, name, None)?;
    }
    let firsts = watch.each(count)?;
    for name in &public {
        enter(&mut members.near, subject, name, None)?;
    }
    let nexts = watch.each(count)?;
    drop(pool);
    for name in &presence {
        enter(&mut members.far, subject, name, Some("far"))?;
        enter(&mut members.near, subject, name, Some("near"))?;
        receives(&mut members.far, "member_added")?;
    }
    watch.each(1)?;
    let (answered, announced) = join(&mut members, subject, &presence)?;
    let joins = watch.each(count)?;
    leave(&mut members, &presence)?;
    let leaves = watch.each(count)?;
    let mut figures = Figures::from([("join_us", answered), ("announced_us", announced)]);
    if subject.redis().is_some() {
        figures.extend([
            ("connect_commands", connects.sent),
            ("first_commands", firsts.sent),
            ("next_commands", nexts.sent),
            ("join_commands", joins.sent),
            ("join_calls", joins.inside),
            ("leave_commands", leaves.sent),
            ("leave_calls", leaves.inside),
        ]);
    }
    Ok(figures)
}

/// The counters of Redis, where there is one.
struct Watch(Option<Counters>);

impl Watch {
    /// What was counted since the last time, for each of so many.
    fn each(&mut self, count: usize) -> anyhow::Result<Traffic> {
        let Some(counters) = &mut self.0 else { return Ok(Traffic::default()) };
        Ok(counters.since()?.per(count))
    }
}

/// The guest joins every channel, one after the other; microseconds until it has the answer, and
/// until the other node's member has received it.
fn join(
    members: &mut Members,
    subject: &Subject,
    channels: &[String],
) -> anyhow::Result<(f64, f64)> {
    let (mut answered, mut announced) = (Vec::new(), Vec::new());
    for channel in channels {
        let start = Instant::now();
        enter(&mut members.guest, subject, channel, Some("guest"))?;
        answered.push(start.elapsed().as_secs_f64() * 1e6);
        receives(&mut members.far, "member_added")?;
        announced.push(start.elapsed().as_secs_f64() * 1e6);
        receives(&mut members.near, "member_added")?;
    }
    Ok((
        figures::median(&answered).unwrap_or_default(),
        figures::median(&announced).unwrap_or_default(),
    ))
}

/// It leaves them again.
fn leave(members: &mut Members, channels: &[String]) -> anyhow::Result<()> {
    for channel in channels {
        let data = format!(r#"{{"channel":"{channel}"}}"#);
        members.guest.send(&format!(r#"{{"event":"pusher:unsubscribe","data":{data}}}"#))?;
        receives(&mut members.far, "member_removed")?;
        receives(&mut members.near, "member_removed")?;
    }
    Ok(())
}

/// Subscribes and waits for the answer.
fn enter(
    client: &mut Client,
    subject: &Subject,
    channel: &str,
    user_id: Option<&str>,
) -> anyhow::Result<()> {
    let member = user_id.map(|id| format!(r#"{{"user_id":"{id}","user_info":{{"name":"{id}"}}}}"#));
    client.subscribe(subject, channel, member.as_deref())?;
    receives(client, "subscription_succeeded")
}

fn receives(client: &mut Client, what: &str) -> anyhow::Result<()> {
    let Received::Text(text) = client.receive()? else { bail!("closed instead of {what}") };
    ensure!(text.contains(what), "{text} instead of {what}");
    Ok(())
}
