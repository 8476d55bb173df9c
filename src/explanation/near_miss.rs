//! Channels whose names are so near to another one that a mistake is likely.
//!
//! Owns what counts as near and the order of what is near; where the occupied channels come from is left to the
//! caller.

use serde::Serialize;

use super::echo_call::{laravel_channel, laravel_class, subscribe_call};
use crate::protocol::channel_name::{ChannelType, bare_name};

/// So many are reported of one channel.
pub const NEAR_MISSES_MAX: usize = 5;

/// An occupied channel with a name near to that of a channel without sockets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NearMiss {
    /// Its name.
    pub channel: String,
    /// Its sockets.
    pub sockets: usize,
    /// What tells the names apart.
    pub likeness: Likeness,
    /// What to change.
    pub change: String,
}

/// What tells two names apart, the likeliest mistake first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// A prefix that the other one lacks: the types differ.
    Prefix,
    /// One has two prefixes.
    DoubledPrefix,
    /// Upper and lower case.
    Case,
    /// Dots, dashes and underscores, or slashes and colons, which no channel has.
    Separators,
    /// One letter, or two of a longer name.
    Spelling,
    /// One has further segments in front.
    Segments,
}

/// Whether two names are near, and how. Equal names are not.
pub fn likeness(missed: &str, occupied: &str) -> Option<Likeness> {
    let ((one, prefixes), (other, others)) = (bare_name(missed), bare_name(occupied));
    if missed == occupied || one.is_empty() || other.is_empty() {
        return None;
    }
    if one == other {
        let is_doubled = prefixes.max(others) > 1;
        return Some(if is_doubled { Likeness::DoubledPrefix } else { Likeness::Prefix });
    }
    if one.eq_ignore_ascii_case(other) {
        return Some(Likeness::Case);
    }
    if same_segments(one, other) {
        return Some(Likeness::Separators);
    }
    if is_misspelt(one, other) {
        return Some(Likeness::Spelling);
    }
    (ends_in(one, other) || ends_in(other, one)).then_some(Likeness::Segments)
}

impl NearMiss {
    /// An occupied channel that is near to the missed one.
    pub fn new(missed: &str, occupied: &str, sockets: usize) -> Option<Self> {
        let likeness = likeness(missed, occupied)?;
        let change = change(missed, occupied, likeness);
        Some(Self { channel: occupied.to_owned(), sockets, likeness, change })
    }

    /// Itself as a part of a sentence.
    pub(super) fn sentence(&self) -> String {
        let Self { channel, sockets, change, .. } = self;
        format!("{} on `{channel}`: {change}", count(*sockets))
    }

    fn rank(&self, missed: &str) -> (Likeness, bool, std::cmp::Reverse<usize>, &str) {
        let same_type = ChannelType::of_prefix(missed) == ChannelType::of_prefix(&self.channel);
        (self.likeness, !same_type, std::cmp::Reverse(self.sockets), &self.channel)
    }
}

/// The nearest ones, in order.
pub fn nearest(missed: &str, mut near: Vec<NearMiss>) -> Vec<NearMiss> {
    near.retain(|near| near.sockets > 0);
    near.sort_by(|a, b| a.rank(missed).cmp(&b.rank(missed)));
    near.dedup_by(|a, b| a.channel == b.channel);
    near.truncate(NEAR_MISSES_MAX);
    near
}

/// A number of sockets in words.
pub(super) fn count(sockets: usize) -> String {
    if sockets == 1 { "1 socket".to_owned() } else { format!("{sockets} sockets") }
}

fn change(missed: &str, occupied: &str, likeness: Likeness) -> String {
    let class = laravel_class(ChannelType::of_prefix(occupied));
    let same_class = class == laravel_class(ChannelType::of_prefix(missed));
    match likeness {
        Likeness::Prefix if same_class => format!("publish on `{}`", laravel_channel(occupied)),
        Likeness::Prefix => format!("publish on `{class}`"),
        Likeness::DoubledPrefix if bare_name(occupied).1 > 1 => {
            let call = subscribe_call(missed);
            format!("the page has a prefix twice; subscribe with `{call}`, which adds it")
        }
        Likeness::DoubledPrefix => {
            let channel = laravel_channel(occupied);
            format!("the prefix is there twice; publish on `{channel}`, which adds it")
        }
        Likeness::Case => {
            let channel = laravel_channel(occupied);
            format!("upper and lower case differ; publish on `{channel}`")
        }
        Likeness::Separators => {
            format!("the separators differ; publish on `{}`", laravel_channel(occupied))
        }
        Likeness::Spelling => {
            format!("the spelling differs; publish on `{}`", laravel_channel(occupied))
        }
        Likeness::Segments => {
            format!("one name has more segments; publish on `{}`", laravel_channel(occupied))
        }
    }
}

/// Whether the same stands between the separators, in whichever case. Allocates nothing: it is asked of thousands
/// of names.
fn same_segments(one: &str, other: &str) -> bool {
    let segments = |name| {
        let parts = str::split(name, ['.', '-', '_', '/', ':', ',', ';']);
        parts.filter(|part| !part.is_empty())
    };
    let (mut ones, mut others) = (segments(one), segments(other));
    loop {
        match (ones.next(), others.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one.eq_ignore_ascii_case(other) => {}
            _ => return false,
        }
    }
}

/// The ids in names are right: `orders.1` is no misspelling of `orders.2`.
fn is_misspelt(one: &str, other: &str) -> bool {
    let (shorter, longer) = (one.len().min(other.len()), one.len().max(other.len()));
    let most = match shorter {
        0..4 => return false,
        4..8 => 1,
        _ => 2,
    };
    if longer - shorter > most || !numbers(one).eq(numbers(other)) {
        return false;
    }
    let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
    strsim::osa_distance(&one, &other) <= most
}

fn numbers(name: &str) -> impl Iterator<Item = &str> {
    name.split(|letter: char| !letter.is_ascii_digit()).filter(|digits| !digits.is_empty())
}

/// `App.Models.User.7` ends in `User.7`. Of one segment alone too many names end in.
fn ends_in(long: &str, short: &str) -> bool {
    let is_behind_dot = |front: &str| front.ends_with('.') && front.len() > 1;
    short.contains('.') && long.strip_suffix(short).is_some_and(is_behind_dot)
}

#[cfg(test)]
#[path = "near_miss/tests.rs"]
mod tests;
