//! The door for browsers: the upgrade of `/app/{key}`, the frame codec, one task per connection.
//!
//! Knows bytes, deadlines and closing handshakes; what a message means is decided by
//! [`node::Socket`](crate::node::Socket), and writing is the shard's.

mod connection;
mod decoder;
mod link;
mod refusal;
mod turn;
mod upgrade;

pub use connection::ConnectionLimits;
pub use upgrade::{Door, Newcomer, Upgrade, is_upgrade};
