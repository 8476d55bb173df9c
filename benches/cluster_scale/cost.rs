//! The CPU of Redis for an event, for each node that receives it, and for a heartbeat: measured with the
//! shipped scripts.
//!
//! The difference between few and many listeners is the price of one; commands come in pipelines of 16,
//! since a node sends what has come up while its last batch was under way.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use redis::Connection;
use resound_load::system;

use crate::redis::Redis;

const PRELUDE: &str = include_str!("../../src/cluster/redis/lua/prelude.lua");
const PUBLISH: &str = include_str!("../../src/cluster/redis/lua/publish.lua");
const BEAT: &str = include_str!("../../src/cluster/redis/lua/heartbeat.lua");

/// What subscribers get: 128 bytes of data in a client's message.
const TEXT: &str = r#"{"event":"load","data":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","channel":"load"}"#;

/// Of the head, the topic and what Redis puts around them.
const AROUND_BYTES: usize = 35 + TOPIC.len() + 40;
pub(crate) const MESSAGE_BYTES: f64 = (TEXT.len() + AROUND_BYTES) as f64;

const TOPIC: &str = "resound{load:load}";
const EVENTS: usize = 60_000;
const BEATS: usize = 8000;
const FEW: usize = 1;
const MANY: usize = 33;

/// Microseconds of Redis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// For an event without receivers.
    pub(crate) publish_us: f64,
    /// For each node that receives it.
    pub(crate) message_us: f64,
    /// For each row that a beat reads.
    pub(crate) field_us: f64,
}

impl Cost {
    pub(crate) fn measure() -> anyhow::Result<Self> {
        let redis = Redis::start()?;
        let mut connection = redis.connection()?;
        let mut listeners = Vec::new();
        let mut published = |count: usize| {
            while listeners.len() < count {
                listeners.push(Listener::start(&redis)?);
            }
            events(&redis, &mut connection)
        };
        let (few, many) = (published(FEW)?, published(MANY)?);
        drop(listeners);
        let message_us = ((many - few) / (MANY - FEW) as f64).max(0.0);
        let (two, all) = (beats(&redis, 2)?, beats(&redis, 202)?);
        let publish_us = few - message_us * FEW as f64;
        Ok(Self { publish_us, message_us, field_us: ((all - two) / 200.0).max(0.0) })
    }
}

/// Microseconds of Redis for one event, with the listeners there are.
fn events(redis: &Redis, connection: &mut Connection) -> anyhow::Result<f64> {
    ::redis::cmd("HSET").arg(format!("{TOPIC}:n")).arg("t").arg(1).exec(connection)?;
    let name: String = ::redis::cmd("SCRIPT").arg("LOAD").arg(PUBLISH).query(connection)?;
    let publish = |pipeline: &mut ::redis::Pipeline, serial: u64| {
        let serial = serial.to_be_bytes();
        let head = [&b"R\x01E"[..], &[7; 8], &serial, &[0; 8]].concat();
        let command = pipeline.cmd("EVALSHA").arg(&name).arg(1).arg(TOPIC);
        command.arg(head).arg(TEXT).arg("").arg("").arg("").arg(0).ignore();
    };
    in_pipelines(redis, connection, EVENTS, publish)
}

/// Microseconds of Redis for one beat among so many nodes.
fn beats(redis: &Redis, nodes: usize) -> anyhow::Result<f64> {
    let mut connection = redis.connection()?;
    let script = [PRELUDE, BEAT].concat();
    let name: String = ::redis::cmd("SCRIPT").arg("LOAD").arg(script).query(&mut connection)?;
    let beat = |pipeline: &mut ::redis::Pipeline, number: u64| {
        let node = (number % nodes as u64).to_be_bytes();
        let command = pipeline.cmd("EVALSHA").arg(&name).arg(3);
        command.arg("resound:nodes").arg("resound:held").arg("resound:epoch");
        command.arg(&node[..]).arg(600_000).arg(0).arg("epoch").ignore();
    };
    in_pipelines(redis, &mut connection, nodes, beat)?;
    in_pipelines(redis, &mut connection, BEATS, beat)
}

/// Sends a command so many times; microseconds of Redis for each.
fn in_pipelines(
    redis: &Redis,
    connection: &mut Connection,
    count: usize,
    add: impl Fn(&mut ::redis::Pipeline, u64),
) -> anyhow::Result<f64> {
    const AT_ONCE: usize = 16;
    let used = || system::usage(redis.id()).context("Redis cannot be measured");
    let before = used()?;
    let mut number = 0;
    for _ in 0..count.div_ceil(AT_ONCE) {
        let mut pipeline = ::redis::pipe();
        for _ in 0..AT_ONCE {
            add(&mut pipeline, number);
            number += 1;
        }
        pipeline.exec(connection)?;
    }
    Ok((used()? - before).cpu().as_secs_f64() * 1e6 / number as f64)
}

/// A node as Redis sees it: a subscriber of the topic.
struct Listener(TcpStream);

impl Listener {
    fn start(redis: &Redis) -> anyhow::Result<Self> {
        let address = redis.url();
        let address = address.strip_prefix("redis://").context("an address")?;
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(format!("SUBSCRIBE {TOPIC}\r\n").as_bytes())?;
        let mut answer = [0; 256];
        let length = stream.read(&mut answer)?;
        ensure!(answer[..length].starts_with(b"*3"), "Redis refuses the subscription");
        stream.set_read_timeout(None)?;
        let mut reader = stream.try_clone()?;
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while reader.read(&mut buffer).is_ok_and(|length| length > 0) {}
        });
        Ok(Self(stream))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}
