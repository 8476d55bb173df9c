//! Collects what explanations are made from: counts of all nodes, near names, the same channel in other apps, what
//! happened of late.
//!
//! Owns how much is looked at, since a back end may ask with every event. What it means is left to `explanation`.
//! In a cluster everything is read from the directory, no node is asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::channels::Channels;
use super::coordinator::ChannelReach;
use crate::explanation::{
    self, ChannelPast, Exclusion, NearMiss, PastEvent, Situation, Subscribers, Verdict,
};
use crate::hub::Membership;
use crate::protocol::channel_name::{bare_name, typed_names};
use crate::protocol::{ChannelName, SocketId};

/// Names of one app that are compared with the missed one: some 0.5 ms of this node, and 0.5 ms of Redis.
const NAMES_MAX: usize = 5_000;

/// Beyond that, names that begin like the missed one, of each type.
const SIMILAR_NAMES_MAX: usize = 500;

/// Channels with near names whose sockets are counted. In a cluster each is a round trip.
const COUNTED_MAX: usize = 12;

/// Other apps in which the channel is looked up.
const OTHER_APPS_MAX: usize = 16;

/// Why near names are not looked for.
const NOT_SEARCHED: &str = "more than 20 events of this second were explained";

/// An event to be explained.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExplainedEvent<'a> {
    /// The channel, as it was written.
    pub channel: &'a str,
    /// The wire name; `None` if any event is meant.
    pub event: Option<&'a str>,
    /// Its data, if they are there.
    pub data: Option<&'a str>,
    /// The socket that does not receive it.
    pub except: Option<SocketId>,
    /// Its subscribers at the time of the delivery, if this node alone has them.
    pub subscribers: Option<usize>,
}

/// What happened of late on a channel, and what would happen now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelExplanation {
    /// The app.
    pub app: String,
    /// The channel.
    pub channel: String,
    /// The event, if one was named.
    pub event: Option<String>,
    /// What would happen with an event now.
    pub now: Verdict,
    /// What happened, the last first.
    pub past: Vec<PastEvent>,
}

/// The verdict on an event that was published. `others` are the channels of other apps.
pub(super) async fn explain(
    channels: &Channels,
    others: &[Arc<Channels>],
    event: ExplainedEvent<'_>,
) -> Verdict {
    let is_searched = channels.budget().may_search(Instant::now());
    verdict_on(channels, is_searched.then_some(others), event).await.0
}

/// What happened of late on a channel, and what would happen with an event now.
pub(super) async fn explain_channel(
    channels: &Channels,
    others: &[Arc<Channels>],
    channel: &str,
    event: Option<&str>,
) -> ChannelExplanation {
    let explained = ExplainedEvent { channel, event, ..ExplainedEvent::default() };
    let (now, reach) = verdict_on(channels, Some(others), explained).await;
    let instant = Instant::now();
    let first = reach.occupied_for.and_then(|span| instant.checked_sub(span));
    let history = channels.hub().history();
    let past = history.read(|history| history.events(channel, event, first, instant));
    let (app, event) = (channels.app().id.clone(), event.map(str::to_owned));
    ChannelExplanation { app, channel: channel.to_owned(), event, now, past }
}

/// `others` are the channels of the apps in which the channel is looked up too, if near names are looked for.
async fn verdict_on(
    channels: &Channels,
    others: Option<&[Arc<Channels>]>,
    explained: ExplainedEvent<'_>,
) -> (Verdict, ChannelReach) {
    let ExplainedEvent { channel, data, except, subscribers, .. } = explained;
    let bytes_max = channels.app().limits.channel_name_bytes;
    let (mut reach, mut exclusion) = (ChannelReach::default(), Exclusion::None);
    if let Ok(name) = ChannelName::parse(channel, bytes_max) {
        reach = reach_of(channels, &name, subscribers).await;
        exclusion = self::exclusion(channels, &name, except).await;
    }
    let is_encrypted = data.map(explanation::is_encrypted);
    let known = KnownFacts { reach, exclusion, is_encrypted, at: Instant::now() };
    let situation = situation(channels, others, explained, known).await;
    (explanation::verdict(&situation), reach)
}

/// What is known of an event on one channel before causes are looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownFacts {
    pub(super) reach: ChannelReach,
    pub(super) exclusion: Exclusion,
    pub(super) is_encrypted: Option<bool>,
    /// When it was published.
    pub(super) at: Instant,
}

