//! Question: how long do ten sockets on one channel wait beside 1, 10 and 100 clients that send three
//! bytes of garbage as fast as the server reads them? All share one worker; a client that the server
//! closes connects again at once. The floor is the latency of the ten alone.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use resound_load::{ClientPool, Phase};

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Unit};
use crate::client::Client;
use crate::figures::Figures;
use crate::pool::{self, Measured};
use crate::subject::Subject;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "flood",
    settings: "[server]\nworkers = 1",
    beside: false,
    measure,
    rows: &[
        Row {
            what: "10 sockets alone, 50 events/s: p99",
            figure: "alone_p99_ms",
            unit: Unit::Milliseconds,
            bound: Bound::Free,
        },
        Row {
            what: "the same beside 1 flooding client: p99",
            figure: "beside_1_p99_ms",
            unit: Unit::Milliseconds,
            bound: Bound::AtMost(5.0),
        },
        Row {
            what: "the same: maximum",
            figure: "beside_1_max_ms",
            unit: Unit::Milliseconds,
            bound: Bound::AtMost(20.0),
        },
        Row {
            what: "beside 10 flooding clients: p99",
            figure: "beside_10_p99_ms",
            unit: Unit::Milliseconds,
            bound: Bound::AtMost(5.0),
        },
        Row {
            what: "the same: maximum",
            figure: "beside_10_max_ms",
            unit: Unit::Milliseconds,
            bound: Bound::AtMost(20.0),
        },
        Row {
            what: "beside 100 flooding clients: p99",
            figure: "beside_100_p99_ms",
            unit: Unit::Milliseconds,
            bound: Bound::AtMost(10.0),
        },
        Row {
            what: "the same: maximum",
            figure: "beside_100_max_ms",
            unit: Unit::Milliseconds,
            bound: Bound::AtMost(40.0),
        },
    ],
};

/// A masked text frame of three bytes that are no JSON.
const MESSAGE: &[u8] = b"\x81\x83\0\0\0\0abc";

/// What one flooding client sends at once.
const BURST: usize = 2000;

/// Between two rounds over the flooding clients. The buffers of the kernel keep the server busy
/// meanwhile, and the other end of the measured sockets has a core.
const PAUSE: Duration = Duration::from_millis(1);

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let mut ten = pool::on_one_channel(subject, "small", 10)?;
    let phase = Phase::open(50.0, Duration::from_secs(scale.pick(6, 1)));
    let alone = pool::warm(subject, &mut ten, &phase)?;
    let mut figures = Figures::from([("alone_p99_ms", alone.p99_ms())]);
    for (floods, p99, max) in [
        (1, "beside_1_p99_ms", "beside_1_max_ms"),
        (10, "beside_10_p99_ms", "beside_10_max_ms"),
        (100, "beside_100_p99_ms", "beside_100_max_ms"),
    ] {
        let beside = beside(subject, &mut ten, &phase, floods)?;
        figures.insert(p99, beside.p99_ms());
        figures.insert(max, beside.latency_ms(1.0));
    }
    Ok(figures)
}

fn beside(
    subject: &Subject,
    pool: &mut ClientPool,
    phase: &Phase,
    floods: usize,
) -> anyhow::Result<Measured> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(subject, floods, &over));
        let measured = pool::run(subject, pool, phase);
        over.store(true, Ordering::Relaxed);
        flooding.join().map_err(|_| anyhow!("the flooding thread panicked"))??;
        measured
    })
}

/// Keeps `count` clients sending until it is `over`.
fn flood(subject: &Subject, count: usize, over: &AtomicBool) -> anyhow::Result<()> {
    let burst = MESSAGE.repeat(BURST);
    let connect = || -> anyhow::Result<Flooding> {
        let stream = Client::connect(subject)?.into_stream();
        stream.set_nonblocking(true)?;
        Ok(Flooding { stream, sent: 0 })
    };
    let mut clients = (0..count).map(|_| connect()).collect::<anyhow::Result<Vec<_>>>()?;
    while !over.load(Ordering::Relaxed) {
        for client in &mut clients {
            if !client.round(&burst) {
                *client = connect()?;
            }
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

struct Flooding {
    stream: TcpStream,
    sent: usize,
}

impl Flooding {
    /// Sends what the connection takes and drops the answers; false once it is closed.
    fn round(&mut self, burst: &[u8]) -> bool {
        let sent = self.stream.write(&burst[self.sent % burst.len()..]);
        let mut answers = [0; 64 * 1024];
        let read = self.stream.read(&mut answers);
        self.sent += sent.as_ref().unwrap_or(&0);
        let is_open = |done: std::io::Result<usize>| match done {
            Ok(bytes) => bytes > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        is_open(sent) && is_open(read)
    }
}
