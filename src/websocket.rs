//! WebSocket connections of browsers and other clients: the upgrade of `/app/{key}`, the frame
//! codec, and one task per connection.
//!
//! Owns bytes, deadlines and closing handshakes. [`node::Socket`](crate::node::Socket) decides what a
//! message does, and the shards of the hub write.

mod address_limits;
mod admission;
mod client_profiles;
mod connection;
mod context;
mod decoder;
mod endpoint;
mod handshake;
mod refusal;
mod refused_handshake;
mod stream_transport;
mod turn_budget;

pub use admission::Admission;
pub use context::Stopping;
pub use decoder::{Decoder, Inbound, Unfinished};
pub use endpoint::{EndpointLimits, Upgrade, UpgradedStream, WebSocketEndpoint};
pub use handshake::{HandshakeError, accept_key, is_upgrade, was_handshake};
pub use turn_budget::TurnBudget;
