//! Question: what does TLS cost in the server, beside Nginx that ends it in front of the same server?
//! 1 000 sockets on one channel, 128 bytes at 50 events a second; then connections, with full handshakes
//! and with resumed ones; then idle sockets. Of Nginx, its CPU and memory and those of the server count
//! together. The floor is a delivery without TLS, and 1 to 2 µs for the record.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use resound_load::Backend;
use rustls::client::Resumption;

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Reference, Unit};
use crate::figures::Figures;
use crate::meter::{self, Cpu, Meter};
use crate::nginx::Nginx;
use crate::subject::Subject;
use crate::tls_pool::{self, TlsPool};

const fn nginx(figure: &'static str) -> Bound {
    Bound::AtMostTimes(1.0, Reference::Own { figure, name: "Nginx in front" })
}

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tls",
    settings: concat!(
        "[tls]\ncertificate = \"",
        env!("CARGO_MANIFEST_DIR"),
        "/tests/certificates/valid.pem\"\nkey = \"",
        env!("CARGO_MANIFEST_DIR"),
        "/tests/certificates/valid.pem\""
    ),
    beside: false,
    measure,
    rows: &[
        Row {
            what: "1 000 sockets over TLS, 50 events/s: CPU per delivery",
            figure: "delivery_us",
            unit: Unit::Microseconds,
            bound: nginx("nginx_delivery_us"),
        },
        Row {
            what: "connect over TLS and subscribe, one after the other: CPU per socket",
            figure: "full_us",
            unit: Unit::Microseconds,
            bound: nginx("nginx_full_us"),
        },
        Row {
            what: "the same, resuming a session",
            figure: "resumed_us",
            unit: Unit::Microseconds,
            bound: nginx("nginx_resumed_us"),
        },
        Row {
            what: "the same: sockets that one core connects with full handshakes",
            figure: "full_per_second",
            unit: Unit::PerSecond,
            bound: Bound::Free,
        },
        Row {
            what: "idle, subscribed socket over TLS at 5 000: resident memory",
            figure: "kb_per_socket",
            unit: Unit::Kilobytes,
            bound: nginx("nginx_kb_per_socket"),
        },
    ],
};

/// What serves TLS: its address, and the processes that count.
struct Door {
    address: SocketAddr,
    pids: Vec<u32>,
}

/// What one of them costs.
struct Costs {
    delivery_us: f64,
    full_us: f64,
    resumed_us: f64,
    kb_per_socket: f64,
}

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let server = subject.target.resolve()?;
    let own = Door { address: server, pids: vec![subject.pid] }.measure(subject, scale)?;
    let nginx = Nginx::start(server)?;
    let door = Door { address: nginx.address, pids: vec![subject.pid, nginx.pid()] };
    let beside = door.measure(subject, scale)?;
    Ok(Figures::from([
        ("delivery_us", own.delivery_us),
        ("nginx_delivery_us", beside.delivery_us),
        ("full_us", own.full_us),
        ("nginx_full_us", beside.full_us),
        ("full_per_second", 1e6 / own.full_us),
        ("resumed_us", own.resumed_us),
        ("nginx_resumed_us", beside.resumed_us),
        ("kb_per_socket", own.kb_per_socket),
        ("nginx_kb_per_socket", beside.kb_per_socket),
    ]))
}

impl Door {
    fn measure(&self, subject: &Subject, scale: Scale) -> anyhow::Result<Costs> {
        let sockets = scale.pick(1000, 200);
        let resuming = tls_pool::clients(Resumption::default())?;
        // What the first sockets bring into memory belongs to no socket.
        drop(TlsPool::connect(subject, self.address, &resuming, 50)?);
        let (resumed, pool) =
            self.metered(|| TlsPool::connect(subject, self.address, &resuming, sockets))?;
        let delivery_us = self.deliveries(subject, pool, sockets, scale)?;
        let shaking_hands = tls_pool::clients(Resumption::disabled())?;
        let (full, pool) =
            self.metered(|| TlsPool::connect(subject, self.address, &shaking_hands, sockets))?;
        drop(pool);
        // In a process that has seen as many: its free memory is used again, and grows no more.
        let idle = scale.pick(5000, 1000);
        let empty = self.resident()?;
        let pool = TlsPool::connect(subject, self.address, &shaking_hands, idle)?;
        let kb_per_socket = (self.resident()? - empty) / (idle - sockets) as f64 / 1024.0;
        drop(pool);
        let sockets = sockets as u64;
        Ok(Costs {
            delivery_us,
            full_us: full.us_per(sockets)?,
            resumed_us: resumed.us_per(sockets)?,
            kb_per_socket,
        })
    }

    /// CPU for each delivery at 50 events a second.
    fn deliveries(
        &self,
        subject: &Subject,
        mut pool: TlsPool,
        sockets: usize,
        scale: Scale,
    ) -> anyhow::Result<f64> {
        let server = subject.target.resolve()?;
        let mut backend = Backend::new(&subject.target, server, &subject.credentials);
        let data = "x".repeat(128);
        let body = format!(r#"{{"name":"load","channel":"load","data":"{data}"}}"#);
        let mut publish = || -> anyhow::Result<()> {
            let status = backend.post("events", &body)?.status;
            ensure!(status == 200, "publishing was answered with {status}");
            Ok(())
        };
        // How many bytes one event is at each socket.
        publish()?;
        pool.read_until(Instant::now() + Duration::from_millis(500))?;
        let bytes = pool.received_bytes;
        ensure!(bytes > 0 && bytes.is_multiple_of(sockets as u64), "{bytes} bytes arrived");
        let events = scale.pick(500, 50);
        let (cpu, ()) = self.metered(|| {
            let begin = Instant::now();
            for event in 1..=events {
                publish()?;
                pool.read_until(begin + Duration::from_millis(20) * event)?;
            }
            pool.read_bytes(bytes * u64::from(events + 1))
        })?;
        cpu.us_per(u64::from(events) * sockets as u64)
    }

    /// The CPU of what `step` causes.
    fn metered<T>(&self, step: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(Cpu, T)> {
        let meters: Vec<Meter> =
            self.pids.iter().map(|&pid| Meter::read(pid)).collect::<Result<_, _>>()?;
        let done = step()?;
        let mut cpu = Cpu::default();
        for meter in &meters {
            cpu = cpu + meter.used()?;
        }
        Ok((cpu, done))
    }

    fn resident(&self) -> anyhow::Result<f64> {
        self.pids.iter().map(|&pid| meter::resident(pid)).sum()
    }
}
