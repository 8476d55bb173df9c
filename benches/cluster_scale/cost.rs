//! What Redis spends on an event, on each node that receives it, and on a heartbeat: measured with the
//! requests of real nodes.
//!
//! The difference between few and many listeners is the price of one; requests come in batches of 16,
//! since a node sends what has come up while its last batch was under way.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use resound::cluster::redis::RedisClient;
use resound::cluster::{
    ChannelState, ChannelTraits, NodeId, PublishRequest, Request, StateFlags, event_head,
};
use resound::config::{ClusterSettings, RedisAddress, RedisConfig};
use resound::protocol::Frame;
use resound_load::system;
use tokio::runtime::{self, Runtime};

use crate::redis::Redis;

/// What subscribers get: 128 bytes of data in a client's message.
const TEXT: &str = r#"{"event":"load","data":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","channel":"load"}"#;

/// Of the head, the topic and what Redis puts around them.
const AROUND_BYTES: usize = 35 + TOPIC.len() + 40;
pub(crate) const MESSAGE_BYTES: f64 = (TEXT.len() + AROUND_BYTES) as f64;

const TOPIC: &str = "resound{load:load}";
const EVENTS: usize = 60_000;
const BEATS: usize = 8000;
const LEASE: Duration = Duration::from_secs(600);
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
        let redis = Redis::start(&[])?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let mut node = connect(&redis, &runtime, 1)?;
        let mut listeners = Vec::new();
        let mut published = |count: usize| {
            while listeners.len() < count {
                listeners.push(Listener::start(&redis)?);
            }
            events(&redis, &runtime, &mut node)
        };
        let (few, many) = (published(FEW)?, published(MANY)?);
        drop(listeners);
        let message_us = ((many - few) / (MANY - FEW) as f64).max(0.0);
        let mut nodes = Vec::new();
        let mut beats = |count: u64| {
            for id in nodes.len() as u64..count {
                let mut node = connect(&redis, &runtime, 1 + id)?;
                runtime.block_on(node.send_batch(&[heartbeat()]))?;
                nodes.push(node);
            }
            send(&redis, &runtime, &mut node, BEATS, |_| heartbeat())
        };
        let (two, all) = (beats(2)?, beats(202)?);
        let publish_us = few - message_us * FEW as f64;
        Ok(Self { publish_us, message_us, field_us: ((all - two) / 200.0).max(0.0) })
    }
}

/// A node with the settings as shipped, whose lease outlasts the measurement.
fn connect(redis: &Redis, runtime: &Runtime, node: u64) -> anyhow::Result<RedisClient> {
    let port = redis.port();
    let config = RedisConfig {
        address: RedisAddress::Tcp { host: "127.0.0.1".to_owned(), port, tls: false },
        place: None,
        username: None,
        password: None,
        sentinel_username: None,
        sentinel_password: None,
        database: 0,
        ca: None,
        node_addresses: Default::default(),
    };
    let settings = ClusterSettings {
        prefix: "resound".to_owned(),
        partitions: 1,
        lease: LEASE,
        local_delivery_after: Duration::from_millis(250),
        queue_bytes: 1 << 20,
        streams: None,
        cache_ttl: Duration::from_secs(3600),
    };
    let node = (NodeId(node), settings);
    let connect = RedisClient::connect(&config, node, Vec::new(), LEASE, |_, _| {});
    Ok(runtime.block_on(connect)?)
}

/// Microseconds of Redis for one event, with the listeners there are.
fn events(redis: &Redis, runtime: &Runtime, node: &mut RedisClient) -> anyhow::Result<f64> {
    let occupied = Request::State(Box::new(ChannelState {
        request: 1,
        topic: TOPIC.into(),
        app_id: "load".to_owned(),
        name: "load".into(),
        count: 1,
        traits: ChannelTraits::default(),
        flags: StateFlags::default(),
        members_max: 0,
        known: 0,
        rows: Vec::new(),
    }));
    runtime.block_on(node.send_batch(&[occupied]))?;
    let frame = Frame::text(TEXT.as_bytes());
    let publish = |serial: u64| {
        Request::Publish(PublishRequest {
            topic: TOPIC.into(),
            head: event_head(NodeId(1), serial, None, false),
            frame: frame.clone(),
            cached: false,
            again: false,
        })
    };
    send(redis, runtime, node, EVENTS, publish)
}

fn heartbeat() -> Request {
    Request::Heartbeat { lease: LEASE, takes_leaves: false, proof: None }
}

/// Sends so many requests; microseconds of Redis for each.
fn send(
    redis: &Redis,
    runtime: &Runtime,
    node: &mut RedisClient,
    count: usize,
    request: impl Fn(u64) -> Request,
) -> anyhow::Result<f64> {
    const AT_ONCE: u64 = 16;
    let used = || system::usage(redis.id()).context("Redis cannot be measured");
    let before = used()?;
    let mut number = 0;
    while number < count as u64 {
        let batch: Vec<Request> = (number..number + AT_ONCE).map(&request).collect();
        runtime.block_on(node.send_batch(&batch))?;
        number += AT_ONCE;
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
