//! The load generator's figures against servers whose behaviour is known.
//!
//! Owns no figure of speed: counts, order and ends only. The program around it is in `tests/cli`.

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

#[path = "../harness/mod.rs"]
mod harness;

mod pools;
mod foreign;

use std::net::SocketAddr;
use std::time::Duration;

use resound_load::{
    ClientPool, Credentials, Measures, Phase, Plan, PlannedSocket, Target, TlsTrust,
};

/// Longer than any phase of a test; each ends by its events.
const LONG: Duration = Duration::from_secs(600);

/// A plan for the app of the harness.
fn plan(address: SocketAddr, channels: &[&str], connections: usize) -> Plan {
    let target = Target::parse(&format!("http://{address}"), &TlsTrust::System).unwrap();
    let credentials = Credentials::new("123456", "reverb-key", "reverb-secret");
    Plan {
        channels: channels.iter().map(|channel| (*channel).to_owned()).collect(),
        sockets: PlannedSocket::spread(connections, 1, channels.len(), 1),
        ..Plan::simple(target, credentials, "", 0)
    }
}

fn connect(plan: Plan) -> ClientPool {
    ClientPool::connect(plan, |_| ()).unwrap()
}

/// So many events, quickly.
fn events(count: u64) -> Phase {
    Phase { events: Some(count), ..Phase::open(2000.0, LONG) }
}

/// Everything expected came, once, in order, and nothing went wrong.
fn check_complete(measures: &Measures, deliveries: u64) {
    let Measures { expected, delivered, disordered, late, unanswered, errors, .. } = *measures;
    assert_eq!((expected, delivered), (deliveries, deliveries));
    assert_eq!((disordered, late, unanswered, errors), (0, 0, 0, 0));
    assert_eq!((measures.latency.len(), measures.refused.len()), (deliveries, 0));
}
