//! Requests as Redis commands: the names of keys, and the order of arguments the scripts expect.

use redis::{Cmd, Pipeline};

use super::scripts::Scripts;
use crate::channel_rules::LEAVE_DELAY;
use crate::cluster::NodeId;
use crate::cluster::directory::key::{common_topic, node_topic};
use crate::cluster::directory::message::{change_head, outcome_head};
use crate::cluster::directory::request::{
    ChannelState, DirectoryQuery, PublishRequest, Request, reference,
};
use crate::config::ClusterSettings;

/// What every command of a node has in common.
pub(super) struct Commands {
    node: NodeId,
    settings: ClusterSettings,
    app_ids: Vec<String>,
}

impl Commands {
    pub(super) fn new(node: NodeId, settings: ClusterSettings, app_ids: Vec<String>) -> Self {
        Self { node, settings, app_ids }
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
            Request::Subscribe(topic) => plain("SUBSCRIBE", topic),
            Request::Unsubscribe(topic) => plain("UNSUBSCRIBE", topic),
            Request::Publish(publish) => self.publish(publish, scripts),
            Request::State(state) => self.state(state, scripts),
            Request::Heartbeat { lease, tells, proof } => {
                let (nodes, held) = (self.nodes(), self.held());
                let epoch = epoch(&self.settings.prefix);
                let mut keys = vec![&*nodes, &held, &epoch];
                keys.extend(proof.as_ref().map(|proof| &*proof.topic));
                let mut cmd = script(&scripts.beat, &keys);
                cmd.arg(self.node_key()).arg(lease.as_millis() as u64).arg(u8::from(*tells));
                cmd.arg(NodeId::random().to_string());
                if let Some(proof) = proof {
                    cmd.arg(proof.serial).arg(&*proof.epoch);
                }
                cmd
            }
            Request::Reap { node, leaving } => self.reap(*node, *leaving, scripts),
            Request::References => plain("SMEMBERS", &self.references(self.node)),
            Request::Connections { app_id, open, wanted, most } => {
                let keys = [&*self.connections(app_id), &self.nodes()];
                let mut cmd = script(&scripts.connections, &keys);
                let most = most.map(|most| most.to_string()).unwrap_or_default();
                cmd.arg(self.node_key()).arg(open).arg(wanted).arg(most).arg(self.lease_ms());
                cmd
            }
            Request::Broadcast(message) => {
                let mut cmd = plain("PUBLISH", &common_topic(&self.settings.prefix));
                cmd.arg(&message[..]);
                cmd
            }
            Request::Query(query) => self.query(query, scripts),
        }
    }

    fn publish(&self, publish: &PublishRequest, scripts: &Scripts) -> Cmd {
        let mut cmd = script(&scripts.publish, &[&publish.topic]);
        let cached = publish.cached.then(|| self.settings.cache_ttl.as_millis().to_string());
        let events = self.settings.streams.map(|streams| streams.events.to_string());
        cmd.arg(&publish.head)
            .arg(publish.frame.payload())
            .arg(cached.unwrap_or_default())
            .arg(self.kept_ms())
            .arg(events.unwrap_or_default())
            .arg(u8::from(publish.again));
        cmd
    }

    fn state(&self, state: &ChannelState, scripts: &Scripts) -> Cmd {
        let occupied = self.occupied(&state.app_id);
        let (references, held, nodes) = (self.references(self.node), self.held(), self.nodes());
        let keys = [&*state.topic, &references, &occupied, &held, &nodes];
        let mut cmd = script(&scripts.state, &keys);
        let flags = state.facts.letters() + &state.asked.letters();
        cmd.arg(self.node_key())
            .arg(change_head(self.node))
            .arg(&*node_topic(&self.settings.prefix, self.node))
            .arg(outcome_head(state.request))
            .arg(flags)
            .arg(reference(state.facts, &state.app_id, &state.name))
            .arg(&*state.name)
            .arg(state.count)
            .arg(state.members_max)
            .arg(LEAVE_DELAY.as_millis() as u64)
            .arg(self.kept_ms())
            .arg(state.known)
            .arg(self.lease_ms());
        for (user_id, info) in &state.rows {
            let sign = if info.is_some() { "+" } else { "-" };
            cmd.arg(sign).arg(&**user_id).arg(info.as_deref().unwrap_or_default());
        }
        cmd
    }

    fn reap(&self, node: NodeId, leaving: bool, scripts: &Scripts) -> Cmd {
        let keys = [&*self.nodes(), &self.references(node), &self.held()];
        let mut cmd = script(&scripts.reap, &keys);
        cmd.arg(&node.0.to_be_bytes()[..])
            .arg(change_head(NodeId(0)))
            .arg(&self.settings.prefix)
            .arg(LEAVE_DELAY.as_millis() as u64)
            .arg(self.kept_ms())
            .arg(u8::from(leaving))
            .arg(&self.app_ids);
        cmd
    }

    fn query(&self, query: &DirectoryQuery, scripts: &Scripts) -> Cmd {
        match query {
            DirectoryQuery::Channel(topic) => script(&scripts.look, &[topic]),
            DirectoryQuery::Occupied { app_id, prefix } => {
                let mut cmd = script(&scripts.occupied, &[&self.occupied(app_id)]);
                cmd.arg(format!("{}{{{app_id}:", self.settings.prefix)).arg(prefix);
                cmd
            }
            DirectoryQuery::Members(topic) => plain("HGETALL", &format!("{topic}:m")),
            DirectoryQuery::Connections(app_id) => plain("HVALS", &self.connections(app_id)),
        }
    }

    fn node_key(&self) -> Vec<u8> {
        self.node.0.to_be_bytes().to_vec()
    }

    fn lease_ms(&self) -> u64 {
        self.settings.beat_holds().as_millis() as u64
    }

    fn nodes(&self) -> String {
        format!("{}:nodes", self.settings.prefix)
    }

    fn held(&self) -> String {
        format!("{}:held", self.settings.prefix)
    }

    fn references(&self, node: NodeId) -> String {
        format!("{}:node:{node}:channels", self.settings.prefix)
    }

    fn occupied(&self, app_id: &str) -> String {
        format!("{}{{{app_id}}}:occupied", self.settings.prefix)
    }

    fn connections(&self, app_id: &str) -> String {
        format!("{}{{{app_id}}}:connections", self.settings.prefix)
    }

    fn kept_ms(&self) -> String {
        let kept = self.settings.streams.map(|streams| streams.retention.as_millis().to_string());
        kept.unwrap_or_default()
    }
}

/// The key that is there as long as Redis has not lost its data.
pub(super) fn epoch(prefix: &str) -> String {
    format!("{prefix}:epoch")
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

/// How a request is called when its answer makes no sense.
pub(super) fn name(request: &Request) -> &'static str {
    match request {
        Request::Subscribe(_) | Request::Unsubscribe(_) => "a subscription",
        Request::Publish(_) => "an event",
        Request::State(_) => "the state of a channel",
        Request::Heartbeat { .. } => "a beat",
        Request::Reap { .. } => "a clean-up",
        Request::References => "the list of this node's channels",
        Request::Connections { .. } => "the number of connections",
        Request::Broadcast(_) => "a message to all nodes",
        Request::Query(_) => "a look-up",
    }
}
