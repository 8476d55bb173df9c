//! The verdict on one event for one channel: which sockets receive it, or why none does.
//!
//! A pure function from what a node has to a value with a stable code and one sentence. Collecting what a node
//! has is left to `node`.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::echo_call::{dot_note, is_client_event, listen_call};
use super::near_miss::{NearMiss, count};
use super::time_text::ago;
use crate::protocol::{ChannelType, SocketId};

/// What a node has of a channel at which an event is aimed.
#[derive(Debug, Clone, Default)]
pub struct Situation<'a> {
    /// The name as it was written; it need not be valid.
    pub channel: &'a str,
    /// Why it is no channel name, if it is none.
    pub invalid_name: Option<String>,
    /// The wire name of the event; `None` if any is meant.
    pub event: Option<&'a str>,
    /// Whether the data have the form of an encrypted event; `None` if that is not known.
    pub is_encrypted: Option<bool>,
    /// The socket that does not receive the event.
    pub except: Exclusion,
    /// Its subscribers.
    pub reach: Subscribers,
    /// The partition whose Redis is away and that Redis, where there are several.
    pub away: Option<String>,
    /// Occupied channels with near names, in order.
    pub near_misses: Vec<NearMiss>,
    /// Why they were not looked for, if they were not.
    pub not_searched: Option<&'static str>,
    /// Sockets on the channel of this name in other apps, by the ids of the apps.
    pub other_apps: Vec<(String, usize)>,
    /// What happened on the channel.
    pub past: ChannelPast,
}

/// The subscribers of a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Subscribers {
    /// Subscribed sockets, an excluded one included.
    pub sockets: usize,
    /// Nodes that have some.
    pub nodes: u32,
    /// Other nodes are not counted, since Redis is away.
    pub is_partial: bool,
}

/// The socket that does not receive an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Exclusion {
    /// There is none.
    #[default]
    None,
    /// A subscriber.
    Subscriber(SocketId),
    /// An open socket that is no subscriber.
    Outsider(SocketId),
    /// A socket that is not open on this node: of another one, or closed.
    NotHere(SocketId),
}

/// What happened on a channel, as far as it is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelPast {
    /// How long ago its last subscriber left, and which socket that was, if it was one of this node.
    pub vacated: Option<(Duration, Option<SocketId>)>,
    /// How long ago a subscription to it was refused, and why.
    pub refused: Option<(Duration, String)>,
    /// How long the server runs, if no socket has subscribed to the channel since it started.
    pub never_since: Option<Duration>,
}

/// The verdict on one event for one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What it is, for programs.
    #[serde(rename = "verdict")]
    pub code: VerdictCode,
    /// What it is, for people.
    pub sentence: String,
    /// Sockets that receive the event.
    pub sockets: usize,
    /// Nodes that have subscribers.
    pub nodes: u32,
    /// The `socket_id` of the trigger.
    #[serde(serialize_with = "display")]
    pub socket_id: Option<SocketId>,
    /// Whether that socket is a subscriber; `None` if it is not open on this node.
    pub excluded: Option<bool>,
    /// Occupied channels with near names, the nearest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub near_misses: Vec<NearMiss>,
    /// The call of Laravel Echo that receives an event of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
}

/// What a verdict is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictCode {
    /// It reaches sockets.
    Delivered,
    /// It reaches sockets of this node; Redis is away.
    DeliveredOnThisNode,
    /// It reaches sockets of an encrypted channel that cannot decrypt it.
    NotEncrypted,
    /// The only subscriber is the excluded socket.
    OnlySubscriberExcluded,
    /// The name is none that a channel may have.
    InvalidChannel,
    /// The last subscriber left a short time ago.
    LastSocketLeft,
    /// A subscription to the channel was refused a short time ago.
    SubscriptionRefused,
    /// Sockets wait on a channel with a near name.
    NearMiss,
    /// Sockets wait on the channel of this name in another app.
    OtherApp,
    /// No socket has subscribed since the server started.
    NeverSubscribed,
    /// No socket is subscribed.
    NoSubscriber,
}

