//! A join that waits until Redis has confirmed the subscription to the topic of its channel.

use crate::protocol::session::Relay;
use crate::protocol::{Member, SocketId};

/// The join of one socket.
#[derive(Debug)]
pub struct HeldJoin {
    /// The socket.
    pub socket: SocketId,
    /// Its member, on a presence channel.
    pub member: Option<Member>,
    /// Further subscriptions of the socket, each answered like the first.
    pub repeats: u32,
    /// Client events of the socket, published once it has joined.
    pub relays: Vec<Relay>,
}

impl HeldJoin {
    /// A join to be held.
    pub fn new(socket: SocketId, member: Option<&Member>) -> Self {
        Self { socket, member: member.cloned(), repeats: 0, relays: Vec::new() }
    }
}
