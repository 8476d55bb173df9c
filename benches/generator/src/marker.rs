//! The marker in an event's `data`: run, phase, publisher, order and due time.
//!
//! Owns its form, which needs no escape in JSON however often it is encoded, and the filling that brings
//! `data` to its size. A marker is found by its first bytes anywhere in a message; nothing is parsed.

use std::fmt::Write;

use memchr::memmem::Finder;

/// Bytes of a marker, the least an event's `data` can have.
pub const MARKER_BYTES: usize = PREFIX_BYTES + FIELDS_BYTES + 1;

const PREFIX_BYTES: usize = 12;
/// Phase, publisher, order and due time as hex digits.
const FIELDS_BYTES: usize = 4 + 4 + 8 + 16;

/// Compresses as ordinary text does, so that `permessage-deflate` is measured on something like it.
const WORDS: [&str; 32] = [
    "order",
    "updated",
    "at",
    "the",
    "counter",
    "of",
    "station",
    "seven",
    "while",
    "price",
    "remains",
    "below",
    "margin",
    "and",
    "seventeen",
    "boxes",
    "wait",
    "for",
    "a",
    "courier",
    "named",
    "Quentin",
    "who",
    "left",
    "Zagreb",
    "by",
    "train",
    "yesterday",
    "evening",
    "with",
    "luggage",
    "unclaimed",
];

/// The fields of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marker {
    /// The phase it was published in.
    pub(super) phase: u16,
    /// Its publisher.
    pub(super) publisher: u16,
    /// Its number among the events of its publisher, from 1; 0 if no order is promised.
    pub(super) order: u32,
    /// The time it was due, in nanoseconds of the pool's clock.
    pub(super) due_ns: u64,
}

/// Writes and finds the markers of one run.
#[derive(Debug)]
pub(super) struct Stamp {
    finder: Finder<'static>,
    filling: String,
}

impl Stamp {
    /// `run` separates the events of two generators that share a channel.
    pub(super) fn new(run: u32) -> Self {
        let prefix = format!("~ld~{run:08x}");
        debug_assert_eq!(prefix.len(), PREFIX_BYTES);
        let mut filling = String::new();
        let mut state = run | 1;
        while filling.len() < 64 * 1024 {
            // A linear congruence is as random as prose.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            filling.push_str(WORDS[(state >> 27) as usize]);
            filling.push(' ');
        }
        Self { finder: Finder::new(prefix.as_bytes()).into_owned(), filling }
    }

    /// Appends the marker and as much filling as makes `bytes`.
    pub(super) fn write(&self, marker: Marker, bytes: usize, out: &mut String) {
        let end = out.len() + bytes.max(MARKER_BYTES);
        let Marker { phase, publisher, order, due_ns } = marker;
        out.push_str(std::str::from_utf8(self.finder.needle()).expect("made of text"));
        write!(out, "{phase:04x}{publisher:04x}{order:08x}{due_ns:016x}~")
            .expect("memory takes all");
        while out.len() < end {
            let part = (end - out.len()).min(self.filling.len());
            out.push_str(&self.filling[..part]);
        }
    }

    /// The marker of this run in a message, if it has one.
    pub(super) fn find(&self, message: &[u8]) -> Option<Marker> {
        let at = self.finder.find(message)? + PREFIX_BYTES;
        let fields = message.get(at..at + FIELDS_BYTES)?;
        Some(Marker {
            phase: number(&fields[..4])? as u16,
            publisher: number(&fields[4..8])? as u16,
            order: number(&fields[8..16])? as u32,
            due_ns: number(&fields[16..])?,
        })
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::{MARKER_BYTES, Marker, Stamp};

    const MARKER: Marker =
        Marker { phase: 3, publisher: 0x1234, order: 77, due_ns: 123_456_789_012 };

    fn written(stamp: &Stamp, bytes: usize) -> String {
        let mut text = String::new();
        stamp.write(MARKER, bytes, &mut text);
        text
    }

    #[test]
    fn a_marker_is_found_anywhere_in_a_message() {
        let stamp = Stamp::new(0xdead_beef);
        let text = written(&stamp, 100);
        assert_eq!(text.len(), 100);
        assert_eq!(serde_json::to_string(&text).unwrap(), format!("\"{text}\""));
        assert_eq!(stamp.find(format!("{{\"data\":\"{text}\"}}").as_bytes()), Some(MARKER));
    }

    #[test]
    fn sizes_are_exact_above_that_of_the_marker() {
        let stamp = Stamp::new(1);
        for (requested, written_bytes) in
            [(0, MARKER_BYTES), (MARKER_BYTES, MARKER_BYTES), (200_000, 200_000)]
        {
            assert_eq!(written(&stamp, requested).len(), written_bytes);
        }
    }

    #[test]
    fn cut_and_foreign_markers_are_not_found() {
        let (stamp, other) = (Stamp::new(1), Stamp::new(2));
        let text = written(&stamp, 0);
        assert_eq!(other.find(text.as_bytes()), None);
        assert_eq!(stamp.find(&text.as_bytes()[..MARKER_BYTES - 2]), None);
        assert_eq!(stamp.find(text.replace('3', "g").as_bytes()), None);
    }
}
