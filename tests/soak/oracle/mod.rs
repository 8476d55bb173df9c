//! Knows exactly what each client must have seen. It is given facts, one after the other, and has no clock, no sockets and
//! no tasks.
//!
//! A run is a sequence of pages. At the end of each one there is no traffic, no fault, and nothing under way: then
//! everything is judged, and what is not needed any more is forgotten, so a run may last for days.

pub(crate) mod fact;
pub(crate) mod finding;

mod closings;
mod delivery;
mod rosters;
mod webhooks;
mod whispers;

#[cfg(test)]
mod history;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use closings::Closings;
use delivery::Deliveries;
use fact::{Cost, Fact, Micros, Name, SocketNumber};
use finding::{Broken, Findings};
use rosters::Rosters;
use webhooks::{Occupation, WebhookLedger};
use whispers::Whispers;

#[derive(Default)]
pub(crate) struct Oracle {
    deliveries: Deliveries,
    whispers: Whispers,
    rosters: Rosters,
    closings: Closings,
    webhooks: WebhookLedger,
    /// The open subscriptions to channels, those of users to themselves not included.
    subscriptions: BTreeSet<(Name, SocketNumber)>,
    links_lost: u64,
    pub(crate) findings: Findings,
}

/// How much was judged.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) events_expected: u64,
    pub(crate) events_received: u64,
    pub(crate) whispers_expected: u64,
    pub(crate) whispers_received: u64,
    pub(crate) webhook_events: u64,
    pub(crate) webhook_calls_repeated: u64,
    pub(crate) webhook_events_late: u64,
    pub(crate) links_lost: u64,
    pub(crate) unanswered: u64,
}

impl Oracle {
    /// Takes a fact; of an event that was received, how long it was under way.
    pub(crate) fn take(&mut self, at: Micros, fact: Fact) -> Option<Micros> {
        match fact {
            Fact::Opened { socket, user, process } => {
                self.closings.opened(socket, &user, process);
                self.rosters.opened(socket, &user);
                self.whispers.opened(socket);
            }
            Fact::Subscribed { socket, channel, asked, members } => {
                self.subscribed(at, (socket, &channel), asked, members);
            }
            Fact::Unsubscribed { socket, channel } => self.unsubscribed(socket, &channel),
            Fact::Claims { socket } => self.closings.claims(socket),
            Fact::SignedIn { socket } => self.signed_in(at, socket),
            Fact::Triggered { channel, number, except, process } => {
                self.deliveries.triggered(at, (&channel, number), except, process);
            }
            Fact::Answered { channel, number, scope } => {
                self.deliveries.answered(at, &channel, number, scope);
            }
            Fact::Received { socket, channel, number } => {
                let of = (socket, &channel);
                return self.deliveries.received(at, of, number, &mut self.findings);
            }
            Fact::Missed { socket, channel, count } => {
                self.deliveries.missed(at, socket, &channel, count);
            }
            Fact::CacheMiss { socket, channel } => {
                self.deliveries.cache_missed(socket, &channel);
            }
            Fact::MemberAdded { socket, channel, user } => {
                self.rosters.added(socket, &channel, &user, &mut self.findings);
            }
            Fact::MemberRemoved { socket, channel, user } => {
                self.rosters.removed(socket, &channel, &user, &mut self.findings);
            }
            Fact::Whispered { socket, channel, number } => {
                self.whispers.whispered(at, socket, &channel, number);
                self.webhooks.whispered(socket, number);
            }
            Fact::WhisperReceived { socket, channel, sender, number } => {
                self.whispers.heard((socket, &channel), sender, number, &mut self.findings);
            }
            Fact::Refused { socket, text } => {
                self.findings.add(Broken::Refused, format!("socket {socket}: {text}"));
            }
            other => self.take_end_or_fault(at, other),
        }
        None
    }

    fn take_end_or_fault(&mut self, at: Micros, fact: Fact) {
        match fact {
            Fact::Unanswered { process } => {
                self.closings.unanswered(process, &mut self.findings);
            }
            Fact::Terminating { user } => self.closings.terminating(at, &user),
            Fact::Terminated { user } => self.closings.terminated(&user),
            Fact::Left { socket } => {
                self.closings.left(socket);
                self.gone(socket);
            }
            Fact::Closed { socket, code } => {
                self.closings.closed(socket, code, &mut self.findings);
                self.gone(socket);
            }
            Fact::ProcessEnds { process, is_killed } => {
                self.closings.process_ends(process, is_killed)
            }
            Fact::FaultBegins { cost } => self.fault_begins(at, cost),
            Fact::FaultEnds => {
                self.deliveries.fault_ends(at);
                self.whispers.split_ends(at);
                self.closings.split(false);
                self.webhooks.fault_ends();
            }
            Fact::LinkLost => {
                self.links_lost += 1;
                self.deliveries.link_lost(at);
                self.whispers.page_is_split();
                self.closings.split(false);
                self.webhooks.page_is_uncertain();
            }
            Fact::Called(call) => self.webhooks.called(call, &mut self.findings),
            _ => unreachable!("taken before"),
        }
    }

