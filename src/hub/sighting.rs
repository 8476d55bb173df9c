//! What is seen of a socket: where its client is, what that brought to its handshake, what went over the line.
//!
//! Values only. Who may see them is left to `internal`.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use super::ids::HubId;
use crate::metrics::ClosedBy;
use crate::protocol::SocketId;

/// The time from which the age of sockets is counted.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Tenths of a second since the start of the process: in four bytes, for 13 years.
pub(super) fn tenths_since_start() -> u32 {
    u32::try_from(START.elapsed().as_millis() / 100).unwrap_or(u32::MAX)
}

/// What a client brought to its handshake. Few of these differ, so sockets share them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ClientProfile {
    /// The `client` parameter: the library.
    pub library: Option<Box<str>>,
    /// The `version` parameter: that of the library.
    pub version: Option<Box<str>>,
    /// The `protocol` parameter.
    pub protocol: Option<Box<str>>,
    /// The `Origin` header.
    pub origin: Option<Box<str>>,
    /// The `User-Agent` header.
    pub user_agent: Option<Box<str>>,
}

/// What a transport is asked of its connection.
#[derive(Debug, Clone, Default)]
pub struct LineFacts {
    /// What the client brought to its handshake; `None` where there were too many different ones to keep.
    pub client: Option<Arc<ClientProfile>>,
    /// Whether this server decrypts the connection.
    pub is_tls: bool,
    /// Bytes that the kernel took.
    pub sent_bytes: u64,
    /// Bytes that arrived behind the handshake.
    pub received_bytes: u64,
}

/// What is seen of an open socket.
#[derive(Debug, Clone)]
pub struct SocketSighting {
    /// Its id.
    pub socket: SocketId,
    /// The hub of its app.
    pub hub: HubId,
    /// When it opened, in tenths of a second since the start of the process.
    pub opened: u32,
    /// The address of the client, if it is known.
    pub address: Option<IpAddr>,
    /// Memory of the frames that wait for it.
    pub outbox_bytes: usize,
    /// Whether it negotiated permessage-deflate.
    pub is_deflated: bool,
    /// Of its connection.
    pub line: LineFacts,
}

impl SocketSighting {
    /// How long it is open.
    pub fn age(&self) -> Duration {
        Duration::from_millis(100 * u64::from(tenths_since_start().saturating_sub(self.opened)))
    }
}

/// A socket that ended.
#[derive(Debug, Clone)]
pub struct ClosedSocket {
    /// As it was then.
    pub socket: SocketSighting,
    /// How it ended.
    pub by: ClosedBy,
    /// When.
    pub at: Instant,
}
