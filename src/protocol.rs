//! Pusher's rules. Pure: no tokio, no clock, no sockets, no locks.
//!
//! Time comes in as an argument, what should happen goes out as values. Read in this order:
//! names and ids, what may be said in each direction, signatures, and [`session`], which puts
//! them together for one socket.

pub mod admission;
pub mod broadcast;
pub mod channel_name;
pub mod client_library;
pub mod client_message;
pub mod close_code;
pub mod deflate;
pub mod frame;
pub mod json;
mod liveness;
pub mod member;
pub mod rate_limit;
pub mod server_message;
pub mod session;
pub mod signature;
pub mod signed_data;
pub mod socket_id;
pub mod user;

pub use broadcast::Broadcast;
pub use channel_name::{ChannelName, ChannelType};
pub use client_library::ClientLibrary;
pub use close_code::CloseCode;
pub use frame::Frame;
pub use member::Member;
pub use socket_id::SocketId;
pub use user::User;

#[cfg(test)]
#[path = "protocol/tests.rs"]
mod tests;
