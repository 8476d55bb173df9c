//! The node's relation to the other nodes, for health checks and operators.
//!
//! A value made on request.

use crate::cluster::Disagreement;
use crate::partitions::RedisAway;

/// The node's relation to other nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterStatus {
    /// No cluster is configured.
    Off,
    /// Redis is connected.
    Connected {
        /// The number of live nodes, this one included.
        nodes: u32,
        /// The settings in which nodes differ from this one.
        disagreements: Vec<Disagreement>,
    },
    /// A Redis is away: the node serves its own sockets, of several partitions those that are there.
    Degraded {
        /// How many partitions there are.
        partitions: usize,
        /// The links that are down.
        away: Vec<RedisAway>,
        /// The number of live nodes, as a partition counts them whose link is up.
        nodes: Option<u32>,
    },
}
