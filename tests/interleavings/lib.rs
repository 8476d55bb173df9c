//! Every order in which threads may meet where they share something without a runtime: the inbox of a shard, the alarm of
//! paced channels, the decisions that wait for sessions.
//!
//! The files of the server are compiled a second time here, on the locks and atomics of loom, which plays all orders of
//! their steps and all values that a load may return. A thread that waits for ever is a failure.
//!
//! ```sh
//! cargo test --manifest-path tests/interleavings/Cargo.toml # all orders in which threads are interrupted three times at most
//! LOOM_MAX_PREEMPTIONS=5 cargo test --manifest-path tests/interleavings/Cargo.toml # more of them, for minutes
//! ```

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

#[cfg(test)]
mod every_order;
#[cfg(test)]
mod hub;
#[cfg(test)]
mod node;
#[cfg(test)]
mod protocol;
