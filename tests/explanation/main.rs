//! What the server says about an event or a refused subscription, as exact text: the header of an answer, the log,
//! the internal API, `resound explain`.

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

#[path = "../harness/mod.rs"]
mod harness;

mod channels;
mod header;
mod internal;
mod listing_load;
mod refusals;
mod rows;
mod triggers;
mod sockets;
