//! What monitoring reads of a running server, and the names of metrics in what is written about them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "all of this crate is a test, the functions around it too"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod console;
mod counts;
mod health;
mod internal;
mod names;
mod operator;
mod prometheus;
mod overview;
mod webhook_calls;
