//! The webhook endpoints of an app: where to send events of its channels, and which.
//!
//! Values only: calls and jobs are made by `webhook`.

use std::fmt;
use std::time::Duration;

use super::laravel_queue::LaravelQueue;

/// One endpoint of an app, as configured.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The target as messages name it: without user name and password.
    pub url: String,
    /// What becomes of an event there.
    pub target: WebhookTarget,
    /// The kinds to send; empty: all.
    pub events: Vec<WebhookKind>,
    /// Only events of channels whose name starts with this.
    pub channel_prefix: String,
    /// Only events of channels whose name ends with this.
    pub channel_suffix: String,
    /// How long events are collected into one call; zero: none waits for others.
    pub batch_window: Duration,
}

/// What becomes of the events of an endpoint.
#[derive(Clone, PartialEq, Eq)]
pub enum WebhookTarget {
    /// The body of a POST request to the url.
    Http {
        /// Further header fields; `X-Pusher-…` cannot be among them.
        headers: Vec<(String, String)>,
    },
    /// A job each in a queue of Laravel.
    LaravelQueue(Box<LaravelQueue>),
}

/// The kinds of webhook events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WebhookKind {
    /// A channel has its first subscriber.
    ChannelOccupied,
    /// A channel has had no subscriber for 3 s.
    ChannelVacated,
    /// A user joined a presence channel.
    MemberAdded,
    /// A user left a presence channel and did not return within 3 s.
    MemberRemoved,
    /// A client event was published.
    ClientEvent,
    /// A subscriber of a cache channel found no cached event.
    CacheMiss,
    /// The number of subscribers of a channel changed.
    SubscriptionCount,
}

impl WebhookKind {
    /// All kinds, in the order of Pusher's documentation.
    pub const ALL: [Self; 7] = [
        Self::ChannelOccupied,
        Self::ChannelVacated,
        Self::MemberAdded,
        Self::MemberRemoved,
        Self::ClientEvent,
        Self::CacheMiss,
        Self::SubscriptionCount,
    ];

    /// The name in configuration and calls.
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

    /// The kind that an event of this kind may call off, and the other way round.
    fn counterpart(self) -> Option<Self> {
        match self {
            Self::ChannelOccupied => Some(Self::ChannelVacated),
            Self::ChannelVacated => Some(Self::ChannelOccupied),
            Self::MemberAdded => Some(Self::MemberRemoved),
            Self::MemberRemoved => Some(Self::MemberAdded),
            Self::ClientEvent | Self::CacheMiss | Self::SubscriptionCount => None,
        }
    }

    /// The kind of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Webhook {
    /// Whether this endpoint receives events of this kind on this channel, or those that one of this kind may call off: a
    /// channel that is occupied again within 3 s was never vacated, and a member that returns never left.
    pub fn is_concerned(&self, kind: WebhookKind, channel: &str) -> bool {
        self.receives(kind, channel)
            || kind.counterpart().is_some_and(|other| self.receives(other, channel))
    }

    /// Whether this endpoint receives events of this kind on this channel.
    pub fn receives(&self, kind: WebhookKind, channel: &str) -> bool {
        (self.events.is_empty() || self.events.contains(&kind))
            && channel.starts_with(&self.channel_prefix)
            && channel.ends_with(&self.channel_suffix)
    }
}

/// Leaves out the target, which may have tokens.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("url", &self.url)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}
