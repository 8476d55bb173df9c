//! Question: what does it cost to connect and to subscribe, one socket after the other and when a
//! pool comes back at once (128 at a time)? The floor is the kernel's accept, two reads, two or
//! three writes and a registration: 15 to 20 µs.

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Unit};
use crate::client::{Client, Received};
use crate::figures::Figures;
use crate::meter::Meter;
use crate::pool;
use crate::subject::Subject;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "connect",
    settings: "",
    beside: true,
    measure,
    rows: &[
        Row {
            what: "connect and subscribe, one after the other: CPU per socket",
            figure: "serial_us",
            unit: Unit::Microseconds,
            bound: Bound::AtMost(70.0),
        },
        Row {
            what: "the same, up to 128 at once",
            figure: "at_once_us",
            unit: Unit::Microseconds,
            bound: Bound::AtMost(70.0),
        },
    ],
};

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let sockets = scale.pick(4000, 500);
    drop(serial(subject, 200)?);
    let before = Meter::read(subject.pid)?;
    let one_by_one = serial(subject, sockets)?;
    let serial = before.used()?;
    drop(one_by_one);
    // What the ends of these cost is not the price of the next.
    settle(subject)?;
    let before = Meter::read(subject.pid)?;
    let pool = pool::on_one_channel(subject, "load", sockets)?;
    let at_once = before.used()?;
    drop(pool);
    Ok(Figures::from([
        ("serial_us", serial.us_per(sockets as u64)?),
        ("at_once_us", at_once.us_per(sockets as u64)?),
    ]))
}

fn serial(subject: &Subject, sockets: usize) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(sockets);
    for _ in 0..sockets {
        let mut client = Client::connect(subject)?;
        client.subscribe(subject, "load", None)?;
        match client.receive()? {
            Received::Text(text) if text.contains("subscription_succeeded") => clients.push(client),
            other => anyhow::bail!("not subscribed: {other:?}"),
        }
    }
    Ok(clients)
}

/// Waits until the process rests.
fn settle(subject: &Subject) -> anyhow::Result<()> {
    let rest = std::time::Duration::from_millis(200);
    for _ in 0..50 {
        let before = Meter::read(subject.pid)?;
        std::thread::sleep(rest);
        if before.used()?.total < rest / 50 {
            return Ok(());
        }
    }
    anyhow::bail!("the process does not come to rest")
}
