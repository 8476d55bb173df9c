//! Peers that break rules, stall or lie: the documented answer, and nobody else notices.

#[path = "../harness/mod.rs"]
mod harness;

mod smoke;
