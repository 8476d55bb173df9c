//! What a viewer wants to see: by app, channel, event, socket and kind.
//!
//! Owns the form of patterns. Pure.

use super::occurrence::{EventOutcome, Occurrence, OccurrenceKind};
use super::outline::Outline;
use crate::protocol::SocketId;

/// Longer than any name of a channel or an event.
const MAX_PATTERN_BYTES: usize = 512;

/// What a viewer takes; a part that is absent excludes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TapFilter {
    /// The id of the app.
    pub app: Option<String>,
    /// The name of one of the channels.
    pub channel: Option<NamePattern>,
    /// The name of the event.
    pub event: Option<NamePattern>,
    /// The socket that it concerns.
    pub socket: Option<SocketId>,
    /// The kinds; empty is all.
    pub kinds: Vec<OccurrenceKind>,
    /// What became of it; empty is anything, what has no outcome included.
    pub outcomes: Vec<EventOutcome>,
    /// Occurrences of a second, and as many of those that were missed or refused; the others are counted.
    pub max_rows_per_second: Option<u32>,
}

/// A name in which `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(String);

/// A pattern that is empty or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidPattern;

impl TapFilter {
    /// The bit of each kind.
    pub(super) fn kinds(&self) -> u32 {
        match self.kinds.as_slice() {
            [] => OccurrenceKind::ALL.iter().fold(0, |bits, kind| bits | kind.bit()),
            kinds => kinds.iter().fold(0, |bits, kind| bits | kind.bit()),
        }
    }

    /// Whether the viewer sees this.
    pub fn takes(&self, occurrence: &Occurrence) -> bool {
        self.fits(&occurrence.outline())
    }

    /// Whether the viewer sees what has this outline.
    pub(super) fn fits<N: AsRef<str>>(&self, outline: &Outline<'_, N>) -> bool {
        let Outline { kind, app, outcome, channels, event, socket } = *outline;
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && self.app.as_deref().is_none_or(|wanted| app == Some(wanted))
            && (self.outcomes.is_empty() || outcome.is_some_and(|it| self.outcomes.contains(&it)))
            && self.socket.is_none_or(|wanted| socket == Some(wanted))
            && self
                .event
                .as_ref()
                .is_none_or(|pattern| event.is_some_and(|event| pattern.matches(event)))
            && self.channel.as_ref().is_none_or(|pattern| {
                channels.iter().any(|channel| pattern.matches(channel.as_ref()))
            })
    }
}

impl NamePattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let is_valid = !text.is_empty() && text.len() <= MAX_PATTERN_BYTES;
        is_valid.then(|| Self(text.to_owned())).ok_or(InvalidPattern)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches a whole name. Linear in the name for each `*`.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::super::occurrence::{Closing, JoinOrLeave, What};
    use super::{EventOutcome, NamePattern, Occurrence, OccurrenceKind, SocketId, TapFilter};

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, matches) in [
            ("orders", "orders", true),
            ("orders", "orders.1", false),
            ("orders.*", "orders.1", true),
            ("*", "", true),
            ("*.7", "private-orders.7", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("private-*.*.capacity", "private-organization.1.capacity", true),
        ] {
            assert_eq!(NamePattern::parse(pattern).unwrap().matches(name), matches, "{pattern}");
        }
        assert!(NamePattern::parse("").is_err() && NamePattern::parse(&"x".repeat(600)).is_err());
    }

    #[test]
    fn every_part_of_a_filter_has_to_fit() {
        let socket = SocketId::parse("1.2").unwrap();
        let join = JoinOrLeave { socket, channel: "orders.1".to_owned(), user_id: None };
        let join = Occurrence { at_ms: 0, app: Some("7".to_owned()), what: What::Subscribed(join) };
        let end = Closing { socket, by: "client", code: Some(1000), reason: None };
        let end = Occurrence { at_ms: 0, app: None, what: What::Closed(end) };
        let pattern = |text| NamePattern::parse(text).ok();
        let all = TapFilter::default;
        for (filter, expected) in [
            (all(), [true, true]),
            (TapFilter { app: Some("7".to_owned()), ..all() }, [true, false]),
            (TapFilter { app: Some("8".to_owned()), ..all() }, [false, false]),
            (TapFilter { channel: pattern("orders.*"), ..all() }, [true, false]),
            (TapFilter { channel: pattern("orders"), ..all() }, [false, false]),
            (TapFilter { event: pattern("*"), ..all() }, [false, false]),
            (TapFilter { socket: Some(socket), ..all() }, [true, true]),
            (TapFilter { socket: SocketId::parse("1.3"), ..all() }, [false, false]),
            (TapFilter { kinds: vec![OccurrenceKind::Closed], ..all() }, [false, true]),
            (TapFilter { outcomes: vec![EventOutcome::Missed], ..all() }, [false, false]),
        ] {
            assert_eq!([filter.takes(&join), filter.takes(&end)], expected, "{filter:?}");
        }
    }
}
