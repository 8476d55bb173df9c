//! The pace of events on channels that a pattern names: conflation and spread.
//!
//! Values only. The rules for one channel are those of `channel_rules`.

use std::time::Duration;

use super::wildcard::fits_pattern;

/// One entry of an app's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pacing {
    /// The names of channels, `*` for any run of characters.
    pub channels: String,
    /// What holds for them.
    pub rule: PacingRule,
}

/// How fast the events of a channel reach its subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacingRule {
    /// Of the events of one name within this time, the first and the last are delivered. Zero: all.
    pub latest_within: Duration,
    /// The time over which an event reaches one subscriber after the other. Zero: all at once.
    pub spread_over: Duration,
}

impl Pacing {
    /// Whether it is about this channel.
    pub fn covers(&self, channel: &str) -> bool {
        fits_pattern(&self.channels, channel)
    }
}
