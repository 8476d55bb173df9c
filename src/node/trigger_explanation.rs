//! What became of one event that a viewer was shown: a verdict for each channel, who received it, who did not, and the
//! event as text to copy.
//!
//! Who was subscribed is that of the moment of the event ([`RecentTriggers`](super::recent_triggers)); near names, and
//! the numbers that only the directory has, are those of the question.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::channels::Channels;
use super::coordinator::ChannelReach;
use super::explaining::{ExplainedEvent, KnownFacts, situation};
use super::reached::Reached;
use super::recent_triggers::{KeptChannel, ShownEvent};
use crate::config::PayloadView;
use crate::explanation::{
    Aftermath, CopiedData, CopiedEvent, Exclusion, Snippets, Subscribers, TriggerId, Unreached,
    Verdict, echo_listener, snippets, unreached, verdict,
};
use crate::hub::Membership;
use crate::observation::TriggerSource;
use crate::protocol::SocketId;

/// What became of one event.
#[derive(Debug, Serialize)]
pub struct TriggerExplanation {
    trigger: String,
    app: String,
    event: String,
    source: TriggerSource,
    /// How long ago it was published.
    ago_ms: u64,
    /// The socket that it excepts, or null: there is no `toOthers()`, or no browser behind it.
    socket_id: Option<String>,
    channels: Vec<ExplainedChannel>,
    /// Channels beyond those.
    #[serde(skip_serializing_if = "is_zero")]
    omitted_channels: usize,
    copy: Snippets,
}

/// What became of the event on one channel.
#[derive(Debug, Serialize)]
struct ExplainedChannel {
    channel: String,
    #[serde(flatten)]
    verdict: Verdict,
    /// Sockets of this node that received it, 100 at most; absent where they were not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    receivers: Option<Vec<String>>,
    unreached: Vec<Unreached>,
    /// The statement by which a page receives it.
    echo: String,
}

/// The explanation of an event that was shown; `None` if it is not kept. `others` are the channels of other apps.
pub(super) async fn explain_trigger(
    channels: &Channels,
    others: &[Arc<Channels>],
    id: TriggerId,
    view: PayloadView,
) -> Option<TriggerExplanation> {
    let app = channels.app().id.clone();
    let event = channels.activity().recent().find(&app, id)?;
    let mut explained = Vec::new();
    for channel in event.channels().await {
        explained.push(explain_on(channels, others, &event, channel).await);
    }
    let names: Vec<&str> = explained.iter().map(|channel| &*channel.channel).collect();
    let data = match view {
        PayloadView::Full if event.payload.is_cut() => CopiedData::Cut,
        PayloadView::Full => CopiedData::Whole(event.payload.kept()),
        PayloadView::None | PayloadView::Masked => CopiedData::Masked,
    };
    let copy = snippets(CopiedEvent { app: &app, channels: &names, event: &event.name, data });
    Some(TriggerExplanation {
        trigger: id.to_string(),
        app,
        event: event.name.clone(),
        source: event.source,
        ago_ms: u64::try_from(event.at.elapsed().as_millis()).unwrap_or(u64::MAX),
        socket_id: event.except.map(|socket| socket.to_string()),
        channels: explained,
        omitted_channels: event.omitted_channels,
        copy,
    })
}

async fn explain_on(
    channels: &Channels,
    others: &[Arc<Channels>],
    event: &ShownEvent,
    kept: &KeptChannel,
) -> ExplainedChannel {
    let name = kept.name.as_str();
    let reach = reach(channels, kept).await;
    let exclusion = exclusion(event, kept);
    let known = KnownFacts { reach, exclusion, is_encrypted: kept.is_encrypted, at: event.at };
    let explained =
        ExplainedEvent { channel: name, event: Some(&event.name), ..ExplainedEvent::default() };
    let situation = situation(channels, Some(others), explained, known).await;
    let open_sockets = match channels.coordinator().has_other_nodes() {
        true => channels.socket_count().await,
        false => event.open_sockets,
    };
    let aftermath =
        Aftermath { subscribed_after: subscribed_after(channels, event, kept).await, open_sockets };
    let receivers = kept.receivers.as_ref().map(|sockets| {
        let receivers = sockets.iter().filter(|socket| event.except != Some(**socket));
        receivers.map(SocketId::to_string).collect()
    });
    ExplainedChannel {
        channel: name.to_owned(),
        verdict: verdict(&situation),
        receivers,
        unreached: unreached(&situation, aftermath),
        echo: echo_listener(name, Some(&event.name)),
    }
}

/// The subscribers at the time of the event, or where the directory alone has them, those of now.
async fn reach(channels: &Channels, kept: &KeptChannel) -> ChannelReach {
    let of =
        |sockets, is_partial| Subscribers { sockets, nodes: u32::from(sockets > 0), is_partial };
    let now = channels.coordinator().reach(&kept.name).await;
    let reach = match kept.reached {
        Reached::All(0) => of(0, false),
        Reached::All(sockets) if !channels.coordinator().has_other_nodes() => of(sockets, false),
        Reached::All(sockets) => Subscribers { sockets, ..now.reach },
        Reached::Here(sockets) => of(sockets, true),
        Reached::Some => Subscribers { sockets: now.reach.sockets.max(1), ..now.reach },
        Reached::Undecided => now.reach,
    };
    ChannelReach { reach, ..now }
}

fn exclusion(event: &ShownEvent, kept: &KeptChannel) -> Exclusion {
    match (event.except, kept.excepted) {
        (None, _) => Exclusion::None,
        (Some(socket), Some(Membership::Subscribed)) => Exclusion::Subscriber(socket),
        (Some(socket), Some(Membership::Open)) => Exclusion::Outsider(socket),
        (Some(socket), Some(Membership::NotHere) | None) => Exclusion::NotHere(socket),
    }
}

/// How long after the event the first socket subscribed, if it found none there.
async fn subscribed_after(
    channels: &Channels,
    event: &ShownEvent,
    kept: &KeptChannel,
) -> Option<std::time::Duration> {
    if kept.reached != Reached::All(0) {
        return None;
    }
    let name = kept.name.as_str();
    let here = channels.hub().history().read(|past| past.subscribed_after(name, event.at));
    let elsewhere = channels.coordinator().reach(&kept.name).await.occupied_for;
    let occupied_at = elsewhere.and_then(|span| Instant::now().checked_sub(span));
    here.or_else(|| occupied_at?.checked_duration_since(event.at))
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}
