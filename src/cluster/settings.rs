//! The settings of a cluster, and the intervals that follow from them.

use std::time::Duration;

/// What the cluster is told at the start.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// What every key and topic begins with.
    pub prefix: String,
    /// A node that says nothing for so long is gone.
    pub lease: Duration,
    /// How long an event waits for Redis before this node's sockets get it anyway.
    pub patience: Duration,
    /// Bytes of events that may wait for Redis.
    pub queue_bytes: usize,
    /// Events are kept, so that a node that was cut off gets what it missed.
    pub streams: Option<StreamSettings>,
    /// How long cache channels remember their last event.
    pub cache_ttl: Duration,
}

/// How much is kept of each channel.
#[derive(Debug, Clone, Copy)]
pub struct StreamSettings {
    /// For how long after the last event.
    pub retention: Duration,
    /// How many events.
    pub events: usize,
}

impl ClusterSettings {
    /// How often a node says that it lives: often enough that a dead one is found, and its channels
    /// are cleaned up, within the lease.
    pub fn beat(&self) -> Duration {
        self.lease / 10
    }

    /// For how long Redis remembers at least which event of a node was its last.
    pub fn taken_holds(&self) -> Duration {
        self.streams.map_or(Duration::from_secs(60), |streams| streams.retention) * 8 / 10
    }

    /// For how long one beat holds.
    pub fn beat_holds(&self) -> Duration {
        self.lease * 8 / 10
    }
}
