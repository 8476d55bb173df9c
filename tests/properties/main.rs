//! Properties of the rules and the hub together, on random schedules and on random threads.
//!
//! Everything runs in memory, without a runtime and without a port. [`lockstep`] compares each
//! step with a naive [`model`]; [`balance`] holds for any order of events; [`threads`] lets real
//! threads meet on the hub; [`count`] tests the count by which a drain ends.

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

mod balance;
mod count;
// The reason for the path stands in that file.
#[path = "../harness/fixture.rs"]
mod fixture;
mod received;
mod record;
mod ledger;
mod lockstep;
mod model;
mod report;
mod schedule;
mod server;
mod threads;
mod window;

use proptest::test_runner::Config;

/// So many schedules, and no files beside the sources: a failure prints its whole schedule.
fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}
