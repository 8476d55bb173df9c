//! The link to Redis: one connection for everything, made again whenever it ends.
//!
//! Owns reconnecting, batches and time-outs. One connection (RESP3) carries requests, their replies and the
//! messages on topics, so that all of it has one order. Requests come from the owner of the link, which
//! gets everything that arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use redis::aio::MultiplexedConnection;
use redis::{InfoDict, PushInfo, RedisError, Value};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::directory::agreement::Claim;
use super::directory::key::epoch as epoch_key;
use super::directory::reply::Reply;
use super::directory::request::Request;
use super::directory::{NodeId, Partition, RedisIdentity};
use crate::config::{ClusterSettings, RedisConfig};
use crate::redis_connection::{
    Connector, KeySpace, LastLinks, LinkError, LinkPhase, LinkStatus, OutageLog, ServerInfo,
    TimeLimit,
};

mod claims;
mod client;
mod commands;

pub use client::RedisClient;

use claims::ClaimExchange;
use client::Push;
use commands::Commands;

/// The interval of ticks, which drive local delivery, heartbeats and the end of unused topics.
const TICK: Duration = Duration::from_millis(25);

/// Between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(200);

/// Keeps the link of a node up until it is dropped.
pub(super) struct RedisLink {
    owner: Arc<dyn LinkOwner>,
    node: NodeDescription,
    connector: Connector,
    /// What names would begin with in a Redis Cluster.
    sharded: Arc<KeySpace>,
    time_limit: TimeLimit,
    outage_log: OutageLog,
    last_links: LastLinks,
}

/// The node that a link serves.
pub(super) struct NodeDescription {
    pub(super) node: NodeId,
    pub(super) partition: Partition,
    pub(super) settings: ClusterSettings,
    pub(super) app_ids: Arc<ArcSwap<Vec<String>>>,
}

/// Has the requests of a node, and gets what happens on its link.
pub(super) trait LinkOwner: Send + Sync {
    /// Takes the next requests; none if there are none.
    fn take_requests(&self) -> Vec<Request>;
    /// Notified when there are requests.
    fn requests_ready(&self) -> &Notify;
    /// What this node is configured with, for comparison.
    fn claim(&self) -> Claim;
    /// Where the state of the link is noted for operators.
    fn status(&self) -> &LinkStatus;
    /// Something happened on the link.
    fn link_event(&self, event: LinkEvent<'_>);
}

/// What happens on a link.
pub(super) enum LinkEvent<'a> {
    Connected(RedisIdentity),
    /// An attempt to connect failed.
    ConnectFailed,
    Disconnected,
    Subscribed {
        topic: &'a str,
    },
    Message {
        topic: &'a str,
        payload: &'a [u8],
    },
    Replied(Reply),
    /// The claims of the other nodes that are alive.
    Claims(&'a [(NodeId, Option<Claim>)]),
    /// Redis answered a batch of requests after this time.
    RoundTrip(Duration),
    /// Time has passed.
    Tick,
}

/// Passes the pushes of one connection on, until the link gives it up.
struct PushGate {
    sharded: Arc<KeySpace>,
    is_closed: AtomicBool,
    /// Unsubscriptions that were sent and are not confirmed.
    unsubscribing: AtomicUsize,
    /// The server has ended a subscription by itself: the slot of the topics is on another one now. The library takes
    /// this push for the answer to the command that waits longest, so no answer counts any more.
    has_moved: AtomicBool,
    /// The connection cannot be used any more.
    gone: CancellationToken,
}

impl PushGate {
    fn new(sharded: Arc<KeySpace>) -> Self {
        Self {
            sharded,
            is_closed: AtomicBool::new(false),
            unsubscribing: AtomicUsize::new(0),
            has_moved: AtomicBool::new(false),
            gone: CancellationToken::new(),
        }
    }

