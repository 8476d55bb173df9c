//! Requests as Redis commands: the names of keys, and the arguments of the scripts.
//!
//! A script but `publish.lua` gets its arguments packed with the names of the fields below; bytes that are
//! no text stand beside them, since `cmsgpack` reads no binary type. Each script is one step of Redis. It is
//! loaded once for each connection and called by its hash. Not a `redis::Script`: that one cannot be part of a
//! pipeline, and copies each argument once more.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError};
use serde::Serialize;

use crate::channel_rules::{
    CACHE_MISS_WINDOW, COUNT_INTERVAL, LEAVE_DELAY, UNTHROTTLED_SUBSCRIBERS,
};
use crate::cluster::directory::key::{
    channels, common_topic, connections, epoch, node_topic, occupied,
};
use crate::cluster::directory::message::{change_head, outcome_head};
use crate::cluster::directory::request::{
    ChannelRecord, ChannelState, DirectoryQuery, PublishRequest, Request, StateRow,
};
use crate::cluster::directory::{NodeId, pack};
use crate::config::ClusterSettings;
use crate::redis_connection::{KeySpace, TopicWords};

/// What all commands of a node have in common.
pub(super) struct Commands {
    node: NodeId,
    names: KeySpace,
    words: &'static TopicWords,
    app_ids: Arc<ArcSwap<Vec<String>>>,
    /// See [`KeySpace::guard`].
    guard: String,
    /// The keys of the nodes, of pending leaves and of the epoch.
    nodes: String,
    leaves: String,
    epoch: String,
    /// The key of the channels of this node.
    own_channels: String,
    /// The topics of this node and of all nodes.
    own_topic: Arc<str>,
    common_topic: Arc<str>,
}

/// The arguments of `state.lua`.
#[derive(Serialize)]
struct StateArguments<'a> {
    reply_topic: &'a str,
    count: u32,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    rows: &'a [StateRow],
    /// Users beyond these are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    members_max: Option<usize>,
    /// The rows are complete.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    whole: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    roster: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cached: bool,
    /// Events behind this number are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    missed_since: Option<u64>,
}

/// The arguments of `heartbeat.lua`.
#[derive(Serialize)]
struct HeartbeatArguments<'a> {
    lease_ms: u64,
    takes_leaves: bool,
    /// Becomes the epoch if there is none.
    new_epoch: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<ProofArguments<'a>>,
}

#[derive(Serialize)]
struct ProofArguments<'a> {
    epoch: &'a str,
    serial: u64,
}

/// The arguments of `reap.lua`.
#[derive(Serialize)]
struct ReapArguments<'a> {
    prefix: &'a str,
    app_ids: &'a [String],
    leaving: bool,
}

/// The arguments of `connections.lua`.
#[derive(Serialize)]
struct ConnectionsArguments {
    open: u32,
    wanted: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    most: Option<u32>,
}

impl Commands {
    pub(super) fn new(node: NodeId, names: KeySpace, app_ids: Arc<ArcSwap<Vec<String>>>) -> Self {
        let prefix = names.prefix();
        Self {
            node,
            app_ids,
            words: names.words(),
            guard: names.guard(),
            nodes: format!("{prefix}:nodes"),
            leaves: format!("{prefix}:leaves"),
            epoch: epoch(prefix),
            own_channels: channels(prefix, node),
            own_topic: node_topic(prefix, node),
            common_topic: common_topic(prefix),
            names,
        }
    }

    /// What the names of keys and topics are on the server.
    pub(super) fn names(&self) -> &KeySpace {
        &self.names
    }

    /// A batch as one write.
    pub(super) fn pipeline(&self, batch: &[Request], scripts: &Scripts) -> Pipeline {
        let mut pipeline = Pipeline::with_capacity(batch.len());
        for request in batch {
            pipeline.add_command(self.command(request, scripts));
        }
        pipeline
    }

