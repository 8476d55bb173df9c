//! One channel as a node sees it: its own sockets there, what the directory said last, who waits.
//!
//! Pure. What has to be done on the node is written into a list of [`Effect`]s, in order. Refuses
//! to know how requests travel.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use super::effect::{CachedReply, ChannelEffect, Effect, JoinReply};
use super::health::DirectoryTrust;
use super::local_members::LocalMembers;
use super::pending_joins::PendingJoins;
use super::roster_mirror::RosterMirror;
use super::sequence::GapDetector;
use crate::channel_rules::WebhookPayload;
use crate::cluster::directory::NodeId;
use crate::cluster::directory::key::ChannelKey;
use crate::cluster::directory::outcome::{Count, Outcome};
use crate::cluster::directory::request::{ChannelState, ChannelTraits, StateFlags};
use crate::protocol::{Frame, Member, SocketId};

mod inbound;
mod notify;

/// In the roster of a user's own channel, whoever is signed in stands under this name.
const SIGNED_IN: &str = "";

/// One channel that somebody on this node is in, or watches.
pub(super) struct ClusterChannel {
    pub(super) key: ChannelKey,
    pub(super) app_id: String,
    pub(super) facts: ChannelTraits,
    /// Sockets of this node, those that wait included.
    sockets: HashSet<SocketId>,
    /// Sockets here that watch the user whose own channel this is.
    pub(super) watchers: u32,
    /// What this node asked to hear.
    pub(super) service: Subscription,
    /// It stands in the queue of requests.
    pub(super) queued: bool,
    /// Outcomes that have not come yet.
    pub(super) unanswered: u32,
    /// Since when nobody here has needed it.
    pub(super) idle_since: Option<Instant>,
    /// The roster is that of the directory.
    pub(super) current: bool,
    rows: LocalMembers,
    newcomers: PendingJoins,
    roster: RosterMirror,
    numbers: GapDetector,
    /// All of this node's rows are to be told, and the roster compared.
    compare: bool,
    /// That was so, or is, on this link: the directory has nothing old of this node here.
    pub(super) compared: bool,
    /// The directory has had sockets of this node in it.
    known: bool,
    /// How many subscribers this node's were told there are.
    counted: Option<u32>,
    verification: Verification,
}

/// Whether the topic is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subscription {
    None,
    /// Subscribed to, not confirmed: what still comes is from before.
    Pending,
    Active,
}

/// Whether the directory has what messages of other nodes changed in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verification {
    Done,
    /// A message has changed something.
    Due,
    /// The next request asks.
    Next,
}

impl ClusterChannel {
    pub(super) fn new(key: ChannelKey, app_id: String, facts: ChannelTraits) -> Self {
        Self {
            key,
            app_id,
            facts,
            sockets: HashSet::new(),
            watchers: 0,
            service: Subscription::None,
            queued: false,
            unanswered: 0,
            idle_since: None,
            current: false,
            rows: LocalMembers::default(),
            newcomers: PendingJoins::default(),
            roster: RosterMirror::default(),
            numbers: GapDetector::default(),
            compare: false,
            compared: false,
            known: false,
            counted: None,
            verification: Verification::Done,
        }
    }

