//! RFC 6455 and RFC 7692 from outside: bytes made by hand on a raw connection, against the server and against the echo
//! server on the same codec.
//!
//! A case is data: what is written, what has to come back, how the connection ends. [`play`] writes it whole and byte by
//! byte, judges the exact close code, and checks after each case that another socket is still served.

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

#[path = "../harness/mod.rs"]
mod harness;

mod case;
mod closing;
mod compression;
mod controls;
mod deflated_volumes;
mod echo;
mod fragments;
mod framing;
mod negotiation;
mod play;
mod texts;
mod volumes;

use harness::wire;
