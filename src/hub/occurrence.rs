//! What happens on channels that somebody outside may want to be told.
//!
//! Handed to a [`Witness`] under the channel's lock, so the order is the channel's order.

use std::sync::Arc;

use crate::app::WebhookEvent;
use crate::protocol::{ChannelName, SocketId};

/// One thing that happened on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// Where.
    pub channel: ChannelName,
    /// What.
    pub what: What,
    /// Whoever left has stayed away for a while, as the cluster saw: nothing more to wait for.
    pub waited: bool,
}

/// The kinds of occurrence, with what each has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The first subscriber.
    Occupied,
    /// The last one left.
    Vacated,
    /// A user's first socket joined.
    MemberAdded(Arc<str>),
    /// A user's last socket left.
    MemberRemoved(Arc<str>),
    /// A client event was relayed.
    ClientEvent {
        /// Its name.
        event: String,
        /// Its payload, as relayed.
        data: String,
        /// Whose.
        socket_id: SocketId,
        /// As whom, on presence channels.
        user_id: Option<Arc<str>>,
    },
    /// A subscriber found no cached event.
    CacheMiss,
    /// The subscribers were counted.
    SubscriptionCount(usize),
}

impl What {
    /// The webhook event this is told as.
    pub fn event(&self) -> WebhookEvent {
        match self {
            Self::Occupied => WebhookEvent::ChannelOccupied,
            Self::Vacated => WebhookEvent::ChannelVacated,
            Self::MemberAdded(_) => WebhookEvent::MemberAdded,
            Self::MemberRemoved(_) => WebhookEvent::MemberRemoved,
            Self::ClientEvent { .. } => WebhookEvent::ClientEvent,
            Self::CacheMiss => WebhookEvent::CacheMiss,
            Self::SubscriptionCount(_) => WebhookEvent::SubscriptionCount,
        }
    }
}

/// Somebody who is told. Called with locks held: it takes note and returns.
pub trait Witness: Send + Sync {
    /// This happened.
    fn saw(&self, occurrence: Occurrence);
}