    /// A batch is about to be sent.
    fn announce(&self, batch: &[Request]) {
        let count = batch.iter().filter(|it| matches!(it, Request::Unsubscribe(_))).count();
        if count > 0 {
            self.unsubscribing.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Why the connection cannot be used.
    fn end(&self) -> LinkError {
        match self.has_moved.load(Ordering::Relaxed) {
            true => LinkError::SlotMoved,
            false => LinkError::Redis(closed()),
        }
    }

    fn pass(&self, push: &PushInfo, owner: &dyn LinkOwner) {
        if self.is_closed.load(Ordering::Relaxed) {
            return;
        }
        match Push::read(push, &self.sharded) {
            Push::Message { topic, payload } => {
                owner.link_event(LinkEvent::Message { topic: &topic, payload });
            }
            Push::Subscribed { topic } => {
                owner.link_event(LinkEvent::Subscribed { topic: &topic });
            }
            Push::Unsubscribed => {
                let one_less = |count: usize| count.checked_sub(1);
                let (relaxed, count) = (Ordering::Relaxed, &self.unsubscribing);
                if count.fetch_update(relaxed, relaxed, one_less).is_err() {
                    self.has_moved.store(true, Ordering::Relaxed);
                    self.gone.cancel();
                }
            }
            Push::Gone => self.gone.cancel(),
            Push::Other => {}
        }
    }
}

impl RedisLink {
    pub(super) fn new(
        owner: Arc<dyn LinkOwner>,
        node: NodeDescription,
        redis: &RedisConfig,
        timeout: Duration,
    ) -> Result<Self, LinkError> {
        let prefix = &node.settings.prefix;
        let connector = Connector::new(redis, prefix)?;
        let sharded = Arc::new(KeySpace::of_redis_cluster(prefix));
        owner.status().leads_to(connector.to_string());
        let time_limit = TimeLimit::new(timeout, node.settings.beat_holds());
        let outage_log = OutageLog::default();
        let last_links = LastLinks::default();
        Ok(Self { owner, node, connector, sharded, time_limit, outage_log, last_links })
    }

    /// Connects and serves, again and again.
    pub(super) async fn run(mut self) {
        loop {
            let (error, phase) = match self.connect().await {
                Ok((client, identity, gate)) => {
                    self.owner.link_event(LinkEvent::Connected(identity));
                    let since = Instant::now();
                    let error = self.serve_with_claims(client, &gate).await;
                    gate.is_closed.store(true, Ordering::Relaxed);
                    self.owner.link_event(LinkEvent::Disconnected);
                    self.time_limit.link_ended(error.is_timeout(), since.elapsed());
                    (error, LinkPhase::Serving)
                }
                Err(error) => {
                    self.owner.link_event(LinkEvent::ConnectFailed);
                    (error, LinkPhase::Connecting)
                }
            };
            let partition = self.node.partition.shown();
            let cause = self.connector.explain(&error, phase);
            self.owner.status().away(&cause, Instant::now());
            if self.outage_log.admit_failure(&cause, Instant::now()) {
                // Each cause is a kind of line; the outage log bounds how many there are.
                tracing::error!(redis = %self.connector, partition, reason = cause, "Redis is away: this node serves its own sockets, and tries again");
            }
            self.pause().await;
        }
    }

    /// Serves, and exchanges claims beside that; returns why the link ended.
    async fn serve_with_claims(&mut self, client: RedisClient, gate: &PushGate) -> LinkError {
        let owner = self.owner.clone();
        let NodeDescription { node, partition, .. } = &self.node;
        let own = self.owner.clone();
        let prefix = client.names().prefix();
        let claims = ClaimExchange::new(*node, (prefix, partition), move || own.claim());
        let claims = claims.run(client.connection(), move |others| {
            owner.link_event(LinkEvent::Claims(others));
        });
        tokio::select! {
            error = self.serve(client, gate) => error,
            never = claims => match never {},
        }
    }

    /// Waits for the next attempt. Ticks continue meanwhile.
    async fn pause(&self) {
        let mut ticks = tokio::time::interval(TICK);
        let over = tokio::time::sleep(AGAIN);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return,
                _ = ticks.tick() => self.owner.link_event(LinkEvent::Tick),
            }
        }
    }

