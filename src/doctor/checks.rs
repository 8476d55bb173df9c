//! The catalogue of the checks, in the order in which they are reported.
//!
//! Owns the list. An earlier check is nearer to the cause: the first one that fails is what to change first.

mod configuration;
mod network;

use super::check::SetupCheck;

/// Every check. `config/doctor.md` lists the same.
pub fn all() -> Vec<SetupCheck> {
    let groups: [&[SetupCheck]; 1] = [&configuration::CHECKS];
    let mut checks = groups.concat();
    checks.extend(network::checks());
    checks
}
