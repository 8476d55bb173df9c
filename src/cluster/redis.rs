//! The link to Redis: one connection for everything, made again whenever it ends.
//!
//! Owns reconnecting, batches and time-outs. One connection (RESP3) carries requests, their replies and the
//! messages on topics, so that all of it has one order. Requests come from the owner of the link, which
//! gets everything that arrives.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use redis::aio::MultiplexedConnection;
use redis::{InfoDict, PushInfo, RedisError, Value};
use tokio::sync::watch;

use super::directory::key::epoch as epoch_key;
use super::directory::{NodeId, Partition, PartitionPlace, RedisIdentity};
use crate::config::{ClusterSettings, RedisConfig};
use crate::redis_connection::{
    Connector, KeySpace, LastLinks, LinkError, LinkPhase, OutageLog, TimeLimit,
};

mod claims;
mod client;
mod commands;
mod link_events;

pub(crate) use claims::number_key;
pub use client::{RedisClient, read_reply};
pub(super) use link_events::{LinkEvent, LinkOwner};

use claims::ClaimExchange;
use commands::Commands;
use link_events::PushGate;

/// The interval of ticks, which drive local delivery, heartbeats and the end of unused topics.
const TICK: Duration = Duration::from_millis(25);

/// Between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(200);

/// Keeps the link of a node up until it is dropped.
pub(super) struct RedisLink {
    owner: Arc<dyn LinkOwner>,
    node: NodeDescription,
    /// One for each url; the link is made with that of its place.
    connectors: Vec<Connector>,
    url: usize,
    places: watch::Receiver<PartitionPlace>,
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
    /// Which of the Redis has the partition.
    pub(super) places: watch::Receiver<PartitionPlace>,
}

impl RedisLink {
    pub(super) fn new(
        owner: Arc<dyn LinkOwner>,
        node: NodeDescription,
        servers: &[RedisConfig],
        timeout: Duration,
    ) -> Result<Self, LinkError> {
        let prefix = &node.settings.prefix;
        let connectors = servers.iter().map(|redis| Connector::new(redis, prefix));
        let connectors = connectors.collect::<Result<Vec<_>, _>>()?;
        let sharded = Arc::new(KeySpace::of_redis_cluster(prefix));
        let (places, url) = (node.places.clone(), node.places.borrow().url());
        owner.status().leads_to(url, connectors[url].to_string());
        let time_limit = TimeLimit::new(timeout, node.settings.beat_holds());
        let outage_log = OutageLog::default();
        let last_links = LastLinks::default();
        Ok(Self {
            owner,
            node,
            connectors,
            url,
            places,
            sharded,
            time_limit,
            outage_log,
            last_links,
        })
    }

    /// Connects and serves, again and again.
    pub(super) async fn run(mut self) {
        loop {
            self.find_place().await;
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
            if let LinkError::PartitionMoved = error {
                continue;
            }
            let cause = self.connectors[self.url].explain(&error, phase);
            self.owner.status().away(&cause, Instant::now());
            if self.outage_log.admit_failure(&cause, Instant::now()) {
                // Each cause is a kind of line; the outage log bounds how many there are.
                tracing::error!(redis = %self.connectors[self.url], partition, reason = cause, "Redis is away: this node serves its own sockets, and tries again");
            }
            self.pause().await;
        }
    }

    /// Waits until it is known which Redis has the partition, and this node takes part there. Ticks continue.
    async fn find_place(&mut self) {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            let place = self.places.borrow_and_update().clone();
            if place.url() != self.url {
                self.url = place.url();
                let address = self.connectors[self.url].to_string();
                self.owner.status().leads_to(self.url, address);
            }
            match place {
                PartitionPlace::At(_) => return,
                PartitionPlace::Closed { cause: Some(cause), .. } => {
                    self.owner.status().away(&cause, Instant::now());
                    self.owner.link_event(LinkEvent::ConnectFailed);
                }
                PartitionPlace::Closed { cause: None, .. } => {}
            }
            loop {
                tokio::select! {
                    Ok(()) = self.places.changed() => break,
                    _ = ticks.tick() => self.owner.link_event(LinkEvent::Tick),
                }
            }
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
        let left = left(self.places.clone(), self.url);
        tokio::select! {
            error = self.serve(client, gate) => error,
            refused = claims => refused,
            () = left => LinkError::PartitionMoved,
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
        let connector = &mut self.connectors[self.url];
        let (mut connection, server) =
            connector.connect_introduced(&guard, timeout, pushes).await?;
        connector.check(&server)?;
        let NodeDescription { node, partition, settings, app_ids, .. } = &self.node;
        let mut hello = redis::pipe();
        hello.cmd("CLIENT").arg("ID").cmd("INFO").arg("replication");
        let (id, replication): (u64, InfoDict) = match partition.count {
            1 => {
                claims::claim_one(&mut hello, &number_key(&partition.installation));
                let (id, replication, found): (u64, InfoDict, Value) =
                    hello.query_async(&mut connection).await?;
                claims::check_one(&found)?;
                (id, replication)
            }
            // Whether this node takes part there is known before.
            _ => hello.query_async(&mut connection).await?,
        };
        if server.is_cluster() {
            connector.learn_nodes(&mut connection).await;
        }
        let names = server.names(&settings.prefix);
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
        let (address, peer) = (self.connectors[self.url].to_string(), server.peer(&replication));
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
                        let redis = &self.connectors[self.url];
                        tracing::info!(%redis, partition, "connected to Redis");
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

/// Resolves when a partition is no longer at a Redis. Where nothing decides about places, it never is.
async fn left(mut places: watch::Receiver<PartitionPlace>, url: usize) {
    if places.wait_for(|place| *place != PartitionPlace::At(url)).await.is_err() {
        std::future::pending::<()>().await;
    }
}
