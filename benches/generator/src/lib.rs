//! Clients and back ends that put load on any server that speaks Pusher's protocol, and what they
//! measure.
//!
//! A [`Plan`] names the servers, the channels and the sockets; [`ClientPool::connect`] opens them; each
//! [`Phase`] that is run on the pool returns its [`Measures`]. Two pools can run at once, each on a
//! thread of its own. [`bench`](mod@bench) is the command around it.
//!
//! The generator must not measure itself: a few threads read all sockets from bare readiness loops with
//! one buffer each, a delivery is found by a marker in its bytes, and nothing is allocated, parsed or
//! locked for it.
//!
//! The server is another package, which this one cannot name. Nothing here depends on how the server
//! under load is made.

pub mod bench;
pub mod system;

mod backend;
mod client_pool;
mod counters;
mod credentials;
mod frame_reader;
mod http_answer;
mod inflater;
mod load_error;
mod marker;
mod phase;
mod phase_run;
mod plan;
mod publisher;
mod run_state;
mod schedule;
mod socket;
mod socket_end;
mod target;
mod tls_client;
mod transport;
mod usage;
mod wire;
mod worker;

pub use backend::Backend;
pub use client_pool::ClientPool;
pub use credentials::Credentials;
pub use frame_reader::{FrameReader, Malformed, Piece};
pub use http_answer::Answer;
pub use load_error::LoadError;
pub use marker::MARKER_BYTES;
pub use phase::{EventSource, Measures, Pace, Phase, Progress};
pub use plan::{Plan, PlannedSocket};
pub use run_state::PUBLISHERS_MAX;
pub use target::{InvalidTarget, Target};
pub use tls_client::{TlsClient, TlsTrust};
pub use usage::{MachineTime, Usage};
pub use wire::{subscribe, text_frame, upgrade};