impl VerdictCode {
    /// The word by which programs know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::DeliveredOnThisNode => "delivered_on_this_node",
            Self::NotEncrypted => "not_encrypted",
            Self::OnlySubscriberExcluded => "only_subscriber_excluded",
            Self::InvalidChannel => "invalid_channel",
            Self::LastSocketLeft => "last_socket_left",
            Self::SubscriptionRefused => "subscription_refused",
            Self::NearMiss => "near_miss",
            Self::OtherApp => "other_app",
            Self::NeverSubscribed => "never_subscribed",
            Self::NoSubscriber => "no_subscriber",
        }
    }
}

impl Serialize for VerdictCode {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.serialize_str(self.name())
    }
}

/// A subscription that the server never sees: the page gives up before.
const AUTH_NOTE: &str = "a page whose auth endpoint answers with an error does not ask for it: the console of its browser has that answer";

/// How long a departure, or a refused subscription, is the likeliest cause.
const RECENT: Duration = Duration::from_secs(60);

/// The verdict on a situation.
pub fn verdict(situation: &Situation<'_>) -> Verdict {
    let Situation { except, reach, .. } = situation;
    let (socket_id, excluded) = match *except {
        Exclusion::None => (None, None),
        Exclusion::Subscriber(socket) => (Some(socket), Some(true)),
        Exclusion::Outsider(socket) => (Some(socket), Some(false)),
        Exclusion::NotHere(socket) => (Some(socket), None),
    };
    let sockets = reach.sockets.saturating_sub(usize::from(excluded == Some(true)));
    let (code, sentence) = match (reach.sockets, sockets) {
        (0, _) => unreceived(situation),
        (_, 0) => only_excluded(situation),
        _ => delivered(situation, sockets),
    };
    let is_missed = sockets == 0;
    Verdict {
        code,
        sentence,
        sockets,
        nodes: reach.nodes,
        socket_id,
        excluded,
        near_misses: if is_missed { situation.near_misses.clone() } else { Vec::new() },
        listen: situation.event.map(listen_call),
    }
}

fn delivered(situation: &Situation<'_>, sockets: usize) -> (VerdictCode, String) {
    let Situation { reach, channel, .. } = situation;
    let nodes =
        if reach.nodes == 1 { "1 node".to_owned() } else { format!("{} nodes", reach.nodes) };
    let excluded = match situation.except {
        Exclusion::None => "no socket excluded".to_owned(),
        Exclusion::Subscriber(socket) => format!("socket {socket} excluded by socket_id"),
        Exclusion::Outsider(socket) => {
            format!("socket {socket} of its socket_id is not subscribed")
        }
        Exclusion::NotHere(socket) if reach.nodes > 1 || reach.is_partial => {
            format!("one less if socket {socket} of its socket_id is subscribed on another node")
        }
        Exclusion::NotHere(socket) => format!("socket {socket} of its socket_id is not open here"),
    };
    let received = situation.event.map(|event| {
        format!("; a page receives `{event}` with `{}`{}", listen_call(event), dot_note(event))
    });
    let received = received.unwrap_or_default();
    let sockets = count(sockets);
    if ChannelType::of_prefix(channel) == ChannelType::Encrypted
        && situation.is_encrypted == Some(false)
    {
        let sentence = format!(
            "delivered to {sockets} on {nodes}, but none can decrypt it: the data have no nonce and ciphertext; set encryption_master_key_base64 in the back end, or publish on `PrivateChannel`"
        );
        return (VerdictCode::NotEncrypted, sentence);
    }
    if reach.is_partial {
        let sentence = format!(
            "{}: delivered to {sockets} of this node only, {excluded}{received}",
            redis_away(situation)
        );
        return (VerdictCode::DeliveredOnThisNode, sentence);
    }
    let sentence = format!("delivered to {sockets} on {nodes}, {excluded}{received}");
    (VerdictCode::Delivered, sentence)
}

fn only_excluded(situation: &Situation<'_>) -> (VerdictCode, String) {
    let Exclusion::Subscriber(socket) = situation.except else {
        return unreceived(situation);
    };
    let channel = situation.channel;
    let sentence = format!(
        "0 on `{channel}`: its only subscriber is socket {socket}, which the socket_id of the trigger excludes (`toOthers()`)"
    );
    (VerdictCode::OnlySubscriberExcluded, sentence)
}

