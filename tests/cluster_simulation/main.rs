//! The cluster in a simulation, and the simulated Redis held against the real one.
//!
//! A network, a Redis for each partition and a clock of the test's own, and on the machines either whole nodes with their
//! clients ([`whole`]: sessions, hub, shards and cores) or the real core of each partition alone, whose effects the
//! simulation carries out: random schedules with random faults ([`simulation`]), single faults ([`scenarios`]). What must
//! be so at the end of each is written in [`verdict`], which is tested with mistakes that are made on purpose. [`scripts`]
//! gives the same requests to the simulated Redis and to a real one. [`forgeries`], [`replayed_events`],
//! [`resent_events`] and [`kept_events`] give one core messages and answers that are written by hand ([`stage`]).
//!
//! A schedule that fails is printed with its seed, cut down to the steps it needs:
//!
//! ```sh
//! SIMULATION_SEED=42 cargo test --test cluster_simulation simulation     # plays it again,
//! SIMULATION_VERBOSE=1 SIMULATION_SEED=42 ...                 # with every message
//! SIMULATION_FIRST=50000 cargo test --test cluster_simulation simulation # plays other ones,
//! SIMULATION_SCHEDULES=1000000 SIMULATION_FIRST=50000 ...     # and as many as are wanted, for a night
//! SCRIPTS_SEED=7 cargo test --test cluster_simulation scripts            # one sequence for both directories
//! ```

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

#[path = "../harness/mod.rs"]
mod harness;

mod client;
mod directory;
mod events;
mod forgeries;
mod kept_events;
mod last_events;
mod machine;
mod profile;
mod random;
mod replayed_events;
mod reports;
mod resent_events;
mod scenarios;
mod scripts;
mod server;
mod simulation;
mod stage;
mod verdict;
mod whole;
mod world;