/// The facts on an event, and where it has no receiver what else there is: near names of this moment, and the past
/// of the channel at the time of the event.
pub(super) async fn situation<'a>(
    channels: &Channels,
    others: Option<&[Arc<Channels>]>,
    explained: ExplainedEvent<'a>,
    known: KnownFacts,
) -> Situation<'a> {
    let ExplainedEvent { channel, event, .. } = explained;
    let KnownFacts { reach, exclusion: except, is_encrypted, at } = known;
    let mut situation = Situation {
        channel,
        event,
        is_encrypted,
        except,
        reach: reach.reach,
        ..Situation::default()
    };
    let bytes_max = channels.app().limits.channel_name_bytes;
    let name = ChannelName::parse(channel, bytes_max);
    if let (Ok(name), true) = (&name, reach.reach.is_partial) {
        situation.away = channels.coordinator().away(name);
    }
    if reach.reach.sockets > 0 {
        return situation;
    }
    match name {
        Err(why) => situation.invalid_name = Some(why.to_string()),
        Ok(_) => situation.past = past(channels, channel, &reach, at),
    }
    match others {
        Some(others) => {
            situation.near_misses = near_misses(channels, channel).await;
            situation.other_apps = in_other_apps(channels, others, channel).await;
        }
        None => situation.not_searched = Some(NOT_SEARCHED),
    }
    situation
}

async fn reach_of(
    channels: &Channels,
    name: &ChannelName,
    subscribers: Option<usize>,
) -> ChannelReach {
    match subscribers {
        Some(sockets) => {
            let reach = Subscribers { sockets, nodes: u32::from(sockets > 0), is_partial: false };
            ChannelReach { reach, ..ChannelReach::default() }
        }
        None => channels.coordinator().reach(name).await,
    }
}

/// The sockets on the channel of the same name in other apps.
async fn in_other_apps(
    channels: &Channels,
    others: &[Arc<Channels>],
    channel: &str,
) -> Vec<(String, usize)> {
    let own = channels.app().id.clone();
    let mut found = Vec::new();
    let others = others.iter().filter(|other| other.app().id != own);
    for other in others.take(OTHER_APPS_MAX) {
        let bytes_max = other.app().limits.channel_name_bytes;
        let Ok(name) = ChannelName::parse(channel, bytes_max) else { continue };
        let sockets = other.coordinator().reach(&name).await.reach.sockets;
        if sockets > 0 {
            found.push((other.app().id.clone(), sockets));
        }
    }
    found
}

async fn exclusion(channels: &Channels, name: &ChannelName, except: Option<SocketId>) -> Exclusion {
    let Some(socket) = except else { return Exclusion::None };
    let Some(found) = channels.hub().find(name, socket) else { return Exclusion::NotHere(socket) };
    match found.await {
        Ok(Membership::Subscribed) => Exclusion::Subscriber(socket),
        Ok(Membership::Open) => Exclusion::Outsider(socket),
        Ok(Membership::NotHere) | Err(_) => Exclusion::NotHere(socket),
    }
}

/// What happened on a channel before the time of an event.
fn past(channels: &Channels, channel: &str, reach: &ChannelReach, at: Instant) -> ChannelPast {
    let own = channels.hub().history().read(|history| history.past(channel, at));
    // The directory has the departures of all nodes, this node the ids of its sockets.
    let vacated_at = reach.vacated_for.and_then(|span| Instant::now().checked_sub(span));
    let elsewhere = vacated_at.and_then(|left| at.checked_duration_since(left));
    let elsewhere = elsewhere.map(|span| (span, None));
    let is_later = |(span, _): &(Duration, Option<SocketId>)| {
        own.vacated.is_none_or(|(own, _)| *span + Duration::from_millis(100) < own)
    };
    let never_since = own.never_since.filter(|_| !channels.coordinator().has_other_nodes());
    let vacated = elsewhere.filter(is_later).or(own.vacated);
    ChannelPast { vacated, never_since, refused: own.refused }
}

/// Occupied channels with names near to this one.
async fn near_misses(channels: &Channels, channel: &str) -> Vec<NearMiss> {
    let coordinator = channels.coordinator();
    let mut names = coordinator.names(&[String::new()], NAMES_MAX).await;
    if names.len() >= NAMES_MAX {
        let bare = bare_name(channel).0;
        let first = bare.split_inclusive('.').next().unwrap_or(bare);
        let prefixes: Vec<String> = typed_names(first).collect();
        names.extend(coordinator.names(&prefixes, SIMILAR_NAMES_MAX).await);
    }
    let mut near: Vec<(explanation::Likeness, ChannelName)> = names
        .into_iter()
        .filter_map(|name| Some((explanation::likeness(channel, name.as_str())?, name)))
        .collect();
    near.sort_by(|(one, a), (other, b)| (one, a.as_str()).cmp(&(other, b.as_str())));
    near.dedup_by(|(_, a), (_, b)| a == b);
    let mut counted = Vec::new();
    for (_, name) in near.into_iter().take(COUNTED_MAX) {
        let sockets = coordinator.reach(&name).await.reach.sockets;
        counted.extend(NearMiss::new(channel, name.as_str(), sockets));
    }
    explanation::nearest(channel, counted)
}
