//! The Pusher protocol, version 7: names, messages, signatures, close codes, and the session of one
//! socket.
//!
//! Deterministic: the time and random numbers are arguments, and what has to be done is returned as
//! values ([`session::Action`]). Tasks, sockets, locks and channels belong to other rooms. Read names
//! and ids first, then the messages of each direction, the signatures, and [`session`], which
//! combines them.

pub mod admission;
pub mod broadcast;
pub mod channel_name;
pub mod client_library;
pub mod client_message;
pub mod close_code;
pub mod deflate;
mod event_name;
pub mod frame;
pub mod json;
mod liveness;
pub mod member;
pub mod rate_limit;
pub mod refusal_cause;
pub mod server_message;
pub mod session;
pub mod signature;
pub mod signed_data;
pub mod socket_id;
pub mod user;

pub use broadcast::Broadcast;
pub use channel_name::{ChannelName, ChannelType};
pub use client_library::{ClientLibrary, ClientParameters};
pub use close_code::CloseCode;
pub use event_name::{InvalidEventName, check_event_name};
pub use frame::Frame;
pub use member::Member;
pub use refusal_cause::RefusalCause;
pub use socket_id::SocketId;
pub use user::User;

#[cfg(test)]
#[path = "protocol/tests.rs"]
mod tests;
