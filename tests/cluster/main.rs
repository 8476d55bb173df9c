//! The cluster in a simulation, and the simulated Redis held against the real one.
//!
//! [`scripts`] gives the same requests to a real Redis and to the simulated one.
//!
//! Nodes with the real core, a network and a Redis of the test's own, random schedules and faults:
//! [`simulation`], and single faults: [`scenarios`]. What is checked at the end of each is written in [`verdict`]. A schedule that
//! fails is printed with its seed; `SIMULATION_SEED=<seed> cargo test --test cluster` plays it again.

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

#[path = "../harness/mod.rs"]
mod harness;

mod client;
mod directory;
mod events;
mod machine;
mod profile;
mod random;
mod scenarios;
mod scripts;
mod server;
mod simulation;
mod verdict;
mod world;
