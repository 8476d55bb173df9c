//! The link of one input to its Redis, made again whenever it ends.
//!
//! Owns reconnecting, time-outs and the log of an outage. One connection (RESP3) carries commands and messages, so
//! a confirmed subscription precedes the messages of its topic. Which commands are sent and what becomes of a
//! message is left to the owner of the link.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, InfoDict, Pipeline, RedisError, RedisResult, Value};
use tokio::sync::Notify;

use super::push_queue::{InputPush, PushQueue};
use crate::config::RedisConfig;
use crate::metrics::{Condition, InputMetrics, Metrics};
use crate::observation::{Refusal, RefusedPart};
use crate::redis_connection::{
    Connector, KeyNames, LinkError, LinkPhase, LinkStatus, OutageLog, RedisPeer, ServerInfo,
    TimeLimit,
};

/// What messages are counted as that came faster than they could be delivered.
pub(super) const QUEUE_FULL: &str = "queue_full";

/// Between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(200);

/// How often deferred work of the owner is done.
const TICK: Duration = Duration::from_millis(250);

/// After so long without a command, Redis is asked whether it is there.
const IDLE: Duration = Duration::from_secs(5);

/// What a link works for.
pub(super) trait InputLinkOwner: Send + Sync {
    /// Takes the next commands; none if there are none.
    fn take_commands(&self) -> Vec<Cmd>;
    /// Notified when there are commands.
    fn commands_ready(&self) -> &Notify;
    /// Something happened on the link.
    fn link_event(&self, event: InputLinkEvent<'_>);
    /// Resolves once further events may be delivered.
    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// What happens on a link.
pub(super) enum InputLinkEvent<'a> {
    /// An attempt to connect is over.
    Attempted,
    Connected,
    Lost,
    Subscribed {
        topic: &'a str,
    },
    Message {
        topic: &'a str,
        payload: &'a [u8],
    },
    /// Messages were dropped, since they came faster than they could be delivered.
    Dropped(u64),
    /// Time has passed.
    Tick,
}

/// Keeps the link of one input up until it is dropped.
pub(super) struct InputLink {
    owner: Arc<dyn InputLinkOwner>,
    connector: Connector,
    settings: LinkSettings,
    time_limit: TimeLimit,
    outage_log: OutageLog,
}

/// What an input is in logs and metrics, and the bounds of its link.
pub(super) struct LinkSettings {
    /// `laravel_redis[0]`, as the log has it.
    pub(super) section: String,
    pub(super) keys: KeyNames,
    pub(super) timeout: Duration,
    pub(super) queue_bytes: usize,
    pub(super) counts: InputMetrics,
    pub(super) metrics: Arc<Metrics>,
    pub(super) status: Arc<LinkStatus>,
}

impl InputLink {
    /// `prefix` is what its topics begin with.
    pub(super) fn new(
        owner: Arc<dyn InputLinkOwner>,
        redis: &RedisConfig,
        prefix: &str,
        settings: LinkSettings,
    ) -> Result<Self, RedisError> {
        let connector = Connector::named(redis, prefix, settings.keys)?;
        // A time-out doubles at most once: a socket that joins waits for it.
        let time_limit = TimeLimit::new(settings.timeout, 2 * settings.timeout);
        settings.metrics.process.condition.raise(Condition::RedisInputAway);
        settings.status.leads_to(0, connector.to_string());
        Ok(Self { owner, connector, settings, time_limit, outage_log: OutageLog::default() })
    }