    fn fault_begins(&mut self, at: Micros, cost: Cost) {
        if cost.links {
            self.deliveries.fault_begins();
            self.whispers.split_begins(at);
            self.closings.split(true);
        }
        self.webhooks.fault_begins(cost);
    }

    fn subscribed(
        &mut self,
        at: Micros,
        (socket, channel): (SocketNumber, &Name),
        asked: Micros,
        members: Option<Vec<String>>,
    ) {
        let process = self.closings.process_of(socket);
        self.deliveries.begin(at, (socket, channel), asked, process);
        self.whispers.begin(at, socket, channel);
        self.subscriptions.insert((channel.clone(), socket));
        if let Some(members) = members {
            self.rosters.begin(socket, channel, &members, &mut self.findings);
            self.closings.owned(at, socket, Some(channel));
        }
    }

    fn unsubscribed(&mut self, socket: SocketNumber, channel: &Name) {
        self.deliveries.end(socket, channel);
        self.whispers.end(socket, channel);
        self.rosters.end(socket, channel);
        self.closings.unsubscribed(socket, channel);
        self.subscriptions.remove(&(channel.clone(), socket));
    }

    fn signed_in(&mut self, at: Micros, socket: SocketNumber) {
        self.closings.owned(at, socket, None);
        let process = self.closings.process_of(socket);
        if let Some(user) = self.closings.user_of(socket) {
            let channel = Name::from(format!("#server-to-user-{user}"));
            self.deliveries.begin(at, (socket, &channel), at, process);
        }
    }

    fn gone(&mut self, socket: SocketNumber) {
        self.deliveries.end_all(socket);
        self.whispers.closed(socket);
        self.rosters.closed(socket);
        self.subscriptions.retain(|(_, of)| *of != socket);
    }

    /// The channels that are occupied and their members, as webhooks must report them.
    fn occupations(&self) -> BTreeSet<Occupation> {
        let mut all = BTreeSet::new();
        for (channel, _) in &self.subscriptions {
            if all.insert((channel.clone(), None)) {
                let users = self.rosters.present(channel);
                all.extend(users.into_iter().map(|user| (channel.clone(), Some(user))));
            }
        }
        all
    }

    /// What clients have yet to see: events, whispers, members, the end of terminated connections. Nothing of it
    /// needs another action.
    pub(crate) fn outstanding(&self) -> usize {
        let rosters = usize::from(!self.rosters.are_true());
        self.deliveries.outstanding()
            + self.whispers.outstanding()
            + self.closings.outstanding()
            + rosters
    }

    /// How many webhook events have yet to come, unless a fault may have cost them.
    pub(crate) fn webhooks_outstanding(&self) -> usize {
        self.webhooks
            .outstanding(&self.occupations(), |socket| self.closings.user_of(socket).is_some())
    }

    pub(crate) fn webhooks_may_miss(&self) -> bool {
        self.webhooks.may_miss()
    }

    /// The number of subscribers of each channel.
    pub(crate) fn subscribers(&self) -> BTreeMap<Name, u64> {
        let mut counts = BTreeMap::new();
        for (channel, _) in &self.subscriptions {
            *counts.entry(channel.clone()).or_default() += 1;
        }
        counts
    }

    /// Judges the roster that a node answers.
    pub(crate) fn judge_answer(&mut self, channel: &str, node: usize, answer: &BTreeSet<String>) {
        self.rosters.judge_answer(channel, node, answer, &mut self.findings);
    }

    /// The users of a presence channel.
    pub(crate) fn present(&self, channel: &str) -> BTreeSet<String> {
        self.rosters.present(channel)
    }

    /// Judges everything, and begins the next page.
    pub(crate) fn turn_page(&mut self) {
        let truth = self.occupations();
        let is_open = |socket| self.closings.user_of(socket).is_some();
        self.webhooks.turn_page(&truth, is_open, &mut self.findings);
        self.rosters.judge(&mut self.findings);
        self.closings.turn_page(&mut self.findings);
        self.whispers.turn_page(&mut self.findings);
        self.deliveries.turn_page(&mut self.findings);
    }

    pub(crate) fn judged(&self) -> Judged {
        Judged {
            events_expected: self.deliveries.expected,
            events_received: self.deliveries.received,
            whispers_expected: self.whispers.expected,
            whispers_received: self.whispers.received,
            webhook_events: self.webhooks.events,
            webhook_calls_repeated: self.webhooks.calls_repeated,
            webhook_events_late: self.webhooks.late,
            links_lost: self.links_lost,
            unanswered: self.closings.unanswered,
        }
    }

    pub(crate) fn closes(&self) -> impl Iterator<Item = (&str, u64)> {
        self.closings.by_code()
    }
}
