//! A queue of Laravel in Redis, and the job that its workers are to run.

use std::fmt;

use super::redis_server::{RedisAddress, RedisConfig};

/// Where jobs go, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaravelQueue {
    /// The Redis of the application.
    pub redis: RedisConfig,
    /// What the application's client puts before each key (`REDIS_PREFIX`); may be empty.
    pub prefix: String,
    /// The name of the queue, without `queues:`.
    pub queue: String,
    /// The class and the method that a worker calls, `Class@method`.
    pub job: String,
    /// How often a worker tries the job. `None`: as its option `--tries` has it.
    pub tries: Option<u32>,
    /// Seconds between two of these tries. `None`: as its option `--backoff` has it.
    pub backoff_seconds: Option<u32>,
    /// Seconds after which a worker ends a job. `None`: as its option `--timeout` has it.
    pub timeout_seconds: Option<u32>,
}

impl LaravelQueue {
    /// The key of the list of jobs.
    pub fn key(&self) -> String {
        format!("{}queues:{}", self.prefix, self.queue)
    }
}

/// As it stands in the configuration, without user name, password and job.
impl fmt::Display for LaravelQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.redis.address.to_string();
        match (&self.redis.address, address.strip_prefix("redis://")) {
            (RedisAddress::Tcp { .. } | RedisAddress::Seeds { .. }, Some(end)) => {
                write!(f, "laravel-queue://{end}")?
            }
            _ => write!(f, "laravel-queue+{address}")?,
        }
        if !matches!(self.redis.address, RedisAddress::Unix(_)) {
            write!(f, "/{}", self.redis.database)?;
        }
        write!(f, "?queue={}", self.queue)
    }
}