    fn command(&self, request: &Request, scripts: &Scripts) -> Cmd {
        match request {
            Request::Subscribe(topic) => plain(self.words.subscribe, &self.names.stored(topic)),
            Request::Unsubscribe(topic) => plain(self.words.unsubscribe, &self.names.stored(topic)),
            Request::Publish(publish) => self.publish(publish, scripts),
            Request::Cache { topic, frame, ttl } => {
                let mut cmd = plain("SET", &format!("{}:cached", self.names.stored(topic)));
                cmd.arg(frame.payload()).arg("PX").arg(ttl.as_millis() as u64);
                cmd
            }
            Request::State(state) => self.state(state, scripts),
            Request::Heartbeat { lease, takes_leaves, proof } => {
                let channel = proof.as_ref().map(|proof| self.names.stored(&proof.topic));
                let mut keys = vec![&*self.nodes, &self.leaves, &self.epoch];
                keys.extend(channel.as_deref());
                let arguments = HeartbeatArguments {
                    lease_ms: lease.as_millis() as u64,
                    takes_leaves: *takes_leaves,
                    new_epoch: NodeId::from_random(rand::random()).to_string(),
                    proof: proof
                        .as_ref()
                        .map(|proof| ProofArguments { epoch: &proof.epoch, serial: proof.serial }),
                };
                let mut cmd = self.guarded(&scripts.heartbeat, &keys);
                cmd.arg(&self.node.to_bytes()[..]).arg(pack(&arguments));
                cmd
            }
            Request::Reap { node, leaving } => self.reap(*node, *leaving, scripts),
            Request::ListChannels => plain("SMEMBERS", &self.own_channels),
            Request::Connections { app_id, open, wanted, most } => {
                let (open, wanted, most) = (*open, *wanted, *most);
                let keys = [&*connections(self.names.prefix(), app_id), &self.nodes];
                let mut cmd = self.guarded(&scripts.connections, &keys);
                let arguments = ConnectionsArguments { open, wanted, most };
                cmd.arg(&self.node.to_bytes()[..]).arg(pack(&arguments));
                cmd
            }
            Request::Broadcast(message) => {
                let mut cmd = plain(self.words.publish, &self.common_topic);
                cmd.arg(&message[..]);
                cmd
            }
            Request::Send { node, message } => {
                let mut cmd = plain(self.words.publish, &node_topic(self.names.prefix(), *node));
                cmd.arg(&message[..]);
                cmd
            }
            Request::Query(query) => self.query(query, scripts),
        }
    }

    /// A script whose keys may all exist. Those of a channel begin with its topic, which is no key itself.
    fn guarded(&self, name: &str, keys: &[&str]) -> Cmd {
        match self.names.is_sharded() {
            true => script(name, &[keys, &[&*self.guard]].concat()),
            false => script(name, keys),
        }
    }

    fn publish(&self, publish: &PublishRequest, scripts: &Scripts) -> Cmd {
        let mut cmd = script(&scripts.publish, &[&*self.names.stored(&publish.topic)]);
        cmd.arg(&publish.head)
            .arg(publish.frame.payload())
            .arg(u8::from(publish.cached))
            .arg(u8::from(publish.again));
        cmd
    }

    fn state(&self, state: &ChannelState, scripts: &Scripts) -> Cmd {
        let occupied = occupied(self.names.prefix(), &state.app_id);
        let topic = self.names.stored(&state.topic);
        let keys = [&*topic, &self.own_channels, &occupied, &self.leaves, &self.nodes];
        let record = ChannelRecord {
            app_id: state.app_id.clone(),
            name: (*state.name).to_owned(),
            traits: state.traits,
        };
        let flags = &state.flags;
        let arguments = StateArguments {
            reply_topic: &self.own_topic,
            count: state.count,
            rows: &state.rows,
            members_max: flags.bounded.then_some(state.members_max),
            whole: flags.whole,
            roster: flags.roster,
            cached: flags.cached,
            missed_since: flags.missed.then_some(state.known),
        };
        let mut cmd = script(&scripts.state, &keys);
        cmd.arg(&self.node.to_bytes()[..])
            .arg(&change_head(self.node)[..])
            .arg(&outcome_head(state.request)[..])
            .arg(pack(&record))
            .arg(pack(&arguments));
        cmd
    }

