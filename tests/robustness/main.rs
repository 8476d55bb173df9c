//! Peers that break rules, stall or lie: the documented answer, and no effect on others.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "all of this crate is a test, the functions around it too"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod admission;
mod bodies;
mod bystander;
mod channel_auth;
mod client_addresses;
mod deflate;
mod descriptors;
mod drain;
mod endings;
mod flood;
mod http_timeouts;
mod limits;
mod listening;
mod log_faults;
mod log_flood;
mod log_lines;
mod malformed_frames;
mod malformed_http;
mod memory;
mod memory_formula;
mod order;
mod pacing;
mod races;
mod reload;
mod requests;
mod rosters;
mod shutdown;
mod signals;
mod signatures;
mod silence;
mod slow_reader;
mod soak;
mod supervision;
mod tls;
mod tls_sockets;
mod traces;
mod unusual_frames;
mod upgrade;
mod wrong_protocol;
mod webhook_failures;
mod webhook_flush;
mod webhook_route;

use harness::wire;
