//! One connection: carries batches of requests to Redis and brings their answers.
//!
//! Knows no node and no core, so that a test can hold the directory's scripts against what they are
//! meant to do.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, RedisError, Value};

use super::commands::{self, Commands};
use super::replies;
use super::scripts::Scripts;
use crate::cluster::directory::NodeId;
use crate::cluster::directory::reply::Reply;
use crate::cluster::directory::request::Request;
use crate::config::{ClusterSettings, RedisConfig};
use crate::redis_connection::{Connector, LinkError};

/// A connection that speaks for one node.
pub struct RedisClient {
    connection: MultiplexedConnection,
    commands: Arc<Commands>,
    scripts: Scripts,
}

impl RedisClient {
    /// Makes the scripts known over a connection.
    pub(super) async fn new(
        mut connection: MultiplexedConnection,
        commands: Arc<Commands>,
        settings: &ClusterSettings,
    ) -> Result<Self, RedisError> {
        let scripts = Scripts::load(&mut connection, settings).await?;
        Ok(Self { connection, commands, scripts })
    }

    /// Connects as a node would. `hear` is given topic and payload of every message: what was
    /// published before an answer is heard before the answer to the request behind it.
    pub async fn connect(
        redis: &RedisConfig,
        (node, settings): (NodeId, ClusterSettings),
        app_ids: Vec<String>,
        timeout: Duration,
        hear: impl Fn(&str, &[u8]) + Send + Sync + 'static,
    ) -> Result<Self, LinkError> {
        let hear = move |push: PushInfo| {
            if let Push::Message { topic, payload } = Push::read(&push) {
                hear(topic, payload);
            }
            Ok::<(), ()>(())
        };
        let connection = Connector::new(redis)?.connect(timeout, hear).await?;
        let commands = Arc::new(Commands::new(node, &settings.prefix, app_ids));
        Ok(Self::new(connection, commands, &settings).await?)
    }

    /// The connection, for what is asked beside the batches.
    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    /// Sends a batch and returns the replies in order.
    pub async fn send_batch(&mut self, batch: &[Request]) -> Result<Vec<Reply>, LinkError> {
        let pipeline = self.commands.pipeline(batch, &self.scripts);
        let answers: Vec<Value> = pipeline.query_async(&mut self.connection).await?;
        let read = |(request, answer): (&Request, Value)| {
            replies::read(request, answer).ok_or(LinkError::Answer(commands::name(request)))
        };
        batch.iter().zip(answers).map(read).collect()
    }
}

/// A message that Redis pushes over the connection, reduced to what the cluster uses.
pub(super) enum Push<'a> {
    Message { topic: &'a str, payload: &'a [u8] },
    Subscribed { topic: &'a str },
    Gone,
    Other,
}

impl<'a> Push<'a> {
    pub(super) fn read(push: &'a PushInfo) -> Self {
        let text = |at: usize| match push.data.get(at) {
            Some(Value::BulkString(bytes)) => Some(&**bytes),
            Some(Value::SimpleString(text)) => Some(text.as_bytes()),
            _ => None,
        };
        let topic = text(0).and_then(|topic| std::str::from_utf8(topic).ok());
        match (&push.kind, topic, text(1)) {
            (PushKind::Message, Some(topic), Some(payload)) => Self::Message { topic, payload },
            (PushKind::Subscribe, Some(topic), _) => Self::Subscribed { topic },
            (PushKind::Disconnection, ..) => Self::Gone,
            _ => Self::Other,
        }
    }
}