    /// Connects and serves, again and again.
    pub(super) async fn run(mut self) {
        let LinkSettings { counts, metrics, queue_bytes, section, status, .. } = &self.settings;
        let conditions = &metrics.process.condition;
        loop {
            let pushes = Arc::new(PushQueue::new(*queue_bytes));
            let connected =
                introduce(&mut self.connector, self.time_limit.current(), &pushes).await;
            let (error, phase) = match connected {
                Ok((connection, peer)) => {
                    status.connected(self.connector.to_string(), peer, Instant::now());
                    self.owner.link_event(InputLinkEvent::Connected);
                    self.owner.link_event(InputLinkEvent::Attempted);
                    conditions.clear(Condition::RedisInputAway);
                    counts.links.inc();
                    if self.outage_log.admit_recovery() {
                        tracing::info!(input = section, redis = %self.connector, "connected to Redis: what is published there is delivered");
                    }
                    let since = Instant::now();
                    let error = serve(&*self.owner, connection, &pushes).await;
                    deliver_rest(&*self.owner, &pushes);
                    self.owner.link_event(InputLinkEvent::Lost);
                    conditions.raise(Condition::RedisInputAway);
                    counts.links.dec();
                    counts.links_lost.inc();
                    self.time_limit.link_ended(error.is_timeout(), since.elapsed());
                    (error, LinkPhase::Serving)
                }
                Err(error) => {
                    self.owner.link_event(InputLinkEvent::Attempted);
                    (error, LinkPhase::Connecting)
                }
            };
            let cause = of_section(&self.connector.explain(&error, phase), section);
            status.away(&cause, Instant::now());
            if self.outage_log.admit_failure(&cause, Instant::now()) {
                tracing::error!(input = section, redis = %self.connector, reason = cause, "Redis is away: what is published there is not delivered until it is back");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// A connection to a Redis that can be used. Unlike for a cluster, a node of a Redis Cluster can be, since each
/// gets what is published on any of them.
async fn introduce(
    connector: &mut Connector,
    timeout: Duration,
    pushes: &Arc<PushQueue>,
) -> Result<(MultiplexedConnection, Option<RedisPeer>), LinkError> {
    let pushes = pushes.clone();
    let sender = move |push| {
        pushes.push(push);
        Ok(())
    };
    let mut connection = connector.connect(timeout, sender).await?;
    let mut ask = redis::cmd("INFO");
    let info: RedisResult<InfoDict> = ask.arg("server").query_async(&mut connection).await;
    let peer = match info {
        Ok(info) => {
            let server = ServerInfo::new(info);
            if server.is_sentinel() {
                return Err(LinkError::IsSentinel);
            }
            connector.check_seeds(&server)?;
            let mut ask = redis::cmd("INFO");
            let replication: RedisResult<InfoDict> =
                ask.arg("replication").query_async(&mut connection).await;
            replication.ok().map(|replication| server.peer(&replication))
        }
        // An ACL may forbid it.
        Err(error) if error.code() == Some("NOPERM") => None,
        Err(error) => return Err(error.into()),
    };
    Ok((connection, peer))
}

/// Serves until the link breaks; returns why.
async fn serve(
    owner: &dyn InputLinkOwner,
    connection: MultiplexedConnection,
    pushes: &PushQueue,
) -> LinkError {
    tokio::select! {
        error = send_commands(owner, connection) => error,
        () = deliver(owner, pushes) => LinkError::Redis(closed()),
        never = tick(owner) => match never {},
    }
}

async fn tick(owner: &dyn InputLinkOwner) -> Infallible {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        owner.link_event(InputLinkEvent::Tick);
    }
}

/// Sends what the owner has, one batch at a time. A Redis that does not answer in time ends the link.
async fn send_commands(
    owner: &dyn InputLinkOwner,
    mut connection: MultiplexedConnection,
) -> LinkError {
    loop {
        let mut commands = owner.take_commands();
        if commands.is_empty() {
            let ready = owner.commands_ready().notified();
            if tokio::time::timeout(IDLE, ready).await.is_ok() {
                continue;
            }
            commands.push(redis::cmd("PING"));
        }
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command);
        }
        let sent: RedisResult<Vec<Value>> = pipeline.query_async(&mut connection).await;
        if let Err(error) = sent {
            return error.into();
        }
    }
}

/// Passes on what is pushed, in order, until the connection ends.
async fn deliver(owner: &dyn InputLinkOwner, pushes: &PushQueue) {
    loop {
        pushes.filled().await;
        owner.ready().await;
        if pass_on(owner, pushes) {
            return;
        }
    }
}

/// What arrived before the end of a link.
fn deliver_rest(owner: &dyn InputLinkOwner, pushes: &PushQueue) {
    pass_on(owner, pushes);
}

/// Passes on everything that waits; true at the end of the connection.
fn pass_on(owner: &dyn InputLinkOwner, pushes: &PushQueue) -> bool {
    let taken = pushes.take();
    let dropped = pushes.take_dropped();
    let mut is_gone = false;
    for push in taken {
        match push {
            InputPush::Message { topic, payload } => {
                owner.link_event(InputLinkEvent::Message { topic: &topic, payload: &payload });
            }
            InputPush::Subscribed(topic) => {
                owner.link_event(InputLinkEvent::Subscribed { topic: &topic })
            }
            InputPush::Gone => is_gone = true,
        }
    }
    if dropped > 0 {
        owner.link_event(InputLinkEvent::Dropped(dropped));
    }
    is_gone
}

/// The texts of failures name the keys of `[cluster]`; those of an input have the same names.
fn of_section(text: &str, section: &str) -> String {
    const KEYS: [&str; 8] =
        ["url", "host", "port", "username", "password", "ca_file", "timeout_ms", "sentinel_"];
    KEYS.iter().fold(text.to_owned(), |text, key| {
        text.replace(&format!("cluster.{key}"), &format!("{section}.{key}"))
    })
}

/// What those who look at the node are shown of messages that were dropped.
pub(super) fn dropped_messages(count: u64) -> Refusal {
    let text = format!(
        "{count} messages of Redis came faster than they could be delivered and were dropped: raise queue_bytes of the input, or use more nodes"
    );
    Refusal::new(RefusedPart::Input, &text).with_reason(Some(QUEUE_FULL))
}

fn closed() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()
}
