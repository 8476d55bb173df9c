//! Channel names: the only module that reads their prefixes and characters.
//!
//! A [`ChannelName`] is valid by construction: it needs no second check, is written into JSON without
//! escaping, and carries its type.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A valid channel name with the type that its prefix stands for. Cheap to clone.
#[derive(Clone)]
pub struct ChannelName {
    text: Arc<str>,
    channel_type: ChannelType,
    cache: bool,
}

/// The type of a channel, which decides who may subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelType {
    /// No prefix: open to every client.
    Public,
    /// `private-`: a subscription needs a signature of the back end.
    Private,
    /// `private-encrypted-`: a private channel whose payload only clients can decrypt.
    Encrypted,
    /// `presence-`: a private channel whose members see each other.
    Presence,
    /// `#server-to-user-{id}`: reserved for the sockets that are signed in as that user.
    ServerToUser,
}

/// Why a text is not a channel name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidChannelName {
    /// The text is empty.
    #[error("the channel name is empty")]
    Empty,
    /// The text is longer than the app allows.
    #[error(
        "the channel name has {bytes} bytes; the limit is {bytes_max} (max_channel_name_bytes)"
    )]
    TooLong {
        /// The length of the text.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The text holds a character outside Pusher's set.
    #[error("the channel name holds {0:?}; allowed are A-Z a-z 0-9 and _ - = @ , . ;")]
    Character(char),
    /// The text starts with `#`, but is not `#server-to-user-{id}`.
    #[error("channel names starting with # are reserved; only #server-to-user-{{id}} exists")]
    Reserved,
}

/// The prefix of the channel of one user.
const SERVER_TO_USER: &str = "#server-to-user-";

/// Each prefix with its type and whether it marks a cache channel; the longest of those with a common
/// start stands first.
const PREFIXES: [(&str, ChannelType, bool); 7] = [
    ("private-encrypted-cache-", ChannelType::Encrypted, true),
    ("private-encrypted-", ChannelType::Encrypted, false),
    ("private-cache-", ChannelType::Private, true),
    ("private-", ChannelType::Private, false),
    ("presence-cache-", ChannelType::Presence, true),
    ("presence-", ChannelType::Presence, false),
    ("cache-", ChannelType::Public, true),
];

impl ChannelType {
    /// The name of a channel of this type that keeps no event, with `rest` behind its prefix.
    pub fn named(self, rest: &str) -> String {
        let of_type = |(_, its, cache): &&(&str, Self, bool)| *its == self && !cache;
        let prefix = match self {
            Self::ServerToUser => SERVER_TO_USER,
            _ => PREFIXES.iter().find(of_type).map_or("", |(prefix, ..)| prefix),
        };
        format!("{prefix}{rest}")
    }
}

impl ChannelName {
    /// Validates a name that a client or a back end sent.
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

    /// The type of the channel.
    pub fn channel_type(&self) -> ChannelType {
        self.channel_type
    }

    /// Whether its last event is cached and sent to new subscribers.
    pub fn is_cache(&self) -> bool {
        self.cache
    }

    /// Whether clients decrypt every message of the channel, so that the server may send nothing of
    /// its own there.
    pub fn is_encrypted(&self) -> bool {
        self.channel_type == ChannelType::Encrypted
    }

    /// Whether it has a roster.
    pub fn is_presence(&self) -> bool {
        self.channel_type == ChannelType::Presence
    }

    /// Whether a subscription needs a signature of the back end.
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

/// `text` without the prefix of its type and without further ones behind it, which is what a page and a back
/// end both mean; and how many prefixes it had.
pub fn bare_name(text: &str) -> (&str, usize) {
    let (mut bare, mut prefixes) = (text, 0);
    let prefix_of = |bare: &str| PREFIXES.iter().find(|(prefix, ..)| bare.starts_with(prefix));
    while let Some((prefix, ..)) = prefix_of(bare) {
        (bare, prefixes) = (&bare[prefix.len()..], prefixes + 1);
    }
    (bare, prefixes)
}

/// The names of the channels of every type with this bare name, cache channels included.
pub fn typed_names(bare: &str) -> impl Iterator<Item = String> + '_ {
    let prefixes = PREFIXES.iter().map(|(prefix, ..)| *prefix).chain([""]);
    prefixes.map(move |prefix| format!("{prefix}{bare}"))
}

/// The type of a channel, and the name that a back end gives the class of the type, which adds the prefix.
pub fn without_type(text: &str) -> (ChannelType, &str) {
    let channel_type = ChannelType::of_prefix(text);
    let of_type = |(_, kind, cache): &&(&str, ChannelType, bool)| *kind == channel_type && !cache;
    let prefix = PREFIXES.iter().find(of_type).map_or("", |(prefix, ..)| prefix);
    (channel_type, text.strip_prefix(prefix).unwrap_or(text))
}

/// The type, and whether it is a cache channel.
fn traits_of_prefix(text: &str) -> (ChannelType, bool) {
    let prefix = PREFIXES.iter().find(|(prefix, ..)| text.starts_with(prefix));
    prefix.map_or((ChannelType::Public, false), |&(_, kind, cache)| (kind, cache))
}

/// Pusher's set. It has no quote, backslash or control character, so names are safe in JSON and logs.
fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-=@,.;".contains(c)
}

impl PartialEq for ChannelName {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ChannelName {}

impl PartialOrd for ChannelName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ChannelName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

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

impl AsRef<str> for ChannelName {
    fn as_ref(&self) -> &str {
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
    use super::{
        ChannelName, ChannelType, InvalidChannelName, bare_name, typed_names, user_channel,
        user_of_channel, without_type,
    };
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
        // Reverb matches prefixes without their dash; Sockudo and soketi match them anywhere in the name.
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
    fn a_bare_name_has_lost_every_prefix() {
        for (text, bare) in [
            ("orders.1", ("orders.1", 0)),
            ("private-orders.1", ("orders.1", 1)),
            ("private-encrypted-cache-orders.1", ("orders.1", 1)),
            ("private-private-orders.1", ("orders.1", 2)),
            ("presence-private-orders.1", ("orders.1", 2)),
            ("cache-private-orders.1", ("orders.1", 2)),
            ("private-", ("", 1)),
        ] {
            assert_eq!(bare_name(text), bare, "{text}");
        }
        let names: Vec<String> = typed_names("x").collect();
        assert_eq!(names.len(), 8);
        assert!(names.iter().all(|name| bare_name(name).0 == "x"), "{names:?}");
    }

    #[test]
    fn the_class_of_a_type_adds_its_prefix() {
        for (text, expected) in [
            ("orders", (ChannelType::Public, "orders")),
            ("cache-orders", (ChannelType::Public, "cache-orders")),
            ("private-cache-orders", (ChannelType::Private, "cache-orders")),
            ("private-encrypted-cache-x", (ChannelType::Encrypted, "cache-x")),
            ("presence-room", (ChannelType::Presence, "room")),
        ] {
            assert_eq!(without_type(text), expected, "{text}");
        }
    }

    #[test]
    fn each_invalid_name_has_its_error() {
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
