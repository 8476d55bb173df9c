//! What can happen, as values; [`row`](mod@super::row) writes them as JSON.
//!
//! Every value has a bound, since it may wait in a ring.

use std::net::IpAddr;

use serde::Serialize;

use super::payload::Payload;
use super::refusal::Refusal;
use super::socket_text::{as_text, one_as_text};
use crate::protocol::SocketId;

/// Something that happened on this node.
#[derive(Debug, Clone)]
pub struct Occurrence {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The id of the app that it concerns.
    pub app: Option<String>,
    /// What happened.
    pub what: What,
}

/// The kinds of occurrences, by which a viewer chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OccurrenceKind {
    /// An event was accepted for publishing.
    Trigger,
    /// An event was queued for sockets of this node.
    Delivery,
    /// A socket joined a channel.
    Subscribed,
    /// A socket left a channel.
    Unsubscribed,
    /// A socket opened.
    Connected,
    /// A socket ended.
    Closed,
    /// Something was refused.
    Refused,
    /// An endpoint of a back end was called.
    Webhook,
}

/// What happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// An event was accepted for publishing.
    Trigger(Published),
    /// An event was queued for sockets of this node.
    Delivery(Delivery),
    /// A socket joined a channel.
    Subscribed(JoinOrLeave),
    /// A socket left a channel.
    Unsubscribed(JoinOrLeave),
    /// A socket opened.
    Connected(Connection),
    /// A socket ended.
    Closed(Closing),
    /// Something was refused.
    Refused(Refusal),
    /// An endpoint of a back end was called.
    Webhook(WebhookCall),
}

/// What became of an event, or of what a peer asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventOutcome {
    /// Sockets receive the event.
    Delivered,
    /// No socket receives it.
    Missed,
    /// It was refused.
    Refused,
}

/// Where an event came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerSource {
    /// A request to the HTTP API.
    Http,
    /// Laravel's `redis` broadcaster.
    RedisInput,
    /// A client.
    ClientEvent,
    /// A Reverb beside this server.
    Reverb,
}

/// An event that was accepted for publishing.
#[derive(Debug, Clone, Serialize)]
pub struct Published {
    /// The id of its trigger, by which its explanation is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether a socket receives it; `None` where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<EventOutcome>,
    /// Where it came from.
    pub source: TriggerSource,
    /// Its channels.
    pub channels: Vec<String>,
    /// Its name on the wire.
    pub event: String,
    /// The socket that does not receive it; of a client event, its sender.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub except: Option<SocketId>,
    /// The subscribers on this node, over all of its channels, the excepted socket among them; `None` where
    /// Redis numbers the event first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribers: Option<usize>,
    /// Its data; written by [`row`](mod@super::row).
    #[serde(skip)]
    pub payload: Payload,
}

/// An event that was queued for sockets of this node.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// The channel.
    pub channel: String,
    /// Its name on the wire.
    pub event: String,
    /// The socket that does not receive it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub except: Option<SocketId>,
    /// The subscribers on this node, the excepted socket among them; at least one.
    pub subscribers: usize,
    /// Its data; written by [`row`](mod@super::row).
    #[serde(skip)]
    pub payload: Payload,
}

/// A join or a leave.
#[derive(Debug, Clone, Serialize)]
pub struct JoinOrLeave {
    /// The socket.
    #[serde(serialize_with = "one_as_text")]
    pub socket: SocketId,
    /// The channel.
    pub channel: String,
    /// The member of a presence channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

/// A socket that opened.
#[derive(Debug, Clone, Serialize)]
pub struct Connection {
    /// The socket.
    #[serde(serialize_with = "one_as_text")]
    pub socket: SocketId,
    /// The address of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
}

/// A socket that ended.
#[derive(Debug, Clone, Serialize)]
pub struct Closing {
    /// The socket.
    #[serde(serialize_with = "one_as_text")]
    pub socket: SocketId,
    /// The side that ended it: `server`, `client`, or `network` without a close frame.
    pub by: &'static str,
    /// The code of the close frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The reason of the server, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// A call of an endpoint of a back end.
#[derive(Debug, Clone, Serialize)]
pub struct WebhookCall {
    /// Its address, without credentials.
    pub url: String,
    /// The events of the call.
    pub events: usize,
    /// What came of it, as the metrics have it.
    pub result: &'static str,
    /// Milliseconds until the answer.
    pub took_ms: u64,
    /// It was given up before, and an operator had it sent again.
    #[serde(rename = "resent", skip_serializing_if = "std::ops::Not::not")]
    pub is_resent: bool,
}

impl EventOutcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Missed, Self::Refused];

