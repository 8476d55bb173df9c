//! The byte stream of one connection, over TCP, a unix socket or TLS, and the listeners that streams come
//! from.
//!
//! Owns how bytes are read, written and ended: with tokio's traits while a connection is HTTP, and
//! through `&self` while it is a socket, whose task reads and whose shard writes. What the bytes mean,
//! and how long they may take, is left to `server` and `websocket`.

mod byte_stream;
mod direct_send;
mod listener;
mod peer;
mod tls_stream;

pub use byte_stream::ByteStream;
pub use listener::{Listener, StdListener};
pub use peer::Peer;
pub use tls_stream::{FailedHandshake, TlsStream};
