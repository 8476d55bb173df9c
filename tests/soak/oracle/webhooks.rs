//! Webhooks: what the endpoint knows of channels and members follows from the events alone, so each must come once and in
//! order, and in the end they must say what is so. A call whose answer is late is made again, with the same body: only that
//! may come twice.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::fact::{Cost, Name, Report, SocketNumber, WebhookCall};
use super::finding::{Broken, Findings, Loss};

/// A channel that is occupied, or a member of one.
pub(crate) type Occupation = (Name, Option<String>);

/// `webhooks.request_timeout_seconds`, which no run changes.
const REQUEST_TIMEOUT_MS: u64 = 10_000;

/// `webhooks.retry_for_seconds`: no call is repeated later.
const RETRIED_FOR_MS: u64 = 300_000;

/// Of one call: when it was made, and how long after that it was answered.
struct Answered {
    made_ms: u64,
    took_ms: u64,
}

#[derive(Default)]
pub(crate) struct WebhookLedger {
    /// By their bodies.
    calls: HashMap<Arc<str>, Answered>,
    /// The call that reported the last change.
    changed_by: HashMap<Occupation, u64>,
    /// Changes that were counted as lost in a fault, and may still come.
    given_up: HashSet<(Occupation, bool)>,
    /// As the endpoint has it.
    reported: BTreeSet<Occupation>,
    /// Of this page: changed while a fault was there that may cost webhooks, or in truth during it.
    is_uncertain: bool,
    in_fault: bool,
    /// Whispers of this page that must be reported, and those that were.
    whispers: HashMap<(SocketNumber, u64), u32>,
    whispered: HashSet<(SocketNumber, u64)>,
    pub(crate) events: u64,
    pub(crate) calls_repeated: u64,
    /// Events that came behind the judgement of their page.
    pub(crate) late: u64,
}

impl WebhookLedger {
    pub(crate) fn called(&mut self, call: WebhookCall, findings: &mut Findings) {
        let took_ms = call.answered_ms.saturating_sub(call.made_ms);
        if let Some(before) = self.calls.get_mut(&call.body) {
            match before.took_ms >= REQUEST_TIMEOUT_MS {
                true => self.calls_repeated += 1,
                false => {
                    let text = format!(
                        "a call was answered {} ms after it was made, and came again after {took_ms} ms: {}",
                        before.took_ms, call.body
                    );
                    findings.add(Broken::WebhookDoubled, text);
                }
            }
            before.took_ms = took_ms;
            return;
        }
        self.calls.insert(call.body, Answered { made_ms: call.made_ms, took_ms });
        for report in call.reports {
            self.reported(report, call.made_ms, findings);
        }
    }

    fn reported(&mut self, report: Report, made_ms: u64, findings: &mut Findings) {
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
        let was_given_up = self.given_up.remove(&(occupation.clone(), is_there));
        if !is_change && was_given_up {
            self.late += 1;
        } else if !is_change && !self.is_uncertain {
            let before = self.changed_by.get(&occupation);
            let text = format!(
                "{} is reported as {is_there} twice, in the calls of {before:?} and {made_ms}",
                named(&occupation)
            );
            findings.add(Broken::WebhookDoubled, text);
        }
        self.changed_by.insert(occupation, made_ms);
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
        if self.is_uncertain {
            let ends = self.reported.difference(truth).map(|one| (one.clone(), false));
            let begins = truth.difference(&self.reported).map(|one| (one.clone(), true));
            self.given_up = ends.chain(begins).collect();
        }
        let newest_ms = self.calls.values().map(|call| call.made_ms).max().unwrap_or_default();
        self.calls.retain(|_, call| call.made_ms + 2 * RETRIED_FOR_MS > newest_ms);
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
