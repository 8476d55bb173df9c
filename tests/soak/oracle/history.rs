//! Histories for the unit tests of the oracle: two clients in a channel, a clock that goes on at each fact, and the judgement.

use super::Oracle;
use super::fact::{Cost, Fact, Name, Report, Scope, SocketNumber, WebhookCall};
use super::finding::{Broken, Loss};

pub(super) const CHANNEL: &str = "presence-room";

/// A history, with a clock that goes on by one at each fact.
#[derive(Default)]
pub(super) struct History {
    pub(super) oracle: Oracle,
    pub(super) at: u64,
    pub(super) triggered: u64,
}

impl History {
    /// Ann and Bob, sockets 1 and 2 of processes 1 and 2, in one presence channel, with the webhooks of that.
    pub(super) fn of_two() -> Self {
        let mut history = Self::default();
        history.opens(1, "ann", 1);
        history.joins(1, &["ann"]);
        history.opens(2, "bob", 2);
        history.joins(2, &["ann", "bob"]);
        history.take(Fact::MemberAdded { socket: 1, channel: name(), user: "bob".into() });
        history.reports(Report::Occupied(name()));
        history.reports(Report::MemberAdded(name(), "ann".into()));
        history.reports(Report::MemberAdded(name(), "bob".into()));
        history
    }

    pub(super) fn take(&mut self, fact: Fact) {
        self.at += 1;
        self.oracle.take(self.at, fact);
    }

    pub(super) fn opens(&mut self, socket: SocketNumber, user: &str, process: u32) {
        self.take(Fact::Opened { socket, user: user.into(), process: Some(process) });
    }

    pub(super) fn joins(&mut self, socket: SocketNumber, members: &[&str]) {
        let members = Some(members.iter().map(|user| (*user).to_owned()).collect());
        self.take(Fact::Subscribed { socket, channel: name(), asked: self.at, members });
    }

    pub(super) fn reports(&mut self, report: Report) {
        self.calls(&format!("call {}", self.at), 0, vec![report]);
    }

    /// A call that was made at 1 s, and answered so many milliseconds later.
    pub(super) fn calls(&mut self, body: &str, took_ms: u64, reports: Vec<Report>) {
        let (body, made_ms) = (body.into(), 1000);
        self.take(Fact::Called(WebhookCall {
            body,
            made_ms,
            answered_ms: made_ms + took_ms,
            reports,
        }));
    }

    /// The next event, answered with this scope by process 1.
    pub(super) fn event(&mut self, scope: Option<Scope>) -> u64 {
        self.event_except(scope, None)
    }

    pub(super) fn event_except(
        &mut self,
        scope: Option<Scope>,
        except: Option<SocketNumber>,
    ) -> u64 {
        let number = self.triggered;
        self.triggered += 1;
        self.take(Fact::Triggered { channel: name(), number, except, process: Some(1) });
        if let Some(scope) = scope {
            self.take(Fact::Answered { channel: name(), number, scope });
        }
        number
    }

    pub(super) fn receives(
        &mut self,
        socket: SocketNumber,
        numbers: impl IntoIterator<Item = u64>,
    ) {
        for number in numbers {
            self.take(Fact::Received { socket, channel: name(), number });
        }
    }

    pub(super) fn whisper(&mut self, number: u64) {
        self.take(Fact::Whispered { socket: 1, channel: name(), number });
        self.reports(Report::ClientEvent(1, number));
    }

    pub(super) fn receives_whisper(&mut self, socket: SocketNumber, number: u64) {
        self.take(Fact::WhisperReceived { socket, channel: name(), sender: 1, number });
    }

    pub(super) fn missed(&mut self, count: Option<u64>) {
        self.take(Fact::Missed { socket: 2, channel: name(), count });
    }

    pub(super) fn leaves(&mut self, socket: SocketNumber, user: &str) {
        self.take(Fact::Left { socket });
        self.reports(Report::MemberRemoved(name(), user.into()));
    }

    /// Turns the page; what is broken must be this, and so often.
    pub(super) fn judged(mut self, broken: &[(Broken, u64)]) -> Self {
        self.oracle.turn_page();
        let findings = &self.oracle.findings;
        let expected: u64 = broken.iter().map(|(_, count)| count).sum();
        let report = findings.report().unwrap_or_default();
        for (kind, count) in broken {
            assert_eq!(findings.broken(*kind), *count, "{kind:?} in\n{report}");
        }
        let found = report.lines().take_while(|line| line.contains(" × "));
        let found: u64 =
            found.map(|line| line.split(' ').next().unwrap().parse::<u64>().unwrap()).sum();
        assert_eq!(found, expected, "{report}");
        self
    }

    pub(super) fn has_lost(self, loss: Loss, events: u64) -> Self {
        assert_eq!(self.oracle.findings.lost(loss), events, "{loss:?}");
        self
    }
}

pub(super) fn name() -> Name {
    Name::from(CHANNEL)
}

pub(super) const CLUSTER: Option<Scope> = Some(Scope::Cluster);
pub(super) const NODE: Option<Scope> = Some(Scope::Node);
pub(super) const WITHOUT_REDIS: Cost = Cost { links: true, webhooks: true };
