//! Checks of the network: the server, the way of browsers to it, its proxy, Redis, and a round trip.
//!
//! Owns their order. What is probed is `doctor::network`'s; each file here judges the evidence of one subject.

mod api;
mod certificate;
mod clock;
mod page;
mod proxy_advice;
mod proxy_limits;
mod public;
mod redis;
mod routes;
mod round_trip;
mod server;

use crate::doctor::check::SetupCheck;

/// All of them, in the order in which they are reported: that of their ids.
pub(super) fn checks() -> Vec<SetupCheck> {
    let groups: [&[SetupCheck]; 10] = [
        &server::CHECKS,
        &clock::CHECKS,
        &redis::CHECKS,
        &public::CHECKS,
        &certificate::CHECKS,
        &routes::CHECKS,
        &page::CHECKS,
        &api::CHECKS,
        &proxy_limits::CHECKS,
        &round_trip::CHECKS,
    ];
    let mut checks = groups.concat();
    checks.sort_by_key(|check| check.id);
    checks
}
