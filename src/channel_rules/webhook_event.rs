//! What happens on a channel and back ends may receive: one value from the place where it happens to
//! the body of the call.
//!
//! Handed to a [`WebhookSink`] under the lock that made the change, so the order of the events is the
//! channel's order.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::app::WebhookKind;
use crate::protocol::{ChannelName, SocketId};

/// One event of a webhook call, serialised with Pusher's names and fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEvent {
    /// The channel it happened on.
    pub channel: ChannelName,
    /// What happened.
    pub payload: WebhookPayload,
    /// A leave that has stood for [`LEAVE_DELAY`](super::LEAVE_DELAY) already, or an event that needs
    /// no delay: nothing cancels it any more.
    pub is_final: bool,
}

impl WebhookEvent {
    /// Whether it waits for a return that cancels it.
    pub fn is_held(&self) -> bool {
        let is_leave = matches!(
            self.payload,
            WebhookPayload::ChannelVacated | WebhookPayload::MemberRemoved(_)
        );
        is_leave && !self.is_final
    }
}

/// The kinds of [`WebhookEvent`], each with its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookPayload {
    /// The channel has its first subscriber.
    ChannelOccupied,
    /// The channel's last subscriber left.
    ChannelVacated,
    /// The first socket of this user joined.
    MemberAdded(Arc<str>),
    /// The last socket of this user left.
    MemberRemoved(Arc<str>),
    /// A client event was published.
    ClientEvent {
        /// The event's name.
        event: String,
        /// The event's data, as the subscribers receive it.
        data: String,
        /// The socket that sent it.
        socket_id: SocketId,
        /// The sender's user, on presence channels.
        user_id: Option<Arc<str>>,
    },
    /// A subscriber of a cache channel found no cached event.
    CacheMiss,
    /// The number of subscribers changed to this.
    SubscriptionCount(usize),
}

/// Where the channels of an app send their webhook events.
pub trait WebhookSink: Send + Sync {
    /// Queues an event. Called with locks held, so it does not wait.
    fn send(&self, event: WebhookEvent);

    /// Whether the app has webhooks now; without any, no event needs to be made.
    fn is_on(&self) -> bool {
        true
    }
}

impl WebhookPayload {
    /// The kind that configuration and calls name.
    pub fn kind(&self) -> WebhookKind {
        match self {
            Self::ChannelOccupied => WebhookKind::ChannelOccupied,
            Self::ChannelVacated => WebhookKind::ChannelVacated,
            Self::MemberAdded(_) => WebhookKind::MemberAdded,
            Self::MemberRemoved(_) => WebhookKind::MemberRemoved,
            Self::ClientEvent { .. } => WebhookKind::ClientEvent,
            Self::CacheMiss => WebhookKind::CacheMiss,
            Self::SubscriptionCount(_) => WebhookKind::SubscriptionCount,
        }
    }
}

impl Serialize for WebhookEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("name", self.payload.kind().name())?;
        fields.serialize_entry("channel", self.channel.as_str())?;
        match &self.payload {
            WebhookPayload::ChannelOccupied
            | WebhookPayload::ChannelVacated
            | WebhookPayload::CacheMiss => {}
            WebhookPayload::MemberAdded(user_id) | WebhookPayload::MemberRemoved(user_id) => {
                fields.serialize_entry("user_id", user_id)?;
            }
            WebhookPayload::ClientEvent { event, data, socket_id, user_id } => {
                fields.serialize_entry("event", event)?;
                fields.serialize_entry("data", data)?;
                fields.serialize_entry("socket_id", &socket_id.to_string())?;
                if let Some(user_id) = user_id {
                    fields.serialize_entry("user_id", user_id)?;
                }
            }
            WebhookPayload::SubscriptionCount(count) => {
                fields.serialize_entry("subscription_count", count)?;
            }
        }
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::{WebhookEvent, WebhookPayload};
    use crate::protocol::{ChannelName, SocketId};

    fn check(payload: WebhookPayload, expected: &str) {
        let channel = ChannelName::parse("presence-a", 164).unwrap();
        let event = WebhookEvent { channel, payload, is_final: false };
        assert_eq!(serde_json::to_string(&event).unwrap(), expected);
    }

    #[test]
    fn each_event_has_the_fields_of_pushers_documentation() {
        check(
            WebhookPayload::ChannelOccupied,
            r#"{"name":"channel_occupied","channel":"presence-a"}"#,
        );
        check(
            WebhookPayload::ChannelVacated,
            r#"{"name":"channel_vacated","channel":"presence-a"}"#,
        );
        check(
            WebhookPayload::MemberAdded("7".into()),
            r#"{"name":"member_added","channel":"presence-a","user_id":"7"}"#,
        );
        check(
            WebhookPayload::MemberRemoved("7".into()),
            r#"{"name":"member_removed","channel":"presence-a","user_id":"7"}"#,
        );
        check(WebhookPayload::CacheMiss, r#"{"name":"cache_miss","channel":"presence-a"}"#);
        check(
            WebhookPayload::SubscriptionCount(3),
            r#"{"name":"subscription_count","channel":"presence-a","subscription_count":3}"#,
        );
        let client_event = WebhookPayload::ClientEvent {
            event: "client-typing".into(),
            data: "{\"a\":1}".into(),
            socket_id: SocketId::parse("1.2").unwrap(),
            user_id: Some("7".into()),
        };
        check(
            client_event,
            r#"{"name":"client_event","channel":"presence-a","event":"client-typing","data":"{\"a\":1}","socket_id":"1.2","user_id":"7"}"#,
        );
    }
}
