//! What a webhook call says: Pusher's names and fields.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::hub::{Occurrence, What};

/// One event of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Notice {
    name: &'static str,
    channel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    /// The payload as the text that was relayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_count: Option<usize>,
}

impl Notice {
    pub(super) fn of(occurrence: &Occurrence) -> Self {
        let mut notice = Self {
            name: occurrence.what.event().name(),
            channel: occurrence.channel.to_string(),
            event: None,
            data: None,
            socket_id: None,
            user_id: None,
            subscription_count: None,
        };
        match &occurrence.what {
            What::Occupied | What::Vacated | What::CacheMiss => {}
            What::MemberAdded(user) | What::MemberRemoved(user) => {
                notice.user_id = Some(user.to_string());
            }
            What::ClientEvent { event, data, socket_id, user_id } => {
                notice.event = Some(event.clone());
                notice.data = Some(data.clone());
                notice.socket_id = Some(socket_id.to_string());
                notice.user_id = user_id.as_ref().map(ToString::to_string);
            }
            What::SubscriptionCount(count) => notice.subscription_count = Some(*count),
        }
        notice
    }
}

/// The body of a call: these exact bytes are signed.
pub(super) fn body(events: &[Notice]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Call<'a> {
        time_ms: u64,
        events: &'a [Notice],
    }
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    serde_json::to_vec(&Call { time_ms, events }).expect("plain strings and numbers serialize")
}

#[cfg(test)]
mod tests {
    use super::Notice;
    use crate::hub::{Occurrence, What};
    use crate::protocol::{ChannelName, SocketId};

    fn check(what: What, expected: &str) {
        let channel = ChannelName::parse("presence-a", 164).unwrap();
        let notice = Notice::of(&Occurrence { channel, what, waited: false });
        assert_eq!(serde_json::to_string(&notice).unwrap(), expected);
    }

    #[test]
    fn each_event_has_the_fields_of_pushers_documentation() {
        check(What::Occupied, r#"{"name":"channel_occupied","channel":"presence-a"}"#);
        check(What::Vacated, r#"{"name":"channel_vacated","channel":"presence-a"}"#);
        check(
            What::MemberAdded("7".into()),
            r#"{"name":"member_added","channel":"presence-a","user_id":"7"}"#,
        );
        check(
            What::MemberRemoved("7".into()),
            r#"{"name":"member_removed","channel":"presence-a","user_id":"7"}"#,
        );
        check(What::CacheMiss, r#"{"name":"cache_miss","channel":"presence-a"}"#);
        check(
            What::SubscriptionCount(3),
            r#"{"name":"subscription_count","channel":"presence-a","subscription_count":3}"#,
        );
        let whisper = What::ClientEvent {
            event: "client-typing".into(),
            data: "{\"a\":1}".into(),
            socket_id: SocketId::parse("1.2").unwrap(),
            user_id: Some("7".into()),
        };
        check(
            whisper,
            r#"{"name":"client_event","channel":"presence-a","event":"client-typing","data":"{\"a\":1}","socket_id":"1.2","user_id":"7"}"#,
        );
    }
}
