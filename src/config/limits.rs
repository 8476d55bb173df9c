//! `[limits]`, `[http]`, `[websocket]`, `[cache]` and `[webhooks]`: limits that are numbers and nothing else.
//!
//! Each limit is a field here, one line that reads it with its range, and a key of
//! `config/defaults.toml`; the code that applies it takes the struct as it is.

use std::path::Path;
use std::time::Duration;

use super::error::ConfigError;
use super::values::Values;
use crate::memory::{MemoryBound, MemorySource};

/// hyper refuses a smaller buffer for the request line and headers.
const SMALLEST_HEADER_BYTES: u64 = 8192;
/// Beyond it `max_header_bytes` is the limit that counts.
const MOST_HEADERS: u64 = 1000;
const MOST_CONNECTIONS: u64 = 10_000_000;

/// The least bound on the memory of the process: it uses some 10 MB of it before the first socket.
const SMALLEST_MEMORY_BYTES: u64 = 16 << 20;
/// 1 PiB: more is a wrong unit.
const MOST_MEMORY_BYTES: u64 = 1 << 50;

/// `[limits]`: bounds on the process as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitsConfig {
    /// The memory it may use; `None` is no bound.
    pub memory: Option<MemoryBound>,
}

impl LimitsConfig {
    pub(super) fn read(values: Values<'_>) -> Result<Self, ConfigError> {
        let setting = values.at("limits.memory_bytes");
        if setting.text() == "auto" {
            return Ok(Self { memory: MemoryBound::of_system(Path::new("/")) });
        }
        let is_allowed = |bytes: &u64| {
            *bytes == 0 || (SMALLEST_MEMORY_BYTES..=MOST_MEMORY_BYTES).contains(bytes)
        };
        let bytes = setting.parsed(
            |text| text.parse().ok().filter(is_allowed),
            format_args!(
                "it must be \"auto\", 0 for no bound, or a number from {SMALLEST_MEMORY_BYTES} to {MOST_MEMORY_BYTES}"
            ),
        )?;
        let bound = MemoryBound { bytes, source: MemorySource::Configured };
        Ok(Self { memory: (bytes > 0).then_some(bound) })
    }
}

/// `[http]`: limits of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpConfig {
    /// Bytes of one body, checked while it is read.
    pub max_body_bytes: usize,
    /// Bytes of the request line and all headers.
    pub max_header_bytes: usize,
    /// Headers of one request.
    pub max_headers: usize,
    /// The time for the request line and headers to arrive.
    pub header_timeout: Duration,
    /// The time for a body to arrive; longer only while it comes at 1 KiB/s or more.
    pub body_timeout: Duration,
    /// The time between two requests of one connection.
    pub idle_timeout: Duration,
    /// Connections that have not finished a first request.
    pub max_pending_connections: usize,
}

impl HttpConfig {
    pub(super) fn read(values: Values<'_>) -> Result<Self, ConfigError> {
        let header_bytes = SMALLEST_HEADER_BYTES..=1 << 20;
        let connections = 1..=MOST_CONNECTIONS;
        Ok(Self {
            max_body_bytes: values.at("http.max_body_bytes").bytes()?,
            max_header_bytes: values.at("http.max_header_bytes").number(header_bytes)?,
            max_headers: values.at("http.max_headers").number(1..=MOST_HEADERS)?,
            header_timeout: values.at("http.header_timeout_seconds").seconds()?,
            body_timeout: values.at("http.body_timeout_seconds").seconds()?,
            idle_timeout: values.at("http.idle_timeout_seconds").seconds()?,
            max_pending_connections: values
                .at("http.max_pending_connections")
                .number(connections)?,
        })
    }
}

/// `[websocket]`: limits of sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebSocketConfig {
    /// Bytes waiting for one socket; more closes it with 4100.
    pub outbox_bytes: usize,
    /// The time within which a full transport must take bytes again.
    pub write_timeout: Duration,
    /// Bytes waiting for one shard before publishers wait.
    pub inbox_bytes: usize,
    /// Whether permessage-deflate is negotiated.
    pub deflate: bool,
    /// Bytes of an event's frame from which it is deflated.
    pub deflate_min_bytes: usize,
    /// Frames of one message.
    pub max_fragments: usize,
    /// The time from the first to the last fragment of a message.
    pub message_timeout: Duration,
    /// The time for the closing handshake.
    pub close_timeout: Duration,
}

impl WebSocketConfig {
    pub(super) fn read(values: Values<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            outbox_bytes: values.at("websocket.outbox_bytes").bytes()?,
            write_timeout: values.at("websocket.write_timeout_seconds").seconds()?,
            inbox_bytes: values.at("websocket.inbox_bytes").bytes()?,
            deflate: values.at("websocket.deflate").truth(),
            deflate_min_bytes: values.at("websocket.deflate_min_bytes").number(0..=1 << 30)?,
            max_fragments: values.at("websocket.max_fragments").number(1..=1 << 20)?,
            message_timeout: values.at("websocket.message_timeout_seconds").seconds()?,
            close_timeout: values.at("websocket.close_timeout_seconds").seconds()?,
        })
    }
}

/// `[cache]`: limits of what cache channels keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheConfig {
    /// How long an event is kept.
    pub ttl: Duration,
    /// Bytes of the events of all cache channels.
    pub bytes: usize,
}

impl CacheConfig {
    pub(super) fn read(values: Values<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            ttl: values.at("cache.ttl_seconds").seconds()?,
            bytes: values.at("cache.bytes").bytes()?,
        })
    }
}

/// `[webhooks]`: limits of webhook calls, those of every app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhooksConfig {
    /// Events waiting for one endpoint; the oldest is dropped and counted.
    pub queue_events: usize,
    /// The time for the connection to an endpoint.
    pub connect_timeout: Duration,
    /// The time for a whole call: connection, request and response.
    pub request_timeout: Duration,
    /// How long one call is retried before its events are counted as lost.
    pub retry_for: Duration,
}

impl WebhooksConfig {
    pub(super) fn read(values: Values<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            queue_events: values.at("webhooks.queue_events").bytes()?,
            connect_timeout: values.at("webhooks.connect_timeout_seconds").seconds()?,
            request_timeout: values.at("webhooks.request_timeout_seconds").seconds()?,
            retry_for: values.at("webhooks.retry_for_seconds").seconds()?,
        })
    }
}
