//! One node's part of the cluster: pure, without a network, a clock or a runtime.
//!
//! [`Core`](core::Core) takes what the node does, what Redis sends and the time, and returns requests for
//! Redis and [`Effect`](effect::Effect)s for this node. The order of a channel's events is checked in
//! `sequence`.

mod channel;
pub(super) mod connection_quota;
pub(super) mod core;
pub(super) mod effect;
pub(super) mod health;
mod local_members;
mod pending_joins;
mod publish_queue;
mod roster_mirror;
mod sequence;
mod watchlists;
