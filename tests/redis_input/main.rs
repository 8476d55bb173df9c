//! What other programs publish in a real Redis: Laravel's `redis` broadcaster, and Reverb's scaling channel.

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

#[path = "../harness/mod.rs"]
mod harness;

mod access;
mod laravel;
mod nodes;
mod outage;
mod php;
mod reverb;
mod topics;
mod viewers;
mod fixture;