    async fn connect(&mut self) -> Result<(RedisClient, RedisIdentity, Arc<PushGate>), LinkError> {
        let owner = self.owner.clone();
        let connect = self.introduce();
        tokio::pin!(connect);
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                connected = &mut connect => return connected,
                _ = ticks.tick() => owner.link_event(LinkEvent::Tick),
            }
        }
    }

    /// A connection, the Redis at its end, and the gate of its pushes.
    async fn introduce(
        &mut self,
    ) -> Result<(RedisClient, RedisIdentity, Arc<PushGate>), LinkError> {
        let mut gate = Arc::new(PushGate::new(self.sharded.clone()));
        let pushes = || {
            gate = Arc::new(PushGate::new(self.sharded.clone()));
            let (gate, owner) = (gate.clone(), self.owner.clone());
            move |push: PushInfo| {
                gate.pass(&push, &*owner);
                Ok(())
            }
        };
        let (guard, timeout) = (self.sharded.guard(), self.time_limit.current());
        let mut connection = self.connector.connect_to_owner(&guard, timeout, pushes).await?;
        let mut hello = redis::pipe();
        // One section for each: a list of sections came with 7.0.
        hello.cmd("INFO").arg("server").cmd("CLIENT").arg("ID").cmd("INFO").arg("replication");
        let (info, id, replication): (InfoDict, u64, InfoDict) =
            hello.query_async(&mut connection).await?;
        let server = ServerInfo::new(info);
        self.connector.check(&server)?;
        let NodeDescription { node, partition, settings, app_ids } = &self.node;
        if server.is_cluster() {
            self.connector.learn_nodes(&mut connection).await;
        }
        let names = server.names(&settings.prefix);
        claims::agree_on_partitions(&mut connection, partition, &server).await?;
        let run = server.run();
        if let Some(last) = self.last_links.replace(&run, id) {
            let mut kill = redis::cmd("CLIENT");
            kill.arg("KILL").arg("ID").arg(last);
            let killed: Result<Value, RedisError> = kill.query_async(&mut connection).await;
            // An ACL may forbid it; on a broken connection the next command fails, too.
            killed.err().into_iter().for_each(|error| {
                tracing::debug!(%error, "the last connection to Redis could not be closed");
            });
        }
        let epoch = epoch(&mut connection, &names).await?;
        let commands = Arc::new(Commands::new(*node, names, app_ids.clone()));
        let client = RedisClient::new(connection, commands, settings).await?;
        let (address, peer) = (self.connector.to_string(), server.peer(&replication));
        self.owner.status().connected(address, peer, Instant::now());
        Ok((client, RedisIdentity { run, epoch }, gate))
    }

    /// Sends batch after batch until the link breaks. One is under way at a time: what is queued meanwhile goes
    /// with the next. The log reports the link as up after the first: a Redis that refuses writes accepts
    /// connections, too.
    async fn serve(&mut self, mut client: RedisClient, gate: &PushGate) -> LinkError {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            let batch = self.owner.take_requests();
            if batch.is_empty() {
                tokio::select! {
                    () = self.owner.requests_ready().notified() => {}
                    () = gate.gone.cancelled() => return gate.end(),
                    _ = ticks.tick() => self.owner.link_event(LinkEvent::Tick),
                }
                continue;
            }
            gate.announce(&batch);
            let sent = Instant::now();
            let answers = client.send_batch(&batch);
            tokio::pin!(answers);
            let answers = loop {
                tokio::select! {
                    answers = &mut answers => break answers,
                    _ = ticks.tick() => self.owner.link_event(LinkEvent::Tick),
                }
            };
            if gate.has_moved.load(Ordering::Relaxed) {
                return gate.end();
            }
            match answers {
                Ok(answers) => {
                    self.owner.link_event(LinkEvent::RoundTrip(sent.elapsed()));
                    if self.outage_log.admit_recovery() {
                        let partition = self.node.partition.shown();
                        tracing::info!(redis = %self.connector, partition, "connected to Redis");
                    }
                    for reply in answers {
                        self.owner.link_event(LinkEvent::Replied(reply));
                    }
                }
                Err(broken) => return broken,
            }
        }
    }
}

/// The epoch of the data in Redis, drawn by the first node that found none.
async fn epoch(
    connection: &mut MultiplexedConnection,
    names: &KeySpace,
) -> Result<String, RedisError> {
    let key = epoch_key(names.prefix());
    let mut ask = redis::pipe();
    ask.cmd("SET")
        .arg(&key)
        .arg(NodeId::from_random(rand::random()).to_string())
        .arg("NX")
        .ignore();
    ask.cmd("GET").arg(&key);
    let (epoch,): (String,) = ask.query_async(connection).await?;
    Ok(epoch)
}

fn closed() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()
}
