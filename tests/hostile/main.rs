//! Peers that break rules, stall or lie: the documented answer, and nobody else notices.

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

#[path = "../harness/mod.rs"]
mod harness;

mod bystander;
mod http_timeouts;
mod limits;
mod malformed_frames;
mod malformed_http;
mod program;
mod races;
mod shutdown;
mod silence;
mod slow_reader;
mod soak;
mod wire;
