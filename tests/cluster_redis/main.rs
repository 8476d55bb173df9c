//! Several nodes on a real Redis: how they reach it, what is on it, what becomes of them when it is
//! hostile, empty or gone.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "all of this crate is a test, the functions around it too"
)]

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../faults/relay.rs"]
#[allow(dead_code, reason = "nothing is held back here")]
mod relay;

mod access;
mod agreement;
mod answers;
mod cluster_view;
mod drain;
mod explanation;
mod failover;
mod faults;
mod foreign;
mod fixture;
mod inquiries;
mod laravel_queue;
mod laravel_queue_faults;
mod latency;
mod listing;
mod losses;
mod outage;
mod pacing;
mod partitions;
mod refusals;
mod redis_cluster;
mod reload;
mod remedies;
mod resubscription;
mod secrets;
mod sign_ins;
mod sentinels;
mod storm;
mod tls;
mod topics;
mod traces;
mod urls;
mod urls_of_kinds;
