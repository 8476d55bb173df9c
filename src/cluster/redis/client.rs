//! One connection: sends batches of requests to Redis and reads the replies. Subscriptions that stand beside each other are
//! one command, so that ten thousand channels after a failover are some eighty.
//!
//! Uses neither the link nor the core, so that a test can compare the directory's scripts with a model.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, PushInfo, RedisError, Value};
use serde::de::DeserializeOwned;

use super::commands::{Commands, Scripts};
use super::link_events::Push;
use crate::cluster::directory::message::StoredMember;
use crate::cluster::directory::reply::{PublishReply, QueryAnswer, Reply};
use crate::cluster::directory::request::{DirectoryQuery, Request};
use crate::cluster::directory::{NodeId, unpack};
use crate::config::{ClusterSettings, RedisConfig};
use crate::redis_connection::{Connector, KeySpace, LinkError};

/// A connection that belongs to one node.
pub struct RedisClient {
    connection: MultiplexedConnection,
    commands: Arc<Commands>,
    scripts: Scripts,
}

impl RedisClient {
    /// Loads the scripts over a connection.
    pub(super) async fn new(
        mut connection: MultiplexedConnection,
        commands: Arc<Commands>,
        settings: &ClusterSettings,
    ) -> Result<Self, RedisError> {
        let publish_word = commands.names().words().publish;
        let scripts = Scripts::load(&mut connection, settings, publish_word).await?;
        Ok(Self { connection, commands, scripts })
    }

    /// Connects as a node would. `receive` gets topic and payload of every message; those that were published before
    /// a request was executed come before its reply.
    pub async fn connect(
        redis: &RedisConfig,
        (node, settings): (NodeId, ClusterSettings),
        app_ids: Vec<String>,
        timeout: Duration,
        receive: impl Fn(&str, &[u8]) + Send + Sync + 'static,
    ) -> Result<Self, LinkError> {
        let sharded = KeySpace::of_redis_cluster(&settings.prefix);
        let (guard, receive) = (sharded.guard(), Arc::new(receive));
        let pushes = || {
            let (sharded, receive) = (sharded.clone(), receive.clone());
            move |push: PushInfo| {
                if let Push::Message { topic, payload } = Push::read(&push, &sharded) {
                    receive(&topic, payload);
                }
                Ok::<(), ()>(())
            }
        };
        let mut connector = Connector::new(redis, &settings.prefix)?;
        let (connection, server) = connector.connect_introduced(&guard, timeout, pushes).await?;
        let names = server.names(&settings.prefix);
        let app_ids = Arc::new(ArcSwap::from_pointee(app_ids));
        let commands = Arc::new(Commands::new(node, names, app_ids));
        Ok(Self::new(connection, commands, &settings).await?)
    }

    /// What the names of keys and topics are there.
    pub(super) fn names(&self) -> &KeySpace {
        self.commands.names()
    }

    /// The connection, for requests beside the batches.
    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    /// Sends a batch and returns the replies in order.
    pub async fn send_batch(&mut self, batch: &[Request]) -> Result<Vec<Reply>, LinkError> {
        let answers = match &segments(batch)[..] {
            [_] => self.send_pipeline(batch).await?,
            segments => {
                // Each is written behind the one before it; the first failure counts.
                let sent = segments.iter().map(|segment| self.send_segment(segment));
                futures_util::future::try_join_all(sent).await?.concat()
            }
        };
        let read = |(request, answer): (&Request, Value)| {
            read_reply(request, answer).ok_or(LinkError::Answer(request.name()))
        };
        batch.iter().zip(answers).map(read).collect()
    }
}

impl RedisClient {
    async fn send_pipeline(&self, batch: &[Request]) -> Result<Vec<Value>, LinkError> {
        let pipeline = self.commands.pipeline(batch, &self.scripts);
        Ok(pipeline.query_async(&mut self.connection.clone()).await?)
    }

    async fn send_segment(&self, segment: &Segment<'_>) -> Result<Vec<Value>, LinkError> {
        let batch = match segment {
            Segment::Pipeline(batch) => return self.send_pipeline(batch).await,
            Segment::Subscriptions(batch) => batch,
        };
        let mut pipeline = redis::pipe();
        pipeline.add_command(subscribe(batch, self.names()));
        // Redis confirms each topic, or refuses all of them with one answer, and then those to the requests behind
        // them fill this list.
        let mut connection = self.connection.clone();
        let answers = connection.send_packed_commands(&pipeline, 0, batch.len()).await?;
        let refusal = answers.iter().find_map(|answer| match answer {
            Value::ServerError(error) => Some(error.clone()),
            _ => None,
        });
        match refusal {
            Some(error) => Err(LinkError::Redis(error.into())),
            None => Ok(answers),
        }
    }
}

/// A reply as the nodes read it; `None` for a form that answers no request.
fn read_reply(request: &Request, reply: Value) -> Option<Reply> {
    Some(match request {
        Request::Subscribe(_) | Request::Unsubscribe(_) | Request::Broadcast(_) => Reply::Done,
        Request::State(_) | Request::Cache { .. } | Request::Send { .. } => Reply::Done,
        Request::Publish(_) => {
            let number: i64 = plain(reply)?;
            let (number, is_occupied) = (number.unsigned_abs(), number > 0);
            Reply::Published(PublishReply { number, is_occupied })
        }
        Request::Heartbeat { .. } => Reply::Heartbeat(packed(reply)?),
        Request::Reap { .. } => Reply::Reaped(u64::try_from(plain::<i64>(reply)?).ok()),
        Request::ListChannels => {
            // A record that cannot be read was written by another program, and is left out.
            let records: Vec<Vec<u8>> = plain(reply)?;
            Reply::Channels(records.iter().filter_map(|record| unpack(record)).collect())
        }
        Request::Connections { .. } => Reply::Connections(packed(reply)?),
        Request::Query(query) => Reply::Answer(answer(query, reply)?),
    })
}

