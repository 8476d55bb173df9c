//! One connection: sends batches of requests to Redis and reads the replies.
//!
//! Uses neither the link nor the core, so that a test can compare the directory's scripts with a model.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, PushInfo, RedisError, Value};
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
        let pipeline = self.commands.pipeline(batch, &self.scripts);
        let answers: Vec<Value> = pipeline.query_async(&mut self.connection).await?;
        let read = |(request, answer): (&Request, Value)| {
            read_reply(request, answer).ok_or(LinkError::Answer(request.name()))
        };
        batch.iter().zip(answers).map(read).collect()
    }
}

/// A reply as the nodes read it; `None` for a form that answers no request. A test gives it any reply.
pub fn read_reply(request: &Request, reply: Value) -> Option<Reply> {
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
            // Anything that reaches the Redis can have written the numbers.
            let of_nodes: Vec<u32> = plain(reply)?;
            QueryAnswer::Connections(of_nodes.into_iter().fold(0, u32::saturating_add))
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

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::{DirectoryQuery, QueryAnswer, Reply, Request, read_reply};

    #[test]
    fn connections_of_nodes_that_are_too_many_for_a_number_are_the_largest() {
        let request = Request::Query(DirectoryQuery::Connections("1".to_owned()));
        for (counts, sum) in [(vec![2, 3], 5), (vec![i64::from(u32::MAX), 1], u32::MAX)] {
            let reply = Value::Array(counts.into_iter().map(Value::Int).collect());
            let answer = Some(Reply::Answer(QueryAnswer::Connections(sum)));
            assert_eq!(read_reply(&request, reply), answer);
        }
    }
}
