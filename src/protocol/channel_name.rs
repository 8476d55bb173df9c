//! Channel names: the only place that looks at prefixes and at characters.
//!
//! A [`ChannelName`] cannot be wrong: whoever holds one need not check it again, may write it
//! into JSON without escaping, and asks it for its type.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A checked channel name and what its prefix makes of it. Cheap to clone.
#[derive(Clone)]
pub struct ChannelName {
    text: Arc<str>,
    channel_type: ChannelType,
    cache: bool,
}

/// What a prefix asks of subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelType {
    /// Anybody may listen.
    Public,
    /// `private-`: a signature of the back end is needed.
    Private,
    /// `private-encrypted-`: to the server a private channel; the payload is opaque.
    Encrypted,
    /// `presence-`: a signature, and everybody sees who is there.
    Presence,
    /// `#server-to-user-{id}`: the sockets signed in as that user, and nobody else.
    ServerToUser,
}

/// Why a text is no channel name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidChannelName {
    /// No characters at all.
    #[error("the channel name is empty")]
    Empty,
    /// Over the app's bound.
    #[error("the channel name has {bytes} bytes; the limit is {bytes_max} (channel_name_bytes)")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// Outside Pusher's set.
    #[error("the channel name holds {0:?}; allowed are A-Z a-z 0-9 and _ - = @ , . ;")]
    Character(char),
    /// `#` and not `#server-to-user-{id}`.
    #[error("channel names starting with # are reserved; only #server-to-user-{{id}} exists")]
    Reserved,
}

/// The prefix of the channel of one user.
const SERVER_TO_USER: &str = "#server-to-user-";

/// Longest first, so that `private-encrypted-cache-` is not taken for `private-`.
const PREFIXES: [(&str, ChannelType, bool); 7] = [
    ("private-encrypted-cache-", ChannelType::Encrypted, true),
    ("private-encrypted-", ChannelType::Encrypted, false),
    ("private-cache-", ChannelType::Private, true),
    ("private-", ChannelType::Private, false),
    ("presence-cache-", ChannelType::Presence, true),
    ("presence-", ChannelType::Presence, false),
    ("cache-", ChannelType::Public, true),
];

impl ChannelName {
    /// Checks a name as a client or a back end sent it.
    pub fn parse(text: &str, bytes_max: usize) -> Result<Self, InvalidChannelName> {
        if text.is_empty() {
            return Err(InvalidChannelName::Empty);
        }
        if text.len() > bytes_max {
            return Err(InvalidChannelName::TooLong { bytes: text.len(), bytes_max });
        }
        if let Some(user_id) = user_of_channel(text) {
            if user_id.is_empty() || !user_id.chars().all(is_allowed) {
                return Err(InvalidChannelName::Reserved);
            }
            let channel_type = ChannelType::ServerToUser;
            return Ok(Self { text: text.into(), channel_type, cache: false });
        }
        if text.starts_with('#') {
            return Err(InvalidChannelName::Reserved);
        }
        if let Some(odd) = text.chars().find(|&c| !is_allowed(c)) {
            return Err(InvalidChannelName::Character(odd));
        }
        let (channel_type, cache) = traits_of_prefix(text);
        Ok(Self { text: text.into(), channel_type, cache })
    }

    /// The channel of one user; `None` if the id holds characters that no channel name may hold.
    pub fn server_to_user(user_id: &str, bytes_max: usize) -> Option<Self> {
        Self::parse(&user_channel(user_id), bytes_max).ok()
    }

    /// The user whose channel this is.
    pub fn user_id(&self) -> Option<&str> {
        user_of_channel(&self.text)
    }

    /// The name as sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What its prefix asks of subscribers.
    pub fn channel_type(&self) -> ChannelType {
        self.channel_type
    }

    /// Whether its last event is kept for newcomers.
    pub fn is_cache(&self) -> bool {
        self.cache
    }

    /// Whether its messages are decrypted by those who get them: nothing else belongs there.
    pub fn is_encrypted(&self) -> bool {
        self.channel_type == ChannelType::Encrypted
    }

    /// Whether it has a roster of members.
    pub fn is_presence(&self) -> bool {
        self.channel_type == ChannelType::Presence
    }

