//! Where an app wants to be told what happens on its channels, and of what.

use std::fmt;
use std::time::Duration;

/// One endpoint of an app.
#[derive(Clone)]
pub struct Webhook {
    /// Where to POST to.
    pub url: String,
    /// Of what; empty: of everything.
    pub events: Vec<WebhookEvent>,
    /// Only channels whose name starts so.
    pub channel_prefix: String,
    /// Only channels whose name ends so.
    pub channel_suffix: String,
    /// Further header fields; `X-Pusher-…` cannot be among them.
    pub headers: Vec<(String, String)>,
    /// How long events are gathered into one call; zero: one event a call.
    pub batch_window: Duration,
}

/// What can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WebhookEvent {
    /// A channel got its first subscriber.
    ChannelOccupied,
    /// A channel lost its last one, and nobody came back for 3 s.
    ChannelVacated,
    /// A user joined a presence channel.
    MemberAdded,
    /// A user left one, and did not come back for 3 s.
    MemberRemoved,
    /// A client event was relayed.
    ClientEvent,
    /// Somebody subscribed to a cache channel that has no event.
    CacheMiss,
    /// The number of subscribers changed.
    SubscriptionCount,
}

impl WebhookEvent {
    /// Every event, in the order of Pusher's documentation.
    pub const ALL: [Self; 7] = [
        Self::ChannelOccupied,
        Self::ChannelVacated,
        Self::MemberAdded,
        Self::MemberRemoved,
        Self::ClientEvent,
        Self::CacheMiss,
        Self::SubscriptionCount,
    ];

    /// Its name in configuration and calls.
    pub fn name(self) -> &'static str {
        match self {
            Self::ChannelOccupied => "channel_occupied",
            Self::ChannelVacated => "channel_vacated",
            Self::MemberAdded => "member_added",
            Self::MemberRemoved => "member_removed",
            Self::ClientEvent => "client_event",
            Self::CacheMiss => "cache_miss",
            Self::SubscriptionCount => "subscription_count",
        }
    }

    /// The event of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }
}

impl Webhook {
    /// Whether this endpoint wants to hear of this.
    pub fn wants(&self, event: WebhookEvent, channel: &str) -> bool {
        (self.events.is_empty() || self.events.contains(&event))
            && channel.starts_with(&self.channel_prefix)
            && channel.ends_with(&self.channel_suffix)
    }
}

/// Without the values of header fields: tokens stand there.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("url", &self.url)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}
