//! What single steps of the server cost, without a kernel, a runtime or a second process.
//!
//! Question: is a change to the hub, the rules or the encoding faster or slower, and by how much?
//! One file per subject; every one uses what the crate's neighbours use, nothing is opened for it.
//! `benches/load` measures the whole server.
//!
//! `cargo bench --bench micro [-- PART OF A NAME]`, about a minute in all. The floor is what the
//! step cannot do without: an HMAC of two SHA-256 blocks for a signature (0.3 to 0.5 µs), a copy
//! of the payload for an encoded event (0.1 µs/KB), a reference count and a push for a receiver
//! (10 to 20 ns).

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a program for people to run, not a part of the server; criterion's macros write undocumented functions"
)]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

mod fan_out;
// The reason for the path stands in that file.
#[path = "../../tests/harness/fixture.rs"]
mod fixture;
mod node;
mod presence;
mod protocol;
mod registry;
mod session;
mod signature;

/// Short enough that all of it is run before every commit that claims speed.
fn settings() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(40)
}

criterion_group! {
    name = all;
    config = settings();
    targets = fan_out::measure, registry::measure, presence::measure, protocol::measure,
        signature::measure, session::measure
}
criterion_main!(all);
