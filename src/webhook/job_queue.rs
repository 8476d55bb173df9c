//! The jobs of one endpoint on their way into a queue of Laravel, over a connection of its own.
//!
//! Owns the connection and the one step that appends a batch. A batch whose answer was lost is sent again and
//! appended once: each has a number, and the script keeps the highest number that it has appended beside
//! the queue. What a job contains is left to `job`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::distr::{Alphanumeric, SampleString};
use redis::RedisError;
use redis::aio::MultiplexedConnection;

use super::failure::CallFailure;
use super::job::{JobIdentity, job};
use crate::app::LaravelQueue;
use crate::channel_rules::WebhookEvent;
use crate::config::WebhooksConfig;
use crate::metrics::CallResult;
use crate::redis_connection::{Connector, KeyNames, LinkError, LinkPhase};

/// Appends jobs and, for workers that block until there is one, as many signs: what Laravel's own script does for
/// one job. The mark is set first, so that a user who may not set it appends nothing, and taken back if nothing
/// was appended. Returns how many jobs wait; 0 for a batch that was appended before.
const PUSH: &str = r"
local before = redis.call('GET', KEYS[3])
if before and tonumber(before) >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[3], ARGV[1], 'EX', ARGV[2])
local jobs, signs = {}, {}
for at = 3, #ARGV do
    jobs[#jobs + 1] = ARGV[at]
    signs[#signs + 1] = 1
end
local waiting = redis.pcall('RPUSH', KEYS[1], unpack(jobs))
if type(waiting) == 'table' then
    redis.call('SET', KEYS[3], before or 0, 'EX', ARGV[2])
    return waiting
end
redis.pcall('RPUSH', KEYS[2], unpack(signs))
return waiting
";

/// How much longer than a batch is retried its number is kept.
const MARK_MARGIN: Duration = Duration::from_secs(60);

/// Jobs that no worker takes, from which the log asks for one.
const MANY_JOBS: u64 = 1000;

/// The queue of one endpoint.
pub(super) struct JobQueue {
    app_id: String,
    queue: LaravelQueue,
    connector: Connector,
    /// `None` until the first batch, and after a failure.
    connection: Option<MultiplexedConnection>,
    keys: [String; 3],
    /// The number of the last batch.
    batches: u64,
    timeout: Duration,
    mark_seconds: u64,
    has_pushed: bool,
    /// The log has asked for a worker.
    is_long: bool,
}

/// The jobs of one step.
#[derive(Debug)]
pub(super) struct JobBatch {
    number: u64,
    jobs: Vec<String>,
}

impl JobBatch {
    pub(super) fn bytes(&self) -> usize {
        self.jobs.iter().map(String::len).sum()
    }
}

impl JobQueue {
    /// Prepares the connection; opens none.
    pub(super) fn new(
        app_id: &str,
        queue: &LaravelQueue,
        limits: WebhooksConfig,
    ) -> Result<Self, RedisError> {
        let key = queue.key();
        let sender = Alphanumeric.sample_string(&mut rand::rng(), 16);
        let keys = [key.clone(), format!("{key}:notify"), format!("{key}:resound:{sender}")];
        Ok(Self {
            app_id: app_id.to_owned(),
            queue: queue.clone(),
            connector: Connector::named(&queue.redis, &key, KeyNames::Url)?,
            connection: None,
            keys,
            batches: 0,
            timeout: limits.request_timeout,
            mark_seconds: (limits.retry_for + limits.request_timeout + MARK_MARGIN).as_secs(),
            has_pushed: false,
            is_long: false,
        })
    }

    /// One job for each event, so that Laravel retries each by itself.
    pub(super) fn batch(&mut self, events: &[WebhookEvent]) -> JobBatch {
        self.batches += 1;
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let one = |event| {
            let id = Alphanumeric.sample_string(&mut rand::rng(), 32);
            let identity = JobIdentity { uuid: rand::random(), id, created };
            job(&self.queue, &self.app_id, event, identity)
        };
        JobBatch { number: self.batches, jobs: events.iter().map(one).collect() }
    }

    /// Gives a batch that was given up the next number: those behind it may have been appended meanwhile, and the
    /// script takes no lower one. The jobs stay, with their ids.
    pub(super) fn renumber(&mut self, batch: &mut JobBatch) {
        self.batches += 1;
        batch.number = self.batches;
    }

    /// Appends a batch, once, however often it is called with it.
    pub(super) async fn push(&mut self, batch: &JobBatch) -> Result<(), CallFailure> {
        if let Some(connection) = self.connection.take() {
            match self.push_over(connection, batch).await {
                // Redis closes connections that are idle for long, and at its restart: no failure yet.
                Err(error) if error.is_connection_dropped() && !error.is_timeout() => {}
                pushed => return pushed.map_err(|error| self.failure(&error.into())),
            }
        }
        // In a Redis Cluster the node that has the queue; braces in its name make it one for all three keys.
        let connecting =
            self.connector.connect_to_owner(&self.keys[0], self.timeout, || |_| Ok(()));
        match connecting.await {
            Ok(connection) => {
                let pushed = self.push_over(connection, batch).await;
                pushed.map_err(|error| self.failure(&error.into()))
            }
            Err(error) => Err(self.failure(&error)),
        }
    }

    /// Keeps the connection if Redis appended the batch.
    async fn push_over(
        &mut self,
        mut connection: MultiplexedConnection,
        batch: &JobBatch,
    ) -> Result<(), RedisError> {
        let mut push = redis::cmd("EVAL");
        push.arg(PUSH).arg(self.keys.len()).arg(&self.keys);
        push.arg(batch.number).arg(self.mark_seconds).arg(&batch.jobs);
        let waiting: u64 = push.query_async(&mut connection).await?;
        self.connection = Some(connection);
        self.report(waiting);
        Ok(())
    }

    fn report(&mut self, waiting: u64) {
        let (app, url, key) = (&self.app_id, self.queue.to_string(), &self.keys[0]);
        if !std::mem::replace(&mut self.has_pushed, true) {
            tracing::info!(app, url, key, "webhook events become jobs in Laravel's queue");
        }
        if waiting >= MANY_JOBS && !self.is_long {
            self.is_long = true;
            tracing::warn!(
                app,
                url,
                key,
                waiting,
                "jobs wait in Laravel's queue: run queue:work for it; if workers run, compare the prefix in the url with the application's REDIS_PREFIX"
            );
        }
        self.is_long &= waiting >= MANY_JOBS / 2;
    }

    fn failure(&self, error: &LinkError) -> CallFailure {
        let result = match error {
            error if error.is_timeout() => CallResult::TimedOut,
            LinkError::Redis(error) if is_answer(error) => CallResult::Refused,
            _ => CallResult::NoAnswer,
        };
        CallFailure { result, cause: self.connector.explain(error, LinkPhase::Connecting) }
    }
}

/// Whether Redis refused the command.
fn is_answer(error: &RedisError) -> bool {
    error.code().is_some()
}
