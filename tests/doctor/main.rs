//! The doctor: a set-up in files, and what `resound doctor` says of it, as exact text.

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

mod addresses;
mod application;
mod arguments;
mod bundle;
mod catalogue;
mod environment;
#[path = "../harness/mod.rs"]
mod harness;
mod inside;
mod network;
mod nginx;
mod pages;
mod queue;
mod redis_list;
mod setups;
mod twelve;
mod ways;