    fn reap(&self, node: NodeId, leaving: bool, scripts: &Scripts) -> Cmd {
        let keys = [&*self.nodes, &channels(self.names.prefix(), node), &self.leaves];
        let app_ids = self.app_ids.load();
        let arguments = ReapArguments { prefix: self.names.prefix(), app_ids: &app_ids, leaving };
        let mut cmd = self.guarded(&scripts.reap, &keys);
        cmd.arg(&node.to_bytes()[..]).arg(&change_head(NodeId(0))[..]).arg(pack(&arguments));
        cmd
    }

    fn query(&self, query: &DirectoryQuery, scripts: &Scripts) -> Cmd {
        match query {
            DirectoryQuery::Channel(topic) => {
                script(&scripts.channel_info, &[&*self.names.stored(topic)])
            }
            DirectoryQuery::Occupied { app_id, prefix, after, most } => {
                let mut cmd = self
                    .guarded(&scripts.occupied_channels, &[&occupied(self.names.prefix(), app_id)]);
                let keys = format!("{}{{{app_id}:", self.names.prefix());
                cmd.arg(keys).arg(prefix).arg(after).arg(*most);
                cmd
            }
            DirectoryQuery::Members(topic) => {
                plain("HGETALL", &format!("{}:members", self.names.stored(topic)))
            }
            DirectoryQuery::Connections(app_id) => {
                plain("HVALS", &connections(self.names.prefix(), app_id))
            }
            DirectoryQuery::Names { app_id, prefix, most } => {
                let mut cmd = plain("ZRANGEBYLEX", &occupied(self.names.prefix(), app_id));
                match prefix.as_str() {
                    "" => cmd.arg("-").arg("+"),
                    // Names are ASCII, so every name with the prefix is below this end.
                    prefix => cmd.arg(format!("[{prefix}")).arg(format!("[{prefix}\u{7f}")),
                };
                cmd.arg("LIMIT").arg(0).arg(*most);
                cmd
            }
            DirectoryQuery::Leases => script(&scripts.leases, &[&self.nodes]),
        }
    }
}

fn plain(name: &str, key: &str) -> Cmd {
    let mut cmd = redis::cmd(name);
    cmd.arg(key);
    cmd
}

fn script(name: &str, keys: &[&str]) -> Cmd {
    let mut cmd = redis::cmd("EVALSHA");
    cmd.arg(name).arg(keys.len()).arg(keys);
    cmd
}

/// The hashes by which Redis calls the scripts.
pub(super) struct Scripts {
    pub(super) state: String,
    pub(super) publish: String,
    pub(super) heartbeat: String,
    pub(super) reap: String,
    pub(super) connections: String,
    pub(super) occupied_channels: String,
    pub(super) channel_info: String,
    pub(super) leases: String,
}

impl Scripts {
    /// Loads them into Redis.
    pub(super) async fn load(
        connection: &mut MultiplexedConnection,
        settings: &ClusterSettings,
        publish_word: &str,
    ) -> Result<Self, RedisError> {
        let constants = constants(settings, publish_word);
        let prelude = include_str!("lua/prelude.lua");
        let scripts = [
            &[prelude, include_str!("lua/state.lua")][..],
            &[include_str!("lua/publish.lua")],
            &[prelude, include_str!("lua/heartbeat.lua")],
            &[prelude, include_str!("lua/reap.lua")],
            &[prelude, include_str!("lua/connections.lua")],
            &[include_str!("lua/occupied_channels.lua")],
            &[include_str!("lua/channel_info.lua")],
            &[prelude, include_str!("lua/leases.lua")],
        ]
        .map(|parts| with_constants(parts, &constants));
        let mut pipeline = redis::pipe();
        for script in &scripts {
            pipeline.cmd("SCRIPT").arg("LOAD").arg(script);
        }
        let hashes: [String; 8] = pipeline.query_async(connection).await?;
        let [state, publish, heartbeat, reap, connections, occupied_channels, channel_info, leases] =
            hashes;
        Ok(Self {
            state,
            publish,
            heartbeat,
            reap,
            connections,
            occupied_channels,
            channel_info,
            leases,
        })
    }
}

