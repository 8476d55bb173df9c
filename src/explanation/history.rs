//! What happened of late on the channels of one app, for explanations: events that no socket received, channels
//! that were vacated, subscriptions that were refused.
//!
//! Bounded: 128 misses, 256 departures and 32 refusals, 250 KB of names and texts at most and nothing before the
//! first. The lock around it is left to `hub`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use serde::{Serialize, Serializer};

use super::refused_auth::Reason;
use super::time_text::ago;
use super::trigger_id::TriggerId;
use super::verdict::ChannelPast;
use crate::protocol::{ChannelName, SocketId};

const MISSES_MAX: usize = 128;
const DEPARTURES_MAX: usize = 256;
const REFUSALS_MAX: usize = 32;

/// Bytes of a name or text of a peer that are kept.
const TEXT_BYTES_MAX: usize = 200;

/// What happened of late in one app.
#[derive(Debug)]
pub struct AppHistory {
    since: Instant,
    /// The last one of each channel, the channel that was missed first in front.
    misses: IndexMap<ChannelName, Miss>,
    departures: VecDeque<Departure>,
    /// Departures were dropped, so that a channel may have had subscribers without a trace.
    is_cut: bool,
    refusals: VecDeque<RefusedSubscription>,
}

/// An event that no socket received.
#[derive(Debug, Clone)]
pub struct Miss {
    /// The id of its trigger.
    pub trigger: TriggerId,
    /// Its name.
    pub event: Box<str>,
    /// The socket it excluded.
    pub except: Option<SocketId>,
    /// When it was triggered.
    pub at: Instant,
    /// How many events no socket received on this channel.
    pub times: u32,
    /// When the first socket subscribed after it.
    pub subscribed_at: Option<Instant>,
}

/// A socket that left a channel as the last one.
#[derive(Debug)]
struct Departure {
    channel: ChannelName,
    socket: SocketId,
    at: Instant,
}

/// A subscription that was refused.
#[derive(Debug, Clone)]
pub struct RefusedSubscription {
    /// The channel as the client wrote it.
    pub channel: Box<str>,
    /// The socket.
    pub socket: SocketId,
    /// When.
    pub at: Instant,
    /// Why.
    pub reason: Reason,
}

/// One thing that happened on a channel, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastEvent {
    /// What it was.
    pub kind: PastKind,
    /// How long ago, in milliseconds.
    #[serde(serialize_with = "milliseconds")]
    pub ago_ms: Duration,
    /// The id of the trigger, of a miss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// The event, of a miss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The code of the reason, of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// What happened, for people.
    pub sentence: String,
}

/// What can have happened on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PastKind {
    /// No socket received an event.
    Missed,
    /// The last socket left.
    Vacated,
    /// A subscription was refused.
    Refused,
}

impl AppHistory {
    /// Of an app that is served from now on.
    pub fn new(now: Instant) -> Self {
        let (misses, departures, is_cut, refusals) = Default::default();
        Self { since: now, misses, departures, is_cut, refusals }
    }

    /// No socket received an event.
    pub fn missed(&mut self, channel: &ChannelName, mut miss: Miss) {
        if miss.event.len() > TEXT_BYTES_MAX {
            miss.event = cut(&miss.event);
        }
        if let Some(known) = self.misses.get_mut(channel) {
            let times = known.times.saturating_add(1);
            *known = Miss { times, ..miss };
            return;
        }
        self.misses.insert(channel.clone(), Miss { times: 1, ..miss });
        if self.misses.len() > MISSES_MAX {
            self.misses.shift_remove_index(0);
        }
    }

    /// A channel without subscribers has one now.
    pub fn occupied(&mut self, channel: &ChannelName, now: Instant) {
        if let Some(miss) = self.misses.get_mut(channel) {
            miss.subscribed_at.get_or_insert(now);
        }
    }

    /// The last subscriber of a channel has left.
    pub fn vacated(&mut self, channel: &ChannelName, socket: SocketId, now: Instant) {
        if self.departures.len() == DEPARTURES_MAX {
            self.departures.pop_front();
            self.is_cut = true;
        }
        self.departures.push_back(Departure { channel: channel.clone(), socket, at: now });
    }

    /// A subscription was refused.
    pub fn refused(&mut self, refused: RefusedSubscription) {
        if self.refusals.len() == REFUSALS_MAX {
            self.refusals.pop_front();
        }
        let channel = cut(&refused.channel);
        self.refusals.push_back(RefusedSubscription { channel, ..refused });
    }

