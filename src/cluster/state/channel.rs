//! One channel on this node: its sockets here, its members, its place in the order of events, and the state
//! that is exchanged with the directory.
//!
//! What has to be done on the node is appended to a list of [`Effect`]s, in order. Request queues are not
//! known here: [`Core`](super::Core) sends what [`ClusterChannel::state`] returns.

use std::sync::Arc;
use std::time::Instant;

use super::announcer::Announcer;
use super::effect::{CachedReply, ChannelEffect, Effect};
use super::health::DirectoryTrust;
use super::members::Members;
use super::publish_queue::LocalDelivery;
use super::sequence::{EventOrder, GapDetector};
use super::sockets::{ChannelSockets, DecidedJoins, HeldEvent, Leave};
use super::topic_sync::{TopicSync, Verification};
use crate::channel_rules::WebhookPayload;
use crate::cluster::directory::NodeId;
use crate::cluster::directory::key::ChannelKey;
use crate::cluster::directory::message::{Count, EventMessage, Outcome, RosterChange};
use crate::cluster::directory::request::{ChannelState, ChannelTraits, StateFlags};
use crate::protocol::{Frame, Member, SocketId};

/// The only member of a user's own channel: present while the user is signed in on some node.
const SIGNED_IN: &str = "";

/// A channel that sockets of this node are in, or watch.
pub(super) struct ClusterChannel {
    pub(super) key: ChannelKey,
    app_id: String,
    traits: ChannelTraits,
    pub(super) sockets: ChannelSockets,
    /// Sockets here that watch the user whose own channel this is.
    watchers: u32,
    /// Since when no socket here has needed the channel.
    pub(super) idle_since: Option<Instant>,
    pub(super) sync: TopicSync,
    pub(super) members: Members,
    pub(super) sequence: GapDetector,
    /// The directory has had sockets of this node in the channel.
    was_in_directory: bool,
    /// The subscription count that this node's sockets received last.
    sent_count: Option<u32>,
}

/// What follows from an outcome.
pub(super) struct Applied {
    /// Another state has to be sent: a join was refused or postponed, or more missed events are to be read.
    pub(super) needs_request: bool,
    /// Client events of sockets whose join was accepted, in order.
    pub(super) held: Vec<HeldEvent>,
}

impl ClusterChannel {
    pub(super) fn new(key: ChannelKey, app_id: String, traits: ChannelTraits) -> Self {
        Self {
            key,
            app_id,
            traits,
            sockets: ChannelSockets::default(),
            watchers: 0,
            idle_since: None,
            sync: TopicSync::default(),
            members: Members::default(),
            sequence: GapDetector::default(),
            was_in_directory: false,
            sent_count: None,
        }
    }

    /// The directory is to treat the channel in this way; returns whether that is another one.
    pub(super) fn set_traits(&mut self, traits: ChannelTraits) -> bool {
        std::mem::replace(&mut self.traits, traits) != traits
    }

    // What this node's sockets do.

    /// A socket joins. It is answered when the directory has it.
    pub(super) fn join(&mut self, socket: SocketId, member: Option<&Member>) {
        self.idle_since = None;
        let user = match (member, self.key.user_id()) {
            (Some(member), _) => Some((member.user_id.clone(), member.info_json())),
            (None, Some(_)) => Some((SIGNED_IN.into(), "")),
            (None, None) => None,
        };
        user.iter().for_each(|(user_id, info)| self.members.own.join(user_id, info));
        self.sockets.join(socket, user.map(|(user_id, _)| user_id));
    }

    /// A socket leaves.
    pub(super) fn leave(
        &mut self,
        socket: SocketId,
        user_id: Option<&str>,
        effects: &mut Vec<Effect>,
    ) {
        let left = self.sockets.leave(socket);
        let signed_in = self.key.user_id().map(|_| SIGNED_IN);
        let user_id = user_id.or(signed_in).filter(|_| left != Leave::Absent);
        user_id.iter().for_each(|user_id| self.members.own.leave(user_id));
        if left == Leave::Subscribed {
            self.announcer(effects).push(ChannelEffect::RemoveSubscriber(socket));
        }
    }

    /// Answers a second subscription like the first: at once, or with an undecided join.
    pub(super) fn confirm(&mut self, socket: SocketId, effects: &mut Vec<Effect>) {
        if !self.sockets.repeat(socket) {
            self.announcer(effects).answer_again(socket);
        }
    }

    /// A socket watches the user whose own channel this is.
    pub(super) fn watch(&mut self) {
        (self.watchers, self.idle_since) = (self.watchers + 1, None);
    }

    pub(super) fn unwatch(&mut self) {
        self.watchers = self.watchers.saturating_sub(1);
    }

    // State for the directory.

    /// Whether an event that is published now returns through the subscription of this node.
    pub(super) fn receives_own_events(&self) -> bool {
        self.sync.is_subscribed() && !self.sockets.are_unrequested()
    }

