//! Checks of Resound's own configuration.

use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::finding::{CheckOutcome, Finding};
use crate::doctor::setup::Setup;

pub(super) const CHECKS: [SetupCheck; 1] = [SetupCheck {
    id: "R001",
    title: "Resound accepts its configuration.",
    looks_at: "the file of `--config`, `REVERB_*` and `RESOUND_*` of the environment",
    says: &["Resound does not start with this configuration: …"],
    change: "the line or variable that the sentence names",
    needs: &[],
    method: Method::Look(accepted),
}];

fn accepted(setup: &Setup) -> CheckOutcome {
    match &setup.config {
        None => CheckOutcome::Inapplicable("no --config was given".to_owned()),
        Some(Ok(config)) => CheckOutcome::Passed(config.notes.clone()),
        Some(Err(error)) => CheckOutcome::Found(vec![Finding::fail(format!(
            "Resound does not start with this configuration: {error}."
        ))]),
    }
}