fn answer(query: &DirectoryQuery, reply: Value) -> Option<QueryAnswer> {
    Some(match query {
        DirectoryQuery::Channel(_) => QueryAnswer::Channel(packed(reply)?),
        DirectoryQuery::Occupied { .. } => QueryAnswer::Occupied(packed(reply)?),
        DirectoryQuery::Members(_) => {
            let stored: Vec<(Vec<u8>, Vec<u8>)> = plain(reply)?;
            let member = |(user_id, value): (Vec<u8>, Vec<u8>)| {
                let StoredMember { arrival, .. } = unpack(&value)?;
                Some((arrival, String::from_utf8(user_id).ok()?))
            };
            let mut members: Vec<(u64, String)> = stored.into_iter().filter_map(member).collect();
            members.sort_unstable();
            QueryAnswer::Members(members.into_iter().map(|(_, user_id)| user_id).collect())
        }
        DirectoryQuery::Connections(_) => {
            QueryAnswer::Connections(plain::<Vec<u32>>(reply)?.into_iter().sum())
        }
        DirectoryQuery::Names { .. } => QueryAnswer::Names(plain(reply)?),
        DirectoryQuery::Leases => QueryAnswer::Leases(packed(reply)?),
    })
}

fn plain<T: FromRedisValue>(reply: Value) -> Option<T> {
    redis::from_redis_value(reply).ok()
}

fn packed<T: DeserializeOwned>(reply: Value) -> Option<T> {
    unpack(&plain::<Vec<u8>>(reply)?)
}

/// Topics of one command: with names of 200 bytes a reply of 32 KB.
const TOPICS_MAX: usize = 128;

/// A part of a batch that is written on its own.
#[derive(Debug)]
enum Segment<'a> {
    /// Each request is a command.
    Pipeline(&'a [Request]),
    /// All are one command.
    Subscriptions(&'a [Request]),
}

/// The parts of a batch, in order. A refused command has one answer in place of one for each topic, so as many other
/// requests have to be behind it: their answers end the wait.
fn segments(batch: &[Request]) -> Vec<Segment<'_>> {
    let is_subscription = |it: &Request| matches!(it, Request::Subscribe(_));
    let (mut segments, mut first, mut at) = (Vec::new(), 0, 0);
    while at < batch.len() {
        let run = batch[at..].iter().take_while(|it| is_subscription(it)).count();
        let others = batch[at + run..].iter().filter(|it| !is_subscription(it)).count();
        if run < 2 || others < run {
            at += run.max(1);
            continue;
        }
        if first < at {
            segments.push(Segment::Pipeline(&batch[first..at]));
        }
        segments.extend(batch[at..at + run].chunks(TOPICS_MAX).map(Segment::Subscriptions));
        at += run;
        first = at;
    }
    if first < batch.len() {
        segments.push(Segment::Pipeline(&batch[first..]));
    }
    segments
}

/// One command for these subscriptions, whose topics are in one slot.
fn subscribe(batch: &[Request], names: &KeySpace) -> Cmd {
    let mut cmd = redis::cmd(names.words().subscribe);
    for request in batch {
        if let Request::Subscribe(topic) = request {
            cmd.arg(&*names.stored(topic));
        }
    }
    cmd
}

#[cfg(test)]
mod tests {
    use super::{KeySpace, Request, Segment, TOPICS_MAX, segments, subscribe};

    fn batch(kinds: &str) -> Vec<Request> {
        let request = |(at, kind)| match kind {
            's' => Request::Subscribe(format!("t{at}").into()),
            _ => Request::ListChannels,
        };
        kinds.chars().enumerate().map(request).collect()
    }

    fn shapes(batch: &[Request]) -> Vec<(bool, usize)> {
        let shape = |segment| match segment {
            Segment::Pipeline(requests) => (false, requests.len()),
            Segment::Subscriptions(requests) => (true, requests.len()),
        };
        segments(batch).into_iter().map(shape).collect()
    }

    #[test]
    fn subscriptions_beside_each_other_are_one_command() {
        assert_eq!(shapes(&batch("lsl")), [(false, 3)], "one alone");
        assert_eq!(shapes(&batch("lsssllll")), [(false, 1), (true, 3), (false, 4)]);
        assert_eq!(shapes(&batch("ssllssll")), [(true, 2), (false, 2), (true, 2), (false, 2)]);
        assert_eq!(shapes(&batch("sssl")), [(false, 4)], "too few answers behind it");
        let cmd = subscribe(&batch("ss"), &KeySpace::of_redis_cluster("r"));
        let packed = String::from_utf8(cmd.get_packed_command()).unwrap();
        assert_eq!(packed, "*3\r\n$10\r\nSSUBSCRIBE\r\n$2\r\nt0\r\n$2\r\nt1\r\n");
    }

    #[test]
    fn a_command_has_a_bounded_number_of_topics() {
        let many = TOPICS_MAX + 2;
        let kinds = "s".repeat(many) + &"l".repeat(many);
        assert_eq!(shapes(&batch(&kinds)), [(true, TOPICS_MAX), (true, 2), (false, many)]);
    }
}
