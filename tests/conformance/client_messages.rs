//! The messages of a client, as pusher-js sends them, with a back end's signatures.

use serde_json::json;

use crate::credentials;

/// `pusher:subscribe`, signed where the channel needs it.
pub(crate) fn subscribe(socket_id: &str, channel: &str, channel_data: Option<&str>) -> String {
    let signs = channel.starts_with("private-") || channel.starts_with("presence-");
    let sign = || credentials::channel(socket_id, channel, channel_data);
    let auth = if signs { sign() } else { String::new() };
    let mut data = json!({ "auth": auth, "channel": channel });
    if let Some(channel_data) = channel_data {
        data["channel_data"] = channel_data.into();
    }
    json!({ "event": "pusher:subscribe", "data": data }).to_string()
}

/// `pusher:unsubscribe`.
pub(crate) fn unsubscribe(channel: &str) -> String {
    json!({ "event": "pusher:unsubscribe", "data": { "channel": channel } }).to_string()
}

/// `pusher:signin`.
pub(crate) fn sign_in(socket_id: &str, user_data: &str) -> String {
    let data = json!({ "auth": credentials::user(socket_id, user_data), "user_data": user_data });
    json!({ "event": "pusher:signin", "data": data }).to_string()
}