    /// Its name in rows and filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Missed => "missed",
            Self::Refused => "refused",
        }
    }

    /// The outcome with this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

impl OccurrenceKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Trigger,
        Self::Delivery,
        Self::Subscribed,
        Self::Unsubscribed,
        Self::Connected,
        Self::Closed,
        Self::Refused,
        Self::Webhook,
    ];

    pub(super) fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Its name in rows and filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Delivery => "delivery",
            Self::Subscribed => "subscribed",
            Self::Unsubscribed => "unsubscribed",
            Self::Connected => "connected",
            Self::Closed => "closed",
            Self::Refused => "refused",
            Self::Webhook => "webhook",
        }
    }

    /// The kind with this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl What {
    /// Its kind.
    pub fn kind(&self) -> OccurrenceKind {
        match self {
            Self::Trigger(_) => OccurrenceKind::Trigger,
            Self::Delivery(_) => OccurrenceKind::Delivery,
            Self::Subscribed(_) => OccurrenceKind::Subscribed,
            Self::Unsubscribed(_) => OccurrenceKind::Unsubscribed,
            Self::Connected(_) => OccurrenceKind::Connected,
            Self::Closed(_) => OccurrenceKind::Closed,
            Self::Refused(_) => OccurrenceKind::Refused,
            Self::Webhook(_) => OccurrenceKind::Webhook,
        }
    }

    /// What became of it, if that is a question.
    pub(super) fn outcome(&self) -> Option<EventOutcome> {
        match self {
            Self::Trigger(trigger) => trigger.outcome,
            Self::Delivery(_) => Some(EventOutcome::Delivered),
            Self::Refused(_) => Some(EventOutcome::Refused),
            _ => None,
        }
    }

    /// The channels that it concerns.
    pub(super) fn channels(&self) -> &[String] {
        match self {
            Self::Trigger(trigger) => &trigger.channels,
            Self::Delivery(delivery) => std::slice::from_ref(&delivery.channel),
            Self::Subscribed(join) | Self::Unsubscribed(join) => {
                std::slice::from_ref(&join.channel)
            }
            Self::Refused(refusal) => refusal.channel.as_slice(),
            Self::Connected(_) | Self::Closed(_) | Self::Webhook(_) => &[],
        }
    }

    /// The name of its event.
    pub(super) fn event(&self) -> Option<&str> {
        match self {
            Self::Trigger(trigger) => Some(&trigger.event),
            Self::Delivery(delivery) => Some(&delivery.event),
            _ => None,
        }
    }

    /// The socket that it concerns.
    pub(super) fn socket(&self) -> Option<SocketId> {
        match self {
            Self::Trigger(trigger) => trigger.except,
            Self::Delivery(delivery) => delivery.except,
            Self::Subscribed(join) | Self::Unsubscribed(join) => Some(join.socket),
            Self::Connected(connection) => Some(connection.socket),
            Self::Closed(closing) => Some(closing.socket),
            Self::Refused(refusal) => refusal.socket,
            Self::Webhook(_) => None,
        }
    }

    /// Its data.
    pub(super) fn payload(&self) -> Option<&Payload> {
        match self {
            Self::Trigger(trigger) => Some(&trigger.payload),
            Self::Delivery(delivery) => Some(&delivery.payload),
            _ => None,
        }
    }

    /// About the bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        let texts = match self {
            Self::Trigger(trigger) => {
                let channels: usize = trigger.channels.iter().map(|name| name.len() + 24).sum();
                channels + trigger.event.len() + trigger.payload.kept_bytes()
            }
            Self::Delivery(delivery) => {
                delivery.channel.len() + delivery.event.len() + delivery.payload.kept_bytes()
            }
            Self::Subscribed(join) | Self::Unsubscribed(join) => {
                join.channel.len() + join.user_id.as_ref().map_or(0, String::len)
            }
            Self::Refused(refusal) => {
                let texts = [&refusal.channel, &refusal.origin, &refusal.client];
                refusal.cause.len() + texts.into_iter().flatten().map(String::len).sum::<usize>()
            }
            Self::Webhook(call) => call.url.len(),
            Self::Connected(_) | Self::Closed(_) => 0,
        };
        size_of::<Occurrence>() + texts
    }
}