    /// The state of this node, sent under this number.
    pub(super) fn state(
        &mut self,
        request: u64,
        topic: Arc<str>,
        members_max: usize,
    ) -> ChannelState {
        let (compares, verifies) = self.sync.begin_request();
        let changed = self.members.own.take_changed_rows();
        let rows = if compares { self.members.own.all_rows() } else { changed };
        let first_reader = self.sequence.requests_events(request);
        // The outcomes before it come while a comparison is under way, so they decide no join.
        let has_joins = self.sockets.assign(request, first_reader == Some(request));
        let flags = StateFlags {
            whole: compares,
            // A member who is subscribed stays, whatever other nodes did meanwhile.
            bounded: self.key.is_presence() && !compares,
            roster: self.key.has_roster() && (compares || verifies || !self.members.is_current),
            cached: has_joins && self.key.is_cache(),
            missed: first_reader.is_some(),
        };
        ChannelState {
            request,
            topic,
            app_id: self.app_id.clone(),
            name: self.key.text.clone(),
            count: self.sockets.len() as u32,
            traits: self.traits,
            flags,
            members_max,
            known: self.sequence.last(),
            rows,
        }
    }

    /// Applies the directory's answer to a state.
    pub(super) fn outcome(
        &mut self,
        (request, outcome): (u64, &Outcome<'_>),
        trust: DirectoryTrust,
        node: NodeId,
        effects: &mut Vec<Effect>,
    ) -> Applied {
        self.sync.unanswered = self.sync.unanswered.saturating_sub(1);
        if self.sequence.is_compared_by(request) {
            self.compare_events(outcome, node, effects);
        }
        let webhooks = self.webhooks(outcome, trust.was_wiped);
        let changes = self.members.apply_outcome(outcome, trust.may_be_partial);
        self.announcer(effects).members(&changes);
        self.was_in_directory = self.is_occupied();
        if self.sync.unanswered == 0 {
            self.members.own.confirm_rows();
        }
        webhooks.into_iter().for_each(|payload| self.announcer(effects).webhook(payload));
        // A socket receives no event from before its join, nor its cached event once more.
        let postpones = self.sequence.replays_up_to(outcome.number);
        let joins = self.sockets.decide(request, &outcome.refused, postpones);
        let needs_request = !joins.refused.is_empty() || joins.any_postponed || outcome.more;
        let reports_miss = self.sockets.reports_miss(&joins, outcome);
        let held = self.answer_joins(joins, outcome, effects);
        if reports_miss {
            self.announcer(effects).webhook(WebhookPayload::CacheMiss);
        }
        self.apply_count(outcome, effects);
        Applied { needs_request, held }
    }

    /// Redis is back: all rows are sent, and rosters and events compared.
    pub(super) fn compare(&mut self, keeps_events: bool) {
        (self.sync.compares, self.sync.has_compared) = (true, true);
        self.sequence.compare(keeps_events);
    }

    /// The next request verifies what messages of other nodes changed. Returns false if that is not due, or if
    /// the channel is idle: then the request of the next join reads the whole roster.
    pub(super) fn verify(&mut self) -> bool {
        let is_due = self.sync.verification == Verification::Due;
        if is_due && self.is_idle() {
            (self.sync.verification, self.members.is_current) = (Verification::Done, false);
        } else if is_due {
            self.sync.verification = Verification::Next;
        }
        self.sync.verification == Verification::Next
    }

    // Messages on the channel's topic.

    /// Another node changed the roster or the count. Returns whether the channel is to be verified and was not
    /// before.
    pub(super) fn change(
        &mut self,
        change: &RosterChange<'_>,
        may_be_partial: bool,
        effects: &mut Vec<Effect>,
    ) -> bool {
        // A roster that has not arrived yet holds the change already.
        if !self.sync.is_active() || !self.members.is_current {
            return false;
        }
        let changes = self.members.apply_change(&change.removed, &change.added, may_be_partial);
        self.announcer(effects).members(&changes);
        if let Some(count) = change.count {
            self.send_count(count, effects);
        }
        let is_new = self.sync.verification == Verification::Done;
        if is_new {
            self.sync.verification = Verification::Due;
        }
        is_new
    }

    /// An event of another node arrived.
    pub(super) fn event(
        &mut self,
        event: &EventMessage<'_>,
        keeps_events: bool,
        effects: &mut Vec<Effect>,
    ) -> EventOrder {
        if !self.sync.is_active() {
            return EventOrder::Next;
        }
        let order = self.sequence.arrived(event.number, None, keeps_events);
        if matches!(order, EventOrder::Next | EventOrder::Unexpected) {
            self.announcer(effects).event_message(event);
        }
        order
    }

    /// An event of this node returned. `due` is what is still to be delivered here.
    pub(super) fn own_event(
        &mut self,
        event: &EventMessage<'_>,
        due: Option<&LocalDelivery>,
        keeps_events: bool,
        effects: &mut Vec<Effect>,
    ) -> EventOrder {
        if !self.sync.is_active() {
            return EventOrder::Next;
        }
        due.into_iter().for_each(|delivery| self.deliver(delivery, effects));
        self.sequence.arrived(event.number, Some(event.serial), keeps_events)
    }

    /// Delivers an event of this node.
    pub(super) fn deliver(&self, delivery: &LocalDelivery, effects: &mut Vec<Effect>) {
        self.announcer(effects).own_event(delivery);
    }

    // Without Redis.

    /// The link is lost: from now on this node serves what it has.
    pub(super) fn link_lost(&mut self, effects: &mut Vec<Effect>) -> Vec<HeldEvent> {
        self.sync.link_lost();
        self.members.link_lost();
        self.apply_alone(effects)
    }

    /// Applies this node's own changes and answers all joins. Returns the client events that were held back.
    pub(super) fn apply_alone(&mut self, effects: &mut Vec<Effect>) -> Vec<HeldEvent> {
        let changes = self.members.apply_own();
        self.announcer(effects).members(&changes);
        let joins = self.sockets.take_pending();
        if joins.is_empty() {
            return Vec::new();
        }
        self.sequence.begin_alone();
        let cached = if self.key.is_cache() { CachedReply::Local } else { CachedReply::NotKept };
        let missed = self.sockets.take_miss().then_some(WebhookPayload::CacheMiss);
        let held = self.announcer(effects).accept_joins(joins, &cached);
        missed.into_iter().for_each(|payload| self.announcer(effects).webhook(payload));
        held
    }

    // What this node knows.

    /// No socket of this node needs the channel, and no request is under way.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_occupied() && self.watchers == 0 && self.sync.is_settled()
    }