/// Dead nodes are removed from so many channels by one call: a script that runs for long delays events.
const REAPED_CHANNELS_MAX: u64 = 64;

/// So many leaves are taken by one heartbeat. Lua cannot pass more than some thousand to one command.
const DUE_LEAVES_MAX: u64 = 100;

/// A channel stores the last serials of so many nodes, most of which are long gone.
const SERIALS_MAX: u64 = 256;

/// One outcome holds so many missed events and bytes of them, and one event more.
const MISSED_EVENTS_MAX: u64 = 64;
const MISSED_BYTES_MAX: u64 = 64 << 10;

/// How long the number of a vacated channel is kept: longer than a node stays subscribed to one that it
/// does not need, or the next numbers would look like a gap.
const NUMBERS_KEPT: Duration = Duration::from_secs(10);

/// The same for the numbers and serials of a channel whose last node was given up: it may be alive behind
/// a broken line.
const KEPT_FOR_DEAD: Duration = Duration::from_secs(600);

/// A script with the constants that it names in front, as local variables: Redis sets each of them at every
/// call.
fn with_constants(parts: &[&str], constants: &[(&str, String)]) -> String {
    let script = parts.concat();
    let named = constants.iter().filter(|(name, _)| script.contains(name));
    let lines: String = named.map(|(name, value)| format!("local {name} = {value}\n")).collect();
    lines + &script
}

/// The constants of the scripts. The same on all nodes with the same settings, so that Redis stores each
/// script once.
fn constants(settings: &ClusterSettings, publish_word: &str) -> [(&'static str, String); 17] {
    let streams = settings.streams.as_ref();
    let retention = streams.map(|streams| streams.retention);
    let milliseconds = |duration: Duration| duration.as_millis().to_string();
    let nil = || "nil".to_owned();
    [
        ("PUBLISH", format!("'{publish_word}'")),
        ("LEASE_MS", milliseconds(settings.beat_holds())),
        ("CACHE_MS", milliseconds(settings.cache_ttl)),
        ("RETENTION_MS", retention.map_or_else(nil, milliseconds)),
        ("RETAINED_EVENTS", streams.map_or_else(nil, |streams| streams.events.to_string())),
        ("NUMBERS_KEPT_MS", milliseconds(retention.unwrap_or(NUMBERS_KEPT))),
        ("SERIALS_KEPT_MS", milliseconds(settings.serials_kept())),
        ("KEPT_FOR_DEAD_MS", milliseconds(retention.unwrap_or_default().max(KEPT_FOR_DEAD))),
        ("LEAVE_DELAY_MS", milliseconds(LEAVE_DELAY)),
        ("CACHE_MISS_WINDOW_MS", milliseconds(CACHE_MISS_WINDOW)),
        ("UNTHROTTLED_SUBSCRIBERS", UNTHROTTLED_SUBSCRIBERS.to_string()),
        ("COUNT_INTERVAL_MS", milliseconds(COUNT_INTERVAL)),
        ("REAPED_CHANNELS_MAX", REAPED_CHANNELS_MAX.to_string()),
        ("DUE_LEAVES_MAX", DUE_LEAVES_MAX.to_string()),
        ("SERIALS_MAX", SERIALS_MAX.to_string()),
        ("MISSED_EVENTS_MAX", MISSED_EVENTS_MAX.to_string()),
        ("MISSED_BYTES_MAX", MISSED_BYTES_MAX.to_string()),
    ]
}
