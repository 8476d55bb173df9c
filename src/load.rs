//! A crowd of clients and the back end that keeps it busy: load for any server that speaks
//! Pusher's protocol, and what it measures.
//!
//! Owns connecting, publishing and counting. Knows nothing of our own server, and refuses to know
//! who reads the figures. It must not measure itself: sockets are read by bare readiness loops with
//! one buffer each, a delivery is recognised by a marker in its bytes, and nothing is allocated,
//! parsed or locked for it.
//!
//! A [`Plan`] says who subscribes to what; [`Crowd::connect`] makes it so; each [`Phase`] that is
//! run on the crowd gives its [`Measures`]. Two crowds can be run at once, each on a thread.

mod backend;
mod board;
mod crowd;
mod inflate;
mod lane;
mod marker;
mod phase;
mod plan;
mod refusal;
mod scanner;
mod socket;
mod speech;
mod tally;
mod target;
mod usage;
mod worker;

pub use board::LANES_MAX;
pub use crowd::Crowd;
pub use marker::MARKER_BYTES;
pub use phase::{Live, Measures, Pace, Phase, Publisher};
pub use plan::{Credentials, Plan, Seat};
pub use refusal::Refusal;
pub use target::{InvalidTarget, Target};
pub use usage::Usage;
