//! What a shard is sent: the commands that travel through its inbox.
//!
//! Values only. [`Shards`](super::Shards) queues them, [`Shard`](super::Shard) carries them out.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::ids::{ChannelId, HubId};
use super::inbox::Weighed;
use super::outbox::Transport;
use super::sighting::ClosedSocket;
use super::socket_match::{Look, Looked};
use super::subscriber_slots::{Slot, SubscriberSlots};
use crate::protocol::{Broadcast, CloseCode, Frame, SocketId};

/// One step of a shard's work; carried out in order.
pub(super) enum ShardCommand {
    /// Take over the write side of a new socket.
    Open { hub: HubId, socket: SocketId, transport: Arc<dyn Transport>, client: Option<IpAddr> },
    /// Send one socket a frame that others caused.
    Send { socket: SocketId, frame: Frame },
    /// Send one socket the answer to a message of its own.
    Answer { socket: SocketId, frame: Frame },
    /// Send one socket these answers, then add it to a channel.
    AddSubscriber { socket: SocketId, channel: ChannelId, first: [Option<Frame>; 2] },
    /// Remove a socket from a channel.
    RemoveSubscriber { socket: SocketId, channel: ChannelId },
    /// Send a frame to every socket of a channel but one.
    Deliver { channel: ChannelId, broadcast: Broadcast, except: Option<SocketId> },
    /// Send a frame to one socket of a channel, if it is there.
    DeliverTo { socket: SocketId, channel: ChannelId, broadcast: Broadcast },
    /// Write on: a full transport takes bytes again.
    Writable { socket: SocketId },
    /// Send the reason, then close.
    End { socket: SocketId, code: CloseCode },
    /// Answer the peer's close frame, then end the stream.
    Finish { socket: SocketId, code: Option<u16> },
    /// Close this many sockets, of one hub or of all: one step of a paced drain.
    EndSome { of: Option<HubId>, count: usize, code: CloseCode },
    /// Close the sockets for which most waits, until so much of what waits on this shard is freed: `bytes` of `of`.
    EndSlowest { bytes: u64, of: u64 },
    /// Drop a socket whose transport is gone.
    Forget { socket: SocketId },
    /// Answer whether a socket is in a channel.
    Find { socket: SocketId, channel: ChannelId, answer: oneshot::Sender<Membership> },
    /// Answer which sockets are in a channel, so many at most.
    List { channel: ChannelId, most: usize, answer: oneshot::Sender<Vec<SocketId>> },
    /// Answer which of some sockets fit a question.
    Look { look: Look, answer: oneshot::Sender<Looked> },
    /// Answer which sockets ended last.
    Closed { answer: oneshot::Sender<Vec<ClosedSocket>> },
    /// Ask the connection task of a socket to describe its session.
    Describe { socket: SocketId },
}

/// Whether a socket is in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// It is.
    Subscribed,
    /// It is open on this node, and not in the channel.
    Open,
    /// No socket of this node has the id.
    NotHere,
}

impl Membership {
    /// Of the socket at a slot of its shard.
    pub(super) fn of(slot: Option<Slot>, subscribers: Option<&SubscriberSlots>) -> Self {
        let Some(slot) = slot else { return Self::NotHere };
        let is_in = subscribers.is_some_and(|slots| slots.contains(slot));
        if is_in { Self::Subscribed } else { Self::Open }
    }
}

/// Passes an answer on, whose receiver may be gone.
pub(super) fn reply<T>(receiver: oneshot::Sender<T>, answer: T) {
    let _ = receiver.send(answer);
}

impl Weighed for ShardCommand {
    fn frame_bytes(&self) -> usize {
        match self {
            Self::Send { frame, .. } | Self::Answer { frame, .. } => frame.len(),
            Self::Deliver { broadcast, .. } | Self::DeliverTo { broadcast, .. } => {
                broadcast.plain().len()
            }
            Self::AddSubscriber { first, .. } => first.iter().flatten().map(Frame::len).sum(),
            _ => 0,
        }
    }
}