    /// Nobody here needs it, and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        let needed = self.is_occupied() || self.watchers > 0;
        !needed && !self.queued && self.unanswered == 0
    }

    /// Sockets of this node are in it.
    pub(super) fn is_occupied(&self) -> bool {
        !self.sockets.is_empty()
    }

    /// Sockets of this node, and users as far as it knows: all there is without Redis.
    pub(super) fn counts(&self) -> (u32, u32) {
        (self.sockets.len() as u32, self.roster.members().len() as u32)
    }

    /// DisagreementKind how many bytes its roster is; 4 KB where this node does not know it yet.
    pub(super) fn roster_bytes(&self) -> usize {
        let bytes = |(user_id, info): (&str, &str)| user_id.len() + info.len() + 16;
        self.roster.members().map(bytes).sum::<usize>().max(4096)
    }

    /// The members as far as this node knows.
    pub(super) fn user_ids(&self) -> impl Iterator<Item = &str> {
        self.roster.members().map(|(user_id, _)| user_id)
    }

    /// Whether the user is signed in, on the user's own channel.
    pub(super) fn is_online(&self) -> bool {
        self.roster.contains(SIGNED_IN)
    }

    pub(super) fn has_doubts(&self) -> bool {
        self.roster.has_doubts()
    }

    /// A socket joins. It is answered when the directory has it.
    pub(super) fn join(&mut self, socket: SocketId, member: Option<&Member>) {
        self.idle_since = None;
        self.sockets.insert(socket);
        let user = match (member, self.key.user_id()) {
            (Some(member), _) => Some((member.user_id.clone(), member.info_json())),
            (None, Some(_)) => Some((SIGNED_IN.into(), "")),
            (None, None) => None,
        };
        if let Some((user_id, info)) = &user {
            self.rows.join(user_id, info);
        }
        self.newcomers.add(socket, user.map(|(user_id, _)| user_id));
    }

    /// A socket leaves.
    pub(super) fn leave(
        &mut self,
        socket: SocketId,
        user_id: Option<&str>,
        effects: &mut Vec<Effect>,
    ) {
        // One that was refused meanwhile has left already.
        if !self.sockets.remove(&socket) {
            return;
        }
        let signed_in = self.key.user_id().map(|_| SIGNED_IN);
        if let Some(user_id) = user_id.or(signed_in) {
            self.rows.leave(user_id);
        }
        match self.newcomers.get_mut(socket) {
            Some(waiting) => waiting.left = true,
            None => self.act(ChannelEffect::Unseat(socket), effects),
        }
    }

    /// What is published from now on will be heard back: it is asked for, and sockets were told of.
    pub(super) fn hears_back(&self) -> bool {
        self.service != Subscription::None && !self.newcomers.are_unasked(self.sockets.len())
    }

    /// What this node has, to be told under this request.
    pub(super) fn state(
        &mut self,
        request: u64,
        topic: Arc<str>,
        members_max: usize,
    ) -> ChannelState {
        let compare = std::mem::take(&mut self.compare);
        let verify = self.verification == Verification::Next;
        if verify {
            self.verification = Verification::Done;
        }
        let rows = self.rows.tell(compare);
        let newcomers = self.newcomers.ask(request);
        self.unanswered += 1;
        let asked = StateFlags {
            whole: compare,
            // Who is seated already stays, whatever others did meanwhile.
            bounded: self.key.is_presence() && !compare,
            roster: self.key.has_roster() && (compare || verify || !self.current),
            cached: newcomers && self.key.is_cache(),
            missed: self.numbers.ask(request),
        };
        ChannelState {
            request,
            topic,
            app_id: self.app_id.clone(),
            name: self.key.text.clone(),
            count: self.sockets.len() as u32,
            facts: self.facts,
            asked,
            members_max,
            known: self.numbers.known(),
            rows,
        }
    }

    /// The directory's answer. Returns false if it has to be told more: that somebody was refused, or
    /// that this node wants the rest of what it missed.
    pub(super) fn outcome(
        &mut self,
        request: u64,
        outcome: &Outcome<'_>,
        reliance: DirectoryTrust,
        node: NodeId,
        effects: &mut Vec<Effect>,
    ) -> bool {
        self.unanswered = self.unanswered.saturating_sub(1);
        if self.numbers.is_answer(request) {
            let numbers = (outcome.number, outcome.own);
            let missed = self.numbers.compared(numbers, &outcome.missed, outcome.more);
            self.tell_missed(missed, effects);
            self.catch_up(&outcome.missed, node, effects);
        }
        let news = self.news(outcome, reliance.forgetful);
        self.mirror(outcome, reliance.incomplete, effects);
        self.current = true;
        self.known = self.is_occupied();
        if self.unanswered == 0 {
            self.rows.arrived();
        }
        news.into_iter().for_each(|payload| self.report(payload, effects));
        let cached = outcome.cached.map(|text| Frame::text(text.as_bytes()));
        let accepted = self.answer(request, &outcome.refused, cached.as_ref(), effects);
        if outcome.tell_miss {
            self.report(WebhookPayload::CacheMiss, effects);
        }
        match outcome.count {
            Count::Told => {
                self.tell_count(outcome.total, effects);
                self.report(WebhookPayload::SubscriptionCount(outcome.total as usize), effects);
            }
            // Told to all others while this node did not hear.
            Count::No if self.facts.counts && self.counted != Some(outcome.total) => {
                self.tell_count(outcome.total, effects);
            }
            Count::No | Count::Later => {}
        }
        accepted && !outcome.more
    }

    /// What webhooks are to be told. A directory that has lost its data takes for new whoever is told
    /// again: then only who came meanwhile is.
    fn news(&self, outcome: &Outcome<'_>, forgetful: bool) -> Vec<WebhookPayload> {
        let is_new = |user_id: &&&str| {
            !forgetful || !self.roster.contains(user_id) || self.rows.came_alone(user_id)
        };
        let occupied = outcome.tell_occupied && !(forgetful && self.known);
        let added = outcome.tell_added.iter().filter(is_new);
        let added = added.map(|user_id| WebhookPayload::MemberAdded((*user_id).into()));
        occupied.then_some(WebhookPayload::ChannelOccupied).into_iter().chain(added).collect()
    }

    /// The roster becomes what the directory says.
    fn mirror(&mut self, outcome: &Outcome<'_>, incomplete: bool, effects: &mut Vec<Effect>) {
        let Some(there) = &outcome.roster else {
            outcome.removed.iter().for_each(|user_id| self.removed(user_id, incomplete, effects));
            for user_id in &outcome.added {
                let info = self.rows.told_info(user_id).unwrap_or("null").to_owned();
                self.added(user_id, &info, effects);
            }
            return;
        };
        let difference = self.roster.reconcile(there.clone(), incomplete);
        difference.removed.iter().for_each(|user_id| self.announce_removed(user_id, effects));
        difference.added.iter().for_each(|user_id| self.announce_added(user_id, effects));
    }

    /// Answers those who waited for this request.
    fn answer(
        &mut self,
        request: u64,
        refused: &[&str],
        cached: Option<&Frame>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let newcomers = self.newcomers.answered(request, refused);
        if newcomers.is_empty() {
            return true;
        }
        let (first, mut all_accepted) = (self.said_first(), true);
        for (socket, waiting) in newcomers {
            let refused = waiting.user_id.as_ref().filter(|user_id| refused.contains(&&***user_id));
            if let Some(user_id) = refused {
                all_accepted = false;
                let user_id = Some(user_id.clone()).filter(|_| !waiting.left);
                if let Some(user_id) = &user_id {
                    self.sockets.remove(&socket);
                    self.rows.leave(user_id);
                }
                self.act(ChannelEffect::Refuse(socket, user_id), effects);
                continue;
            }
            let cached = match (self.key.is_cache(), cached) {
                (false, _) => CachedReply::NotKept,
                (true, Some(frame)) => CachedReply::Event(frame.clone()),
                (true, None) => CachedReply::Miss,
            };
            self.greet(socket, &waiting, (first.clone(), cached), effects);
        }
        all_accepted
    }

    /// Answers a second subscription like the first; one that waits is answered when the first is.
    pub(super) fn confirm(&mut self, socket: SocketId, effects: &mut Vec<Effect>) {
        if let Some(waiting) = self.newcomers.get_mut(socket) {
            waiting.again += 1;
            return;
        }
        let newcomer = JoinReply { answer: self.said_first(), cached: CachedReply::NotKept };
        self.act(ChannelEffect::Answer(socket, newcomer), effects);
    }

    /// Redis is gone: from now on this node serves what it has. What was under way may have arrived
    /// or not; here it counts as done.
    pub(super) fn lost(&mut self, effects: &mut Vec<Effect>) {
        (self.service, self.current) = (Subscription::None, false);
        (self.queued, self.unanswered, self.compared) = (false, 0, false);
        self.verification = Verification::Done;
        self.rows.lost();
        self.serve_alone(effects);
    }

    /// Without Redis: users come and go as this node sees it, and those who wait are answered.
    pub(super) fn serve_alone(&mut self, effects: &mut Vec<Effect>) {
        for (user_id, info) in self.rows.take_changed() {
            match info {
                Some(info) => self.added(&user_id, &info, effects),
                None => self.removed(&user_id, false, effects),
            }
        }
        let newcomers = self.newcomers.take();
        if newcomers.is_empty() {
            return;
        }
        self.numbers.begin_alone();
        let first = self.said_first();
        for (socket, waiting) in newcomers {
            let cached =
                if self.key.is_cache() { CachedReply::Local } else { CachedReply::NotKept };
            self.greet(socket, &waiting, (first.clone(), cached), effects);
        }
    }

    /// Redis is back: everything is told again, everything compared.
    pub(super) fn compare(&mut self, keeps: bool) {
        (self.compare, self.compared) = (true, true);
        self.numbers.compare(keeps);
    }

    /// Events may be lost that nobody can count.
    pub(super) fn doubt_events(&mut self) {
        self.numbers.doubt();
    }

    /// The roster is to be compared once more, now that every node has spoken.
    pub(super) fn dispel_doubts(&mut self) {
        self.compare = true;
    }
}
