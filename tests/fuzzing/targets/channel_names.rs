//! Names of channels and events, and patterns of names: accepted is what the rule says, letter by letter, and a name is
//! the same in each form it has.

use resound::app::fits_pattern;
use resound::protocol::channel_name::{
    InvalidChannelName, bare_name, typed_names, user_channel, user_of_channel, without_type,
};
use resound::protocol::{ChannelName, ChannelType, SocketId, check_event_name};

use super::Target;
use crate::bytes::Bytes;
use crate::fixture;
use crate::outcomes::reached;

pub(crate) const TARGET: Target = Target {
    name: "channel_names",
    run,
    words: &[
        "private-",
        "presence-",
        "cache-",
        "private-encrypted-",
        "encrypted-",
        "#server-to-user-",
        "#",
        "pusher:",
        "pusher_internal:",
        "client-",
        "*",
        "**",
        "é",
        "\u{85}",
        "1000000000.1",
        "\n",
    ],
    outcomes: &[
        "Public",
        "Private",
        "Encrypted",
        "Presence",
        "ServerToUser",
        "cache",
        "no name: empty",
        "no name: long",
        "no name: character",
        "no name: reserved",
        "event",
        "no event",
        "fits",
        "fits not",
        "socket",
    ],
};

fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let most = bytes.pick(&[200, 164, 20, 1]);
    let pattern_bytes = bytes.below(16);
    let Ok(pattern) = std::str::from_utf8(bytes.take(pattern_bytes)) else { return };
    let Ok(text) = std::str::from_utf8(bytes.rest()) else { return };
    channel(text, most);
    event(text);
    socket_id(text);
    let fits = fits_pattern(pattern, text);
    assert_eq!(fits, naive_fits(pattern.as_bytes(), text.as_bytes()), "{pattern:?} on {text:?}");
    reached(if fits { "fits" } else { "fits not" });
}

fn is_letter(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'=' | b'@' | b',' | b'.' | b';')
}

fn channel(text: &str, most: usize) {
    let user = text.strip_prefix("#server-to-user-");
    let is_name = match user {
        Some(user) => !user.is_empty() && user.bytes().all(is_letter),
        None => text.bytes().all(is_letter),
    };
    let is_name = is_name && !text.is_empty() && text.len() <= most;
    let name = match ChannelName::parse(text, most) {
        Err(why) => {
            assert!(!is_name, "{text:?}: {why}");
            let why = match why {
                InvalidChannelName::Empty => "empty",
                InvalidChannelName::TooLong { .. } => "long",
                InvalidChannelName::Character(_) => "character",
                InvalidChannelName::Reserved => "reserved",
            };
            return reached(&format!("no name: {why}"));
        }
        Ok(name) => name,
    };
    assert!(is_name, "{text:?} is accepted");
    assert_eq!((name.as_str(), &*name.to_string()), (text, text));
    let starts = |prefix: &str| text.starts_with(prefix);
    let expected = match () {
        () if user.is_some() => ChannelType::ServerToUser,
        () if starts("private-encrypted-") => ChannelType::Encrypted,
        () if starts("private-") => ChannelType::Private,
        () if starts("presence-") => ChannelType::Presence,
        () => ChannelType::Public,
    };
    assert_eq!(name.channel_type(), expected, "{text:?}");
    reached(&format!("{expected:?}"));
    let caches = ["cache-", "private-cache-", "private-encrypted-cache-", "presence-cache-"];
    assert_eq!(name.is_cache(), caches.into_iter().any(starts), "{text:?}");
    if name.is_cache() {
        reached("cache");
    }
    let needs_auth =
        matches!(expected, ChannelType::Private | ChannelType::Encrypted | ChannelType::Presence);
    assert_eq!(name.needs_auth(), needs_auth, "{text:?}");
    assert_eq!(serde_json::to_string(text).unwrap(), format!("\"{text}\""), "names need no escape");
    forms(&name);
}

/// The name in its other forms, and back.
fn forms(name: &ChannelName) {
    let text = name.as_str();
    assert_eq!(name.user_id().map(user_channel).as_deref(), name.user_id().map(|_| text));
    assert_eq!(user_of_channel(&user_channel(text)), Some(text));
    if let Some(user) = name.user_id() {
        assert_eq!(ChannelName::server_to_user(user, text.len()).as_ref(), Some(name));
        return;
    }
    let (bare, prefixes) = bare_name(text);
    assert!(
        text.ends_with(bare) && (prefixes == 0) == (bare == text),
        "{text:?} {bare:?} {prefixes}"
    );
    assert_eq!(bare_name(bare), (bare, 0));
    if prefixes < 2 {
        assert_eq!(typed_names(bare).filter(|typed| typed == text).count(), 1, "{text:?}");
    }
    let (channel_type, rest) = without_type(text);
    assert_eq!(channel_type.named(rest), text);
}

fn event(text: &str) {
    let limits = fixture::app().limits;
    let is_reserved = text.starts_with("pusher:") || text.starts_with("pusher_internal:");
    let is_name =
        !text.is_empty() && !is_reserved && text.chars().count() <= limits.event_name_chars;
    assert_eq!(check_event_name(text, &limits).is_ok(), is_name, "{text:?}");
    reached(if is_name { "event" } else { "no event" });
}

fn socket_id(text: &str) {
    let is_number = |half: &str| !half.is_empty() && half.bytes().all(|byte| byte.is_ascii_digit());
    let halves: Vec<&str> = text.split('.').collect();
    let is_id = halves.len() == 2 && halves.iter().all(|half| is_number(half));
    let id = SocketId::parse(text);
    assert_eq!(id.is_some(), is_id, "{text:?}");
    if let Some(id) = id {
        reached("socket");
        assert_eq!(SocketId::parse(&id.to_string()), Some(id));
        let (first, second) = id.halves();
        assert_eq!(SocketId::of_halves(first, second), Some(id).filter(|_| first | second != 0));
    }
}

/// Letter by letter, with every place that a star could reach.
fn naive_fits(pattern: &[u8], text: &[u8]) -> bool {
    let mut places = vec![false; text.len() + 1];
    places[0] = true;
    for sign in pattern {
        let before = places.clone();
        for at in 0..places.len() {
            places[at] = match sign {
                b'*' => before[..=at].contains(&true),
                sign => at > 0 && before[at - 1] && text[at - 1] == *sign,
            };
        }
    }
    places[text.len()]
}
