//! What Redis did in between: commands, calls inside its scripts, bytes in and out.
//!
//! Owns the reading of its own counters. Beats of the nodes are among them: two a second of each.

use std::collections::HashMap;

use anyhow::Context;
use redis::Connection;

use crate::redis::Redis;

/// What nodes send and no script calls.
const SENT_BY_NODES: [&str; 3] = ["evalsha", "subscribe", "unsubscribe"];

/// What the bench itself asks; not counted.
const SENT_BY_BENCH: [&str; 5] = ["info", "client|setinfo", "hello", "memory|usage", "psubscribe"];

/// The counters, read over a connection that stays.
pub(crate) struct Counters {
    connection: Connection,
    last: Traffic,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    /// Commands that nodes sent.
    pub(crate) sent: f64,
    /// Calls inside scripts.
    pub(crate) inside: f64,
    pub(crate) in_bytes: f64,
    pub(crate) out_bytes: f64,
}

impl Counters {
    /// Counts from now on.
    pub(crate) fn of(redis: &Redis) -> anyhow::Result<Self> {
        let mut this = Self { connection: connect(redis)?, last: Traffic::default() };
        this.since()?;
        Ok(this)
    }

    /// What was counted since the last time.
    pub(crate) fn since(&mut self) -> anyhow::Result<Traffic> {
        let mut info = redis::cmd("INFO");
        info.arg("stats").arg("commandstats");
        let text: String = info.query(&mut self.connection)?;
        let now = Traffic::read(&text)?;
        let last = std::mem::replace(&mut self.last, now);
        // The answer to this question is counted with the next.
        self.last.out_bytes += text.len() as f64;
        Ok(Traffic {
            sent: now.sent - last.sent,
            inside: now.inside - last.inside,
            in_bytes: now.in_bytes - last.in_bytes,
            out_bytes: now.out_bytes - last.out_bytes,
        })
    }
}

impl Traffic {
    fn read(info: &str) -> anyhow::Result<Self> {
        let fields: HashMap<&str, &str> =
            info.lines().filter_map(|line| line.trim().split_once(':')).collect();
        let bytes = |name: &str| {
            let value = fields.get(name).and_then(|value| value.parse::<f64>().ok());
            value.with_context(|| format!("Redis does not tell {name}"))
        };
        let (in_bytes, out_bytes) =
            (bytes("total_net_input_bytes")?, bytes("total_net_output_bytes")?);
        let (mut sent, mut inside) = (0.0, 0.0);
        for (name, value) in &fields {
            let Some(name) = name.strip_prefix("cmdstat_") else { continue };
            let calls = value.strip_prefix("calls=").and_then(|rest| rest.split(',').next());
            let calls: f64 = calls.and_then(|calls| calls.parse().ok()).context("no calls")?;
            if SENT_BY_NODES.contains(&name) {
                sent += calls;
            } else if !SENT_BY_BENCH.contains(&name) {
                inside += calls;
            }
        }
        Ok(Self { sent, inside, in_bytes, out_bytes })
    }

    /// The same for each of so many, to a tenth: the few beats in between do not show.
    pub(crate) fn per(self, count: usize) -> Self {
        let each = |value: f64| (value * 10.0 / count.max(1) as f64).round() / 10.0;
        Self {
            sent: each(self.sent),
            inside: each(self.inside),
            in_bytes: each(self.in_bytes),
            out_bytes: each(self.out_bytes),
        }
    }
}

/// A connection of the bench.
pub(crate) fn connect(redis: &Redis) -> anyhow::Result<Connection> {
    Ok(redis::Client::open(redis.url())?.get_connection()?)
}
