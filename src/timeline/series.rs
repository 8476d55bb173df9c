//! Which series the timeline has: the name of each in answers, and how several seconds of it become one value.

/// One series of the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    /// Sockets open now.
    Sockets,
    /// Subscriptions of them.
    Subscriptions,
    /// Events of back ends and clients, a second.
    EventsIn,
    /// Events handed to sockets, a second.
    EventsOut,
    /// Text messages of clients, a second.
    MessagesIn,
    /// Bytes read from sockets, a second.
    BytesIn,
    /// Bytes written to sockets, a second.
    BytesOut,
    /// From trigger to write in milliseconds, the middle of the last minute.
    LatencyP50,
    /// The same for the slowest hundredth.
    LatencyP99,
    /// Handshakes, subscriptions, messages and requests that were refused, a second.
    Refusals,
    /// All that failed, as [`ErrorCounts`](crate::metrics::ErrorCounts) defines it, a second.
    Errors,
    /// Resident memory in bytes.
    Memory,
    /// The share of one core that the process uses.
    Cpu,
    /// From a batch of requests to the answer of Redis in milliseconds, the middle of the last minute.
    RedisP50,
}

/// How several seconds become one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Summary {
    Mean,
    Most,
}

impl Series {
    /// How many there are.
    pub const COUNT: usize = 14;

    /// All of them, in the order of their declaration, each with its name in answers.
    pub const ALL: [(Self, &'static str); Self::COUNT] = [
        (Self::Sockets, "sockets"),
        (Self::Subscriptions, "subscriptions"),
        (Self::EventsIn, "events_in_per_second"),
        (Self::EventsOut, "events_out_per_second"),
        (Self::MessagesIn, "messages_in_per_second"),
        (Self::BytesIn, "bytes_in_per_second"),
        (Self::BytesOut, "bytes_out_per_second"),
        (Self::LatencyP50, "latency_p50_ms"),
        (Self::LatencyP99, "latency_p99_ms"),
        (Self::Refusals, "refusals_per_second"),
        (Self::Errors, "errors_per_second"),
        (Self::Memory, "memory_bytes"),
        (Self::Cpu, "cpu_cores"),
        (Self::RedisP50, "redis_p50_ms"),
    ];

    /// Whether the value of a cluster is the sum of those of its nodes; else it is the highest of them.
    pub fn is_summed(self) -> bool {
        !matches!(self, Self::LatencyP50 | Self::LatencyP99 | Self::RedisP50)
    }

    pub(super) fn summary(self) -> Summary {
        if self.is_summed() { Summary::Mean } else { Summary::Most }
    }
}
