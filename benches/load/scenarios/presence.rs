//! Question: what do 300 members cost that join one presence channel at once, and then leave at
//! once? Every pair of members is one frame each way, 89 700 in all, beside the 300 rosters; the
//! sockets are connected before. The floor is what the kernel takes for as many frames, several of
//! which may leave in one write.

use anyhow::{bail, ensure};

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Unit};
use crate::client::{Client, Received};
use crate::figures::Figures;
use crate::meter::{Cpu, Meter};
use crate::subject::Subject;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "presence",
    settings: "",
    beside: false,
    measure,
    rows: &[
        Row {
            what: "300 members join one presence channel at once, and leave: CPU per frame",
            figure: "cpu_us",
            unit: Unit::Microseconds,
            bound: Bound::AtMost(4.0),
        },
        Row {
            what: "the same, joining alone: CPU per frame",
            figure: "join_us",
            unit: Unit::Microseconds,
            bound: Bound::AtMost(4.0),
        },
    ],
};

/// Sent after a leave; its answer is the last frame a leave leads to.
const PING: &str = r#"{"event":"pusher:ping","data":{}}"#;

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let (members, repeats) = (scale.pick(300, 60), scale.pick(4, 2));
    let mut clients = Vec::new();
    for _ in 0..members {
        clients.push(Client::connect(subject)?);
    }
    let mut joins = (Cpu::default(), 0);
    let mut leaves = (Cpu::default(), 0);
    for repeat in 0..=repeats {
        let before = Meter::read(subject.pid)?;
        let joined = join(subject, &mut clients)?;
        let between = Meter::read(subject.pid)?;
        let join_cpu = before.used()?;
        let left = leave(&mut clients)?;
        let leave_cpu = between.used()?;
        let pairs = clients.len() * (clients.len() - 1) / 2;
        ensure!((joined, left) == (pairs, pairs), "{joined} and {left} of {pairs} frames came");
        // The first time warms up.
        if repeat > 0 {
            joins = (joins.0 + join_cpu, joins.1 + joined + clients.len());
            leaves = (leaves.0 + leave_cpu, leaves.1 + left);
        }
    }
    let all = joins.0 + leaves.0;
    Ok(Figures::from([
        ("cpu_us", all.us_per((joins.1 + leaves.1) as u64)?),
        ("join_us", joins.0.us_per(joins.1 as u64)?),
        ("leave_us", leaves.0.us_per(leaves.1 as u64)?),
    ]))
}

/// All join; returns the number of `member_added` received.
pub(super) fn join(subject: &Subject, clients: &mut [Client]) -> anyhow::Result<usize> {
    for (number, client) in clients.iter_mut().enumerate() {
        let member =
            format!(r#"{{"user_id":"{number}","user_info":{{"name":"Member {number}"}}}}"#);
        client.subscribe(subject, CHANNEL, Some(&member))?;
    }
    let (members, mut received) = (clients.len(), 0);
    for client in clients {
        // The roster has the members so far; the others follow.
        let roster = text(client)?;
        let count = roster.split_once(r#"count\":"#).map(|(_, rest)| digits(rest));
        let Some(Ok(count)) = count else { bail!("no roster: {roster}") };
        for _ in count..members {
            let added = text(client)?;
            ensure!(added.contains("member_added"), "unexpected: {added}");
            received += 1;
        }
    }
    Ok(received)
}

/// All leave; returns the number of `member_removed` that the remaining members received.
pub(super) fn leave(clients: &mut [Client]) -> anyhow::Result<usize> {
    for client in &mut *clients {
        let data = format!(r#"{{"channel":"{CHANNEL}"}}"#);
        client.send(&format!(r#"{{"event":"pusher:unsubscribe","data":{data}}}"#))?;
        client.send(PING)?;
    }
    let mut received = 0;
    for client in clients {
        loop {
            let message = text(client)?;
            if message.contains("pusher:pong") {
                break;
            }
            ensure!(message.contains("member_removed"), "unexpected: {message}");
            received += 1;
        }
    }
    Ok(received)
}

const CHANNEL: &str = "presence-load";

fn digits(text: &str) -> Result<usize, std::num::ParseIntError> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse()
}

fn text(client: &mut Client) -> anyhow::Result<String> {
    match client.receive()? {
        Received::Text(text) => Ok(text),
        Received::Close(code) => bail!("a member was closed with {code}"),
    }
}
