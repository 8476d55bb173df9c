//! A connection to Redis: where it leads, how long it may take, and why it failed, in words.
//!
//! Owns addresses, logins and TLS, the search for the primary through sentinels, the check of the server,
//! and the log of an outage. What is sent over the connection is left to [`cluster`](crate::cluster),
//! `redis_input` and `webhook`.

mod address;
mod connector;
mod failure;
mod key_names;
mod missing_right;
mod outage;
mod server_info;
mod time_limit;

pub(crate) use connector::Connector;
pub use failure::LinkError;
pub(crate) use failure::LinkPhase;
pub(crate) use key_names::KeyNames;
pub(crate) use outage::OutageLog;
pub(crate) use server_info::ServerInfo;
pub(crate) use time_limit::TimeLimit;
