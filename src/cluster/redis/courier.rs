//! One connection with no node behind it: carries requests as a node's link does, and keeps what is
//! heard. Lets a test hold the directory's scripts against what they are meant to do.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo, Value};

use super::address::Source;
use super::commands::{self, Commands};
use super::scripts::Scripts;
use super::{Broken, Heard, replies};
use crate::cluster::{NodeId, Reply, Request, Settings};
use crate::config::RedisConfig;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that speaks for one node.
pub struct Courier {
    connection: MultiplexedConnection,
    commands: Commands,
    scripts: Scripts,
    heard: Arc<Mutex<Vec<(String, Vec<u8>)>>>,
}

impl Courier {
    /// Connects, and makes the scripts known.
    pub async fn connect(
        redis: &RedisConfig,
        node: NodeId,
        settings: Settings,
        app_ids: Vec<String>,
    ) -> Result<Self, Broken> {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let keep = heard.clone();
        let hear = move |push: PushInfo| {
            if let Heard::Message { topic, payload } = Heard::read(&push) {
                keep.lock().push((topic.to_owned(), payload.to_vec()));
            }
            Ok::<(), ()>(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_push_sender(hear);
        let mut connection = Source::new(redis)?.connect(&config).await?;
        let scripts = Scripts::load(&mut connection).await?;
        let commands = Commands::new(node, settings, app_ids);
        Ok(Self { connection, commands, scripts, heard })
    }

    /// Carries a batch; its answers, in order.
    pub async fn carry(&mut self, batch: &[Request]) -> Result<Vec<Reply>, Broken> {
        let pipeline = self.commands.pipeline(batch, &self.scripts);
        let answers: Vec<Value> = pipeline.query_async(&mut self.connection).await?;
        let read = |(request, answer): (&Request, Value)| {
            replies::read(request, answer).ok_or(Broken::Answer(commands::name(request)))
        };
        batch.iter().zip(answers).map(read).collect()
    }

    /// Topic and payload of every message since the last time. What was published before an answer
    /// is there when the answer to the request behind it is.
    pub fn take_heard(&self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut *self.heard.lock())
    }
}
