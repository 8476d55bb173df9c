//! The link to Redis: one connection that carries everything, kept up for as long as the node lives.
//!
//! Owns connecting again, batches and time-outs. One connection (RESP3) carries requests, their
//! answers and what is heard on topics, so that all of it has one order. Knows no channels: what is
//! to be said comes from the [`Core`](super::Core), what is heard goes to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{InfoDict, PushInfo, RedisError, Value};

use super::Cluster;
use super::directory::{NodeId, RedisIdentity};
use crate::config::RedisConfig;
use crate::redis_connection::{Connector, LinkError, LinkPhase, OutageLog, ServerInfo, TimeLimit};

mod claims;
mod client;
mod commands;
mod replies;
mod scripts;

pub(super) use client::Push;
pub use client::RedisClient;

use commands::Commands;

/// The interval of ticks, which drive local delivery, heartbeats and the end of unused topics.
const TICK: Duration = Duration::from_millis(25);

/// Between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(200);

/// Keeps the link of a node up until it is dropped.
pub(super) struct RedisLink {
    cluster: Arc<Cluster>,
    connector: Connector,
    commands: Arc<Commands>,
    time_limit: TimeLimit,
    outage_log: OutageLog,
    /// The Redis process of the last link, and the link's number there.
    last: Option<(String, u64)>,
}

impl RedisLink {
    pub(super) fn new(
        cluster: Arc<Cluster>,
        redis: &RedisConfig,
        timeout: Duration,
    ) -> Result<Self, LinkError> {
        let connector = Connector::new(redis)?;
        let (prefix, app_ids) = (&cluster.settings.prefix, cluster.app_ids.clone());
        let commands = Arc::new(Commands::new(cluster.node, prefix, app_ids));
        let time_limit = TimeLimit::new(timeout, cluster.settings.beat_holds());
        let outage_log = OutageLog::default();
        Ok(Self { cluster, connector, commands, time_limit, outage_log, last: None })
    }

    /// Connects, serves, and begins again, for ever.
    pub(super) async fn run(mut self) {
        loop {
            // Whatever a link that is given up still brings is not listened to.
            let (cluster, generation) = (self.cluster.clone(), self.cluster.next_link());
            let hear = move |push: PushInfo| {
                cluster.hear(generation, &push);
                Ok::<(), ()>(())
            };
            let (broken, phase) = match self.connect(hear).await {
                Ok((client, identity)) => {
                    self.cluster.connected(identity);
                    let since = Instant::now();
                    let cluster = self.cluster.clone();
                    let claims = claims::keep(&cluster, client.connection());
                    let broken = tokio::select! {
                        broken = self.serve(client) => broken,
                        never = claims => match never {},
                    };
                    self.cluster.disconnected();
                    self.time_limit.link_ended(broken.is_timeout(), since.elapsed());
                    (broken, LinkPhase::Serving)
                }
                Err(broken) => {
                    self.cluster.failed();
                    (broken, LinkPhase::Connecting)
                }
            };
            let cause = self.connector.explain(&broken, phase);
            if self.outage_log.admit_failure(&cause, Instant::now()) {
                tracing::error!(redis = %self.connector, %cause, "Redis is away: this node serves its own sockets, and tries again");
            }
            self.pause().await;
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
                _ = ticks.tick() => self.cluster.tick(),
            }
        }
    }

    async fn connect(
        &mut self,
        hear: impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
    ) -> Result<(RedisClient, RedisIdentity), LinkError> {
        let cluster = self.cluster.clone();
        let connect = self.introduce(hear);
        tokio::pin!(connect);
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                connected = &mut connect => return connected,
                _ = ticks.tick() => cluster.tick(),
            }
        }
    }

    /// A connection, and the Redis at its end.
    async fn introduce(
        &mut self,
        hear: impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
    ) -> Result<(RedisClient, RedisIdentity), LinkError> {
        let mut connection = self.connector.connect(self.time_limit.current(), hear).await?;
        let mut hello = redis::pipe();
        hello.cmd("INFO").arg("server").cmd("CLIENT").arg("ID");
        let (info, id): (InfoDict, u64) = hello.query_async(&mut connection).await?;
        let server = ServerInfo::new(info);
        server.check()?;
        let run = server.run();
        // What the last link still has under way must not be carried out after what this one says:
        // a state says everything, and an old one would undo a new one.
        if let Some((_, last)) = self.last.take().filter(|(before, _)| *before == run) {
            let mut kill = redis::cmd("CLIENT");
            kill.arg("KILL").arg("ID").arg(last);
            let killed: Result<Value, RedisError> = kill.query_async(&mut connection).await;
            // An ACL may forbid it; a connection that is broken says so with the next command.
            killed.err().into_iter().for_each(|error| {
                tracing::debug!(%error, "the last connection to Redis could not be closed");
            });
        }
        self.last = Some((run.clone(), id));
        let epoch = self.epoch(&mut connection).await?;
        let client =
            RedisClient::new(connection, self.commands.clone(), &self.cluster.settings).await?;
        Ok((client, RedisIdentity { run, epoch }))
    }

    /// Which data is there: what the first node that found none has drawn.
    async fn epoch(&self, connection: &mut MultiplexedConnection) -> Result<String, RedisError> {
        let key = commands::epoch(self.cluster.prefix());
        let mut ask = redis::pipe();
        ask.cmd("SET").arg(&key).arg(NodeId::random().to_string()).arg("NX").ignore();
        ask.cmd("GET").arg(&key);
        let (epoch,): (String,) = ask.query_async(connection).await?;
        Ok(epoch)
    }

    /// Carries batch after batch until something breaks. One is under way at a time: what comes
    /// meanwhile goes with the next. The link counts as up for the log when it has carried one: a Redis
    /// that cannot be written to takes connections, too.
    async fn serve(&mut self, mut client: RedisClient) -> LinkError {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            let batch = self.cluster.requests();
            if batch.is_empty() {
                tokio::select! {
                    () = self.cluster.has_requests() => {}
                    _ = ticks.tick() => self.cluster.tick(),
                }
                if self.cluster.is_broken() {
                    return LinkError::Redis(closed());
                }
                continue;
            }
            let answers = client.send_batch(&batch);
            tokio::pin!(answers);
            let answers = loop {
                tokio::select! {
                    answers = &mut answers => break answers,
                    _ = ticks.tick() => self.cluster.tick(),
                }
            };
            match answers {
                Ok(answers) => {
                    if self.outage_log.admit_recovery() {
                        tracing::info!(redis = %self.connector, "connected to Redis");
                    }
                    answers.into_iter().for_each(|reply| self.cluster.replied(reply));
                }
                Err(broken) => return broken,
            }
        }
    }
}

fn closed() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()
}
