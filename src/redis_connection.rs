//! A connection to Redis: where it leads, how long it may take, and why it failed, in words.
//!
//! Owns addresses, logins and TLS, the search for the primary through sentinels and for the owner of a slot in a
//! Redis Cluster, what names begin with there, the check of the server, the log of an outage, and what
//! operators see of a link. What is sent over the connection is left to [`cluster`](crate::cluster),
//! `redis_input` and `webhook`.

mod access;
mod address;
mod cluster_nodes;
mod connector;
mod failure;
mod key_names;
mod key_space;
mod last_links;
mod link_status;
mod missing_right;
mod outage;
mod sentinels;
mod server_info;
mod time_limit;

pub(crate) use connector::Connector;
pub use failure::LinkError;
pub(crate) use failure::LinkPhase;
pub(crate) use key_names::KeyNames;
pub(crate) use key_space::{KeySpace, TopicWords};
pub use last_links::LastLinks;
pub use link_status::LinkFacts;
pub(crate) use link_status::LinkStatus;
pub(crate) use outage::OutageLog;
pub use server_info::RedisPeer;
pub(crate) use server_info::ServerInfo;
pub(crate) use time_limit::TimeLimit;