    /// The part of one channel that a verdict on an event of `now` takes account of; `now` may be in the past.
    pub fn past(&self, channel: &str, now: Instant) -> ChannelPast {
        let mut departures = self.departures.iter().rev().filter(|left| left.at <= now);
        let mut refusals = self.refusals.iter().rev().filter(|refused| refused.at <= now);
        let left = departures.find(|left| left.channel.as_str() == channel);
        let refused = refusals.find(|refused| *refused.channel == *channel);
        let since = |at| now.saturating_duration_since(at);
        let is_unseen =
            left.is_none() && !self.is_cut && self.subscribed_at(channel).is_none_or(|at| at > now);
        ChannelPast {
            vacated: left.map(|left| (since(left.at), Some(left.socket))),
            refused: refused.map(|refused| (since(refused.at), refused.reason.sentence.clone())),
            never_since: is_unseen.then(|| since(self.since)),
        }
    }

    /// What happened on one channel, the last first. `first_subscribed` is when its first socket subscribed, if
    /// that is known from elsewhere; `event` leaves out misses of other events.
    pub fn events(
        &self,
        channel: &str,
        event: Option<&str>,
        first_subscribed: Option<Instant>,
        now: Instant,
    ) -> Vec<PastEvent> {
        let miss =
            self.misses.get(channel).filter(|miss| event.is_none_or(|event| *event == *miss.event));
        let missed = miss.map(|miss| miss.event(channel, first_subscribed, now));
        let departures = self.departures.iter().filter(|left| left.channel.as_str() == channel);
        let refusals = self.refusals.iter().filter(|refused| *refused.channel == *channel);
        let vacated = departures.map(|left| left.event(now));
        let mut all: Vec<PastEvent> = missed
            .into_iter()
            .chain(vacated)
            .chain(refusals.map(|refused| refused.event(now)))
            .collect();
        all.sort_by_key(|event| event.ago_ms);
        all
    }

    /// How long after this time the first socket subscribed, if none had before.
    pub fn subscribed_after(&self, channel: &str, at: Instant) -> Option<Duration> {
        self.subscribed_at(channel)?.checked_duration_since(at)
    }

    fn subscribed_at(&self, channel: &str) -> Option<Instant> {
        self.misses.get(channel)?.subscribed_at
    }
}

impl Miss {
    fn event(&self, channel: &str, first_subscribed: Option<Instant>, now: Instant) -> PastEvent {
        let subscribed_at = self.subscribed_at.or(first_subscribed.filter(|at| *at > self.at));
        let Self { event, times, at, .. } = self;
        let why = match (subscribed_at, self.except) {
            (Some(subscribed), _) => {
                let early = ago(subscribed.saturating_duration_since(*at));
                format!("it was published {early} before the first subscription to `{channel}`")
            }
            (None, Some(socket)) => {
                format!("no socket but at most {socket}, which it excluded, was subscribed")
            }
            (None, None) => "no socket was subscribed".to_owned(),
        };
        let before = if *times > 1 {
            format!(" ({} further events before it)", times - 1)
        } else {
            String::new()
        };
        PastEvent {
            kind: PastKind::Missed,
            ago_ms: now.saturating_duration_since(*at),
            trigger: Some(self.trigger.to_string()),
            event: Some(event.to_string()),
            reason: None,
            sentence: format!("no socket received `{event}`: {why}{before}"),
        }
    }
}

impl Departure {
    fn event(&self, now: Instant) -> PastEvent {
        let ago_ms = now.saturating_duration_since(self.at);
        let sentence = format!("socket {} left as the last one", self.socket);
        PastEvent {
            kind: PastKind::Vacated,
            ago_ms,
            trigger: None,
            event: None,
            reason: None,
            sentence,
        }
    }
}

impl RefusedSubscription {
    fn event(&self, now: Instant) -> PastEvent {
        let (socket, why) = (self.socket, &self.reason.sentence);
        PastEvent {
            kind: PastKind::Refused,
            ago_ms: now.saturating_duration_since(self.at),
            trigger: None,
            event: None,
            reason: Some(self.reason.code),
            sentence: format!("the subscription of socket {socket} was refused: {why}"),
        }
    }
}

fn cut(text: &str) -> Box<str> {
    let most = text.len().min(TEXT_BYTES_MAX);
    let end = (0..=most).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
    text[..end].into()
}

fn milliseconds<S: Serializer>(span: &Duration, writer: S) -> Result<S::Ok, S::Error> {
    (span.as_millis() as u64).serialize(writer)
}

#[cfg(test)]
#[path = "history/tests.rs"]
mod tests;
