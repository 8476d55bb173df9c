//! The catalogue of the checks, in the order in which they are reported.
//!
//! Owns the list. An earlier check is nearer to the cause: the first one that fails is what to change first.

mod assets;
mod broadcasting;
mod cached;
mod configuration;
mod network;
mod destination;
mod env_values;
mod events;
mod page;
mod queue;

use super::check::SetupCheck;

/// Every check. `config/doctor.md` lists the same.
pub fn all() -> Vec<SetupCheck> {
    let groups: [&[SetupCheck]; 9] = [
        &configuration::CHECKS,
        &env_values::CHECKS,
        &destination::CHECKS,
        &broadcasting::CHECKS,
        &page::CHECKS,
        &cached::CHECKS,
        &queue::CHECKS,
        &assets::CHECKS,
        &events::CHECKS,
    ];
    let mut checks = groups.concat();
    checks.extend(network::checks());
    checks.sort_by_key(|check| check.id);
    checks
}

/// Checks of the network that look at what Laravel alone connects to.
const OF_LARAVEL: [&str; 2] = ["R055", "R072"];

/// The ones that a server makes of itself: of its configuration and of the network. Files of an application are left out.
pub(super) fn of_server() -> Vec<SetupCheck> {
    let is_kept = |check: &SetupCheck| {
        check.id == "R001" || (check.id >= "R050" && !OF_LARAVEL.contains(&check.id))
    };
    all().into_iter().filter(is_kept).collect()
}
