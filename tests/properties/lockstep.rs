//! Server and model side by side: after every step both must report the same.

use proptest::prelude::*;

use crate::cases;
use crate::model::Model;
use crate::schedule::{SOCKETS, Schedule, Step, schedule};
use crate::server::Server;

fn follows(schedule: &Schedule) -> Result<(), String> {
    let (mut server, mut model) = (Server::new(schedule.settings), Model::new(schedule.settings));
    let crashes = (0..SOCKETS).map(Step::Crash);
    for (number, step) in schedule.steps.iter().cloned().chain(crashes).enumerate() {
        let (is, should) = (server.apply(number, &step), model.apply(number, &step));
        if let Some(difference) = is.differs(&should) {
            return Err(format!("step {number}, {step:?}: {difference}"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn every_step_is_that_of_the_model(schedule in schedule(120)) {
        follows(&schedule).map_err(TestCaseError::fail)?;
    }
}
