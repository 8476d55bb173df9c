//! Suggestions for a name that is not known: what a renamed key is called now, or the nearest spelling.
//!
//! Owns the list of renamed keys and the distance up to which a name counts as a typo. Which names are
//! known is the caller's.

/// Keys of earlier versions and their names today.
const RENAMED: [(&str, &str); 24] = [
    ("server.shards", "server.workers"),
    ("http.body_bytes", "http.max_body_bytes"),
    ("http.head_bytes", "http.max_header_bytes"),
    ("http.head_fields", "http.max_headers"),
    ("http.head_timeout_seconds", "http.header_timeout_seconds"),
    ("http.pending_connections", "http.max_pending_connections"),
    ("websocket.deflate_bytes_min", "websocket.deflate_min_bytes"),
    ("websocket.fragments", "websocket.max_fragments"),
    ("webhooks.answer_timeout_seconds", "webhooks.request_timeout_seconds"),
    ("webhooks.retry_seconds", "webhooks.retry_for_seconds"),
    ("cluster.patience_ms", "cluster.local_delivery_after_ms"),
    ("cluster.wire", "cluster.transport"),
    ("app.pong_timeout", "app.pong_timeout_seconds"),
    ("app.authorization_timeout", "app.authorization_timeout_seconds"),
    ("app.client_events_per_second", "app.max_client_events_per_second"),
    ("app.watchlist_users", "app.max_watchlist_users"),
    ("app.channel_name_bytes", "app.max_channel_name_bytes"),
    ("app.event_name_chars", "app.max_event_name_chars"),
    ("app.event_data_bytes", "app.max_event_data_bytes"),
    ("app.channels_per_event", "app.max_channels_per_event"),
    ("app.events_per_batch", "app.max_events_per_batch"),
    ("app.presence_members", "app.max_presence_members"),
    ("app.presence_user_id_bytes", "app.max_presence_user_id_bytes"),
    ("app.presence_user_info_bytes", "app.max_presence_user_info_bytes"),
];

/// The key's name today, if `is_old` recognises the name it had.
pub(super) fn renamed(is_old: impl Fn(&str) -> bool) -> Option<&'static str> {
    RENAMED.iter().find(|(old, _)| is_old(old)).map(|(_, new)| *new)
}

/// The name that differs from `text` in the fewest letters, if they are few enough for a typo.
pub(super) fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters: what differs in more is another name.
    let bound = text.len() / 3;
    let measured = names.map(|name| (strsim::osa_distance(text, name), name));
    measured.min().filter(|(distance, _)| *distance <= bound).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::{RENAMED, nearest};
    use crate::config::schema::Schema;

    #[test]
    fn only_near_names_are_suggested() {
        let names = || ["SERVER_PORT", "SERVER_HOST", "LOG_LEVEL"].into_iter();
        assert_eq!(nearest("SERVER_PROT", names()), Some("SERVER_PORT"));
        assert_eq!(nearest("LOGLEVEL", names()), Some("LOG_LEVEL"));
        assert_eq!(nearest("COLOUR", names()), None);
    }

    #[test]
    fn a_renamed_key_leads_to_one_that_exists() {
        let schema = Schema::new();
        let exists = |name: &str| schema.names().any(|key| key == name);
        for (old, new) in RENAMED {
            assert!(!exists(old) && exists(new), "{old} is now {new}");
        }
    }

    /// Refusals name the key that raises a limit, as `(key)` or after `raise`.
    #[test]
    fn no_text_names_a_key_that_was_renamed() {
        let texts = [
            include_str!("../http/events.rs"),
            include_str!("../http/body.rs"),
            include_str!("../protocol/channel_name.rs"),
            include_str!("../protocol/member.rs"),
            include_str!("../protocol/session.rs"),
            include_str!("../protocol/user.rs"),
        ];
        for (old, new) in RENAMED {
            let key = old.rsplit('.').next().unwrap();
            for named in [format!("({key})"), format!("raise {key}"), format!("\"{key}\"")] {
                assert!(
                    texts.iter().all(|text| !text.contains(&named)),
                    "{named}: it is now {new}"
                );
            }
        }
    }
}
