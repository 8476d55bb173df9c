//! What the name of an event of a back end may be, whichever way the event comes.

use crate::app::AppLimits;

/// Prefixes of the event names of the server, which a back end must not imitate.
const RESERVED_PREFIXES: [&str; 2] = ["pusher:", "pusher_internal:"];

/// Why a text is no name of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEventName {
    /// The text is empty.
    #[error("name is empty: every event needs a name")]
    Empty,
    /// The text is longer than the app allows.
    #[error("name has {chars} characters; the limit is {chars_max} (max_event_name_chars)")]
    TooLong {
        /// The length of the text.
        chars: usize,
        /// The limit.
        chars_max: usize,
    },
    /// The text begins as the names of the server do.
    #[error("event names starting with {0} are reserved")]
    Reserved(&'static str),
}

/// Checks the name of an event that a back end publishes.
pub fn check_event_name(name: &str, limits: &AppLimits) -> Result<(), InvalidEventName> {
    let (chars, chars_max) = (name.chars().count(), limits.event_name_chars);
    if name.is_empty() {
        return Err(InvalidEventName::Empty);
    }
    if chars > chars_max {
        return Err(InvalidEventName::TooLong { chars, chars_max });
    }
    match RESERVED_PREFIXES.iter().find(|prefix| name.starts_with(*prefix)) {
        Some(prefix) => Err(InvalidEventName::Reserved(prefix)),
        None => Ok(()),
    }
}
