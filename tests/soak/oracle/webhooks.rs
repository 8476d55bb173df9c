//! Webhooks: what the endpoint knows of channels and members follows from the events alone, so each must come once and in
//! order, and in the end they must say what is so.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::fact::{Cost, Name, Report, SocketNumber};
use super::finding::{Broken, Findings, Loss};

/// A channel that is occupied, or a member of one.
pub(crate) type Occupation = (Name, Option<String>);

#[derive(Default)]
pub(crate) struct WebhookLedger {
    /// As the endpoint has it.
    reported: BTreeSet<Occupation>,
    /// Of this page: changed while a fault was there that may cost webhooks, or in truth during it.
    is_uncertain: bool,
    in_fault: bool,
    /// Whispers of this page that must be reported, and those that were.
    whispers: HashMap<(SocketNumber, u64), u32>,
    whispered: HashSet<(SocketNumber, u64)>,
    pub(crate) events: u64,
}

impl WebhookLedger {
    pub(crate) fn reported(&mut self, report: Report, findings: &mut Findings) {
        self.events += 1;
        let (occupation, is_there) = match report {
            Report::Occupied(channel) => ((channel, None), true),
            Report::Vacated(channel) => ((channel, None), false),
            Report::MemberAdded(channel, user) => ((channel, Some(user)), true),
            Report::MemberRemoved(channel, user) => ((channel, Some(user)), false),
            Report::CacheMiss(_) => return,
            Report::ClientEvent(socket, number) => {
                let times = self.whispers.entry((socket, number)).or_default();
                *times += 1;
                if *times > 1 {
                    let text = format!("client event {number} of socket {socket}");
                    findings.add(Broken::WebhookDoubled, text);
                }
                return;
            }
        };
        let is_change = match is_there {
            true => self.reported.insert(occupation.clone()),
            false => self.reported.remove(&occupation),
        };
        if !is_change && !self.is_uncertain {
            let text = format!("{} is reported as {is_there} twice", named(&occupation));
            findings.add(Broken::WebhookDoubled, text);
        }
    }

    pub(crate) fn whispered(&mut self, socket: SocketNumber, number: u64) {
        self.whispered.insert((socket, number));
    }

    pub(crate) fn fault_begins(&mut self, cost: Cost) {
        self.in_fault = cost.webhooks;
        self.is_uncertain |= cost.webhooks;
    }

    pub(crate) fn fault_ends(&mut self) {
        self.in_fault = false;
    }

    /// A link was lost without a fault.
    pub(crate) fn page_is_uncertain(&mut self) {
        self.is_uncertain = true;
    }

    /// Whether some of the page may be lost.
    pub(crate) fn may_miss(&self) -> bool {
        self.is_uncertain
    }

    /// How many events are still to come.
    pub(crate) fn outstanding(
        &self,
        truth: &BTreeSet<Occupation>,
        open: impl Fn(SocketNumber) -> bool,
    ) -> usize {
        let whispers = self.unreported(open).count();
        self.reported.symmetric_difference(truth).count() + whispers
    }

    /// Judges the page. What a fault has cost is corrected, so that the next page begins with the truth.
    pub(crate) fn turn_page(
        &mut self,
        truth: &BTreeSet<Occupation>,
        open: impl Fn(SocketNumber) -> bool,
        findings: &mut Findings,
    ) {
        let stale = self.reported.difference(truth).map(|one| format!("the end of {}", named(one)));
        let unknown = truth.difference(&self.reported).map(named);
        let unreported = self
            .unreported(open)
            .map(|(socket, number)| format!("client event {number} of socket {socket}"));
        for text in stale.chain(unknown).chain(unreported) {
            match self.is_uncertain {
                true => {
                    findings.count_loss(Loss::WebhookInFault, 1);
                    findings.note(format!("webhook in a fault: {text}"));
                }
                false => findings.add(Broken::WebhookMissing, text),
            }
        }
        self.reported.clone_from(truth);
        self.whispers.clear();
        self.whispered.clear();
        self.is_uncertain = self.in_fault;
    }

    fn unreported(
        &self,
        open: impl Fn(SocketNumber) -> bool,
    ) -> impl Iterator<Item = (SocketNumber, u64)> {
        let all = self.whispered.iter().filter(|one| !self.whispers.contains_key(one)).copied();
        all.filter(move |(socket, _)| open(*socket))
    }
}

fn named((channel, user): &Occupation) -> String {
    match user {
        Some(user) => format!("{user} in {channel}"),
        None => channel.to_string(),
    }
}