    /// Sockets of this node are in it.
    pub(super) fn is_occupied(&self) -> bool {
        self.sockets.len() > 0
    }

    /// Whether lists show it.
    pub(super) fn is_listed(&self) -> bool {
        self.traits.listed && self.is_occupied()
    }

    /// Sockets of this node, and the members of the mirror.
    pub(super) fn counts(&self) -> (u32, u32) {
        (self.sockets.len() as u32, self.members.iter().len() as u32)
    }

    /// Whether the user is signed in, on the user's own channel.
    pub(super) fn is_online(&self) -> bool {
        self.members.contains(SIGNED_IN)
    }

    // Answers and announcements.

    fn compare_events(&mut self, outcome: &Outcome<'_>, node: NodeId, effects: &mut Vec<Effect>) {
        let (numbers, last) = ((outcome.number, outcome.own), self.sequence.last());
        let missed = self.sequence.compared(numbers, &outcome.missed, outcome.more);
        // A socket whose join is undecided has missed nothing.
        let missed = missed.filter(|_| self.sockets.have_subscribers());
        self.announcer(effects).missed(missed);
        self.announcer(effects).missed_events(&outcome.missed, last, node);
    }

    /// The webhook events that this node sends. A directory that was wiped takes for new what is sent again.
    fn webhooks(&self, outcome: &Outcome<'_>, was_wiped: bool) -> Vec<WebhookPayload> {
        let occupied = outcome.report_occupied && !(was_wiped && self.was_in_directory);
        let is_new = |user_id: &&&str| !was_wiped || self.members.is_news(user_id);
        let added = outcome.report_added.iter().filter(is_new);
        let added = added.map(|user_id| WebhookPayload::MemberAdded((*user_id).into()));
        occupied.then_some(WebhookPayload::ChannelOccupied).into_iter().chain(added).collect()
    }

    /// Answers the joins that an outcome decides. Returns the client events of the accepted ones.
    fn answer_joins(
        &mut self,
        joins: DecidedJoins,
        outcome: &Outcome<'_>,
        effects: &mut Vec<Effect>,
    ) -> Vec<HeldEvent> {
        for (socket, user_id) in joins.refused {
            user_id.iter().for_each(|user_id| self.members.own.leave(user_id));
            self.announcer(effects).push(ChannelEffect::Refuse(socket, user_id));
        }
        let cached = match outcome.cached {
            _ if !self.key.is_cache() => CachedReply::NotKept,
            Some(text) => CachedReply::Event(Frame::text(text.as_bytes())),
            None => CachedReply::Miss,
        };
        self.announcer(effects).accept_joins(joins.accepted, &cached)
    }

    fn apply_count(&mut self, outcome: &Outcome<'_>, effects: &mut Vec<Effect>) {
        let total = outcome.total;
        match outcome.count {
            Count::Sent => {
                self.send_count(total, effects);
                let payload = WebhookPayload::SubscriptionCount(total as usize);
                self.announcer(effects).webhook(payload);
            }
            // Another node announced it while this one was not subscribed.
            Count::No if self.traits.counts && self.sent_count != Some(total) => {
                self.send_count(total, effects);
            }
            Count::No | Count::Later => {}
        }
    }

    fn send_count(&mut self, count: u32, effects: &mut Vec<Effect>) {
        self.sent_count = Some(count);
        self.announcer(effects).subscription_count(count);
    }

    fn announcer<'a>(&'a self, effects: &'a mut Vec<Effect>) -> Announcer<'a> {
        Announcer {
            key: &self.key,
            members: &self.members,
            is_occupied: self.is_occupied(),
            is_watched: self.watchers > 0,
            effects,
        }
    }
}