fn unreceived(situation: &Situation<'_>) -> (VerdictCode, String) {
    let Situation { channel, near_misses, past, .. } = situation;
    let mut causes: Vec<(VerdictCode, String)> = Vec::new();
    if let Some(why) = &situation.invalid_name {
        causes.push((VerdictCode::InvalidChannel, format!("no channel has this name: {why}")));
    }
    let vacated = past.vacated.map(|(before, socket)| {
        let socket = socket.map_or("a socket".to_owned(), |socket| format!("socket {socket}"));
        let text = format!("{socket}, its last subscriber, left {} before", ago(before));
        (before, (VerdictCode::LastSocketLeft, text))
    });
    let refused = past.refused.as_ref().map(|(before, why)| {
        let text = format!("a subscription to it was refused {} before: {why}", ago(*before));
        (*before, (VerdictCode::SubscriptionRefused, text))
    });
    let is_recent = |(before, _): &(Duration, _)| *before <= RECENT;
    let (recent, older): (Vec<_>, Vec<_>) = vacated.into_iter().chain(refused).partition(is_recent);
    causes.extend(recent.into_iter().map(|(_, cause)| cause));
    causes.extend(near_misses.iter().map(|near| (VerdictCode::NearMiss, near.sentence())));
    causes.extend(situation.other_apps.iter().map(|(app, sockets)| {
        let sockets = count(*sockets);
        let text = format!(
            "{sockets} on the channel of this name in app {app:?}: the back end publishes with the id and key of another app than the page"
        );
        (VerdictCode::OtherApp, text)
    }));
    causes.extend(older.into_iter().map(|(_, cause)| cause));
    if causes.is_empty() {
        causes.extend(unasked(situation));
    }
    if let Some(event) = situation.event.filter(|event| is_client_event(event)) {
        causes.push((VerdictCode::NoSubscriber, client_event_note(event)));
    }
    if let Some(why) = situation.not_searched {
        causes.push((VerdictCode::NoSubscriber, format!("near names were not looked for: {why}")));
    }
    let code = causes.first().map_or(VerdictCode::NoSubscriber, |(code, _)| *code);
    let reasons: Vec<&str> = causes.iter().map(|(_, text)| &**text).collect();
    let partial = match situation.reach.is_partial {
        true => format!(" (of this node: {})", redis_away(situation)),
        false => String::new(),
    };
    let sentence = if reasons.is_empty() {
        format!(
            "0 on `{channel}`{partial}: no socket is subscribed, and no channel has a near name"
        )
    } else {
        format!("0 on `{channel}`{partial}; {}", reasons.join("; "))
    };
    (code, sentence)
}

fn redis_away(situation: &Situation<'_>) -> String {
    match &situation.away {
        Some(away) => format!("Redis ({away}) is away"),
        None => "Redis is away".to_owned(),
    }
}

/// Where nothing is known but that no socket is there: since when, and what keeps pages from asking.
fn unasked(situation: &Situation<'_>) -> Vec<(VerdictCode, String)> {
    let mut causes = Vec::new();
    if let Some(started) = situation.past.never_since {
        let text = format!(
            "no socket has subscribed to it since the server started, {} before",
            ago(started)
        );
        causes.push((VerdictCode::NeverSubscribed, text));
    }
    let guarded = [ChannelType::Private, ChannelType::Encrypted, ChannelType::Presence];
    if guarded.contains(&ChannelType::of_prefix(situation.channel)) {
        if causes.is_empty() {
            causes.push((VerdictCode::NoSubscriber, "no socket is subscribed".to_owned()));
        }
        causes.push((VerdictCode::NoSubscriber, AUTH_NOTE.to_owned()));
    }
    causes
}

fn client_event_note(event: &str) -> String {
    format!(
        "`{event}` is the name of a client event, which the server refuses from sockets that are not subscribed, on encrypted channels, and on public ones unless accept_client_events_from = \"all\""
    )
}

fn display<S: Serializer>(socket: &Option<SocketId>, writer: S) -> Result<S::Ok, S::Error> {
    socket.map(|socket| socket.to_string()).serialize(writer)
}

#[cfg(test)]
#[path = "verdict/tests.rs"]
mod tests;