    /// Whether subscribing takes a signature of the back end.
    pub fn needs_auth(&self) -> bool {
        matches!(
            self.channel_type,
            ChannelType::Private | ChannelType::Encrypted | ChannelType::Presence
        )
    }
}

impl ChannelType {
    /// The type that the start of `text` stands for; `text` need not be a valid name.
    pub fn of_prefix(text: &str) -> Self {
        traits_of_prefix(text).0
    }
}

/// The text of the channel of one user. It is no [`ChannelName`] if the id holds characters that no
/// channel name may hold; watchlists contain such ids all the same.
pub fn user_channel(user_id: &str) -> String {
    format!("{SERVER_TO_USER}{user_id}")
}

/// The user whose channel `text` names; the inverse of [`user_channel`].
pub fn user_of_channel(text: &str) -> Option<&str> {
    text.strip_prefix(SERVER_TO_USER)
}

/// The type, and whether it is a cache channel.
fn traits_of_prefix(text: &str) -> (ChannelType, bool) {
    let prefix = PREFIXES.iter().find(|(prefix, ..)| text.starts_with(prefix));
    prefix.map_or((ChannelType::Public, false), |&(_, kind, cache)| (kind, cache))
}

/// Pusher's set. No quote, backslash or control character: a name is safe inside JSON and logs.
fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-=@,.;".contains(c)
}

impl PartialEq for ChannelName {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ChannelName {}

impl Hash for ChannelName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl std::borrow::Borrow<str> for ChannelName {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{ChannelName, ChannelType, InvalidChannelName, user_channel, user_of_channel};
    use proptest::prelude::*;

    fn check(text: &str, channel_type: ChannelType, cache: bool) {
        let name = ChannelName::parse(text, 200).unwrap();
        assert_eq!((name.channel_type(), name.is_cache()), (channel_type, cache), "{text}");
    }

    #[test]
    fn the_prefix_alone_decides_the_type() {
        use ChannelType::{Encrypted, Presence, Private, Public};
        check("orders", Public, false);
        check("cache-orders", Public, true);
        check("private-orders", Private, false);
        check("private-cache-orders", Private, true);
        check("private-encrypted-orders", Encrypted, false);
        check("private-encrypted-cache-orders", Encrypted, true);
        check("presence-room", Presence, false);
        check("presence-cache-room", Presence, true);
        // Reverb matches without the dash, Sockudo and soketi anywhere in the name.
        check("privateorders", Public, false);
        check("presenceroom", Public, false);
        check("cached-orders", Public, false);
        check("mycache-orders", Public, false);
        check("private-orders-cache-1", Private, false);
        check("presence-encrypted-room", Presence, false);
        check("my-private-orders", Public, false);
        check("private-", Private, false);
    }

    #[test]
    fn a_users_channel_is_the_only_reserved_name() {
        check("#server-to-user-7", ChannelType::ServerToUser, false);
        let name = ChannelName::parse("#server-to-user-a@b.c", 200).unwrap();
        assert_eq!(name.user_id(), Some("a@b.c"));
        assert_eq!(ChannelName::server_to_user("a b", 200), None);
        assert_eq!(user_of_channel(&user_channel("a b")), Some("a b"));
        assert_eq!(user_of_channel("presence-7"), None);
        for reserved in ["#", "#server-to-user-", "#server-to-user-\"", "#orders"] {
            assert_eq!(
                ChannelName::parse(reserved, 200),
                Err(InvalidChannelName::Reserved),
                "{reserved}"
            );
        }
    }

    #[test]
    fn what_is_no_name_says_why() {
        let check = |text: &str, why| assert_eq!(ChannelName::parse(text, 8).unwrap_err(), why);
        check("", InvalidChannelName::Empty);
        check("123456789", InvalidChannelName::TooLong { bytes: 9, bytes_max: 8 });
        for odd in [' ', ':', '#', '"', '\\', '\n', '\0', '/', '*', 'é', '{'] {
            check(&format!("a{odd}b"), InvalidChannelName::Character(odd));
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_a_name_is_json_safe(text in ".{0,40}") {
            if let Ok(name) = ChannelName::parse(&text, 164) {
                let quoted = format!("\"{name}\"");
                prop_assert_eq!(serde_json::to_string(name.as_str()).unwrap(), quoted);
            }
        }
    }
}
