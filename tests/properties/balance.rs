//! Whatever happened to sockets, the ledger of its webhook events balances at the end.

use proptest::prelude::*;

use crate::cases;
use crate::ledger::Ledger;
use crate::schedule::{SOCKETS, Schedule, Step, schedule};
use crate::server::Server;

fn balances(schedule: &Schedule) -> Result<(), String> {
    let mut server = Server::new(schedule.settings);
    for (number, step) in schedule.steps.iter().enumerate() {
        server.apply(number, step);
    }
    let crashes = (0..SOCKETS).map(Step::Crash);
    let last = crashes.map(|crash| server.apply(schedule.steps.len(), &crash)).last().unwrap();
    Ledger::balance(&server.all_seen)?;
    let empty = "0 sockets, 0 channels";
    let is_empty = last.facts.iter().any(|fact| fact == empty);
    if is_empty { Ok(()) } else { Err(format!("{empty} expected: {:#?}", last.facts)) }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn what_comes_goes_once_and_in_turn(schedule in schedule(120)) {
        balances(&schedule).map_err(TestCaseError::fail)?;
    }
}
