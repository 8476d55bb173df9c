//! Who is in which presence channel: in truth, as each client was told, and as each node answers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::fact::{Name, SocketNumber};
use super::finding::{Broken, Findings};

type Users = BTreeSet<String>;

#[derive(Default)]
pub(crate) struct Rosters {
    users: HashMap<SocketNumber, String>,
    /// What each subscriber of a presence channel was sent.
    views: BTreeMap<(Name, SocketNumber), Users>,
}

impl Rosters {
    pub(crate) fn opened(&mut self, socket: SocketNumber, user: &str) {
        self.users.insert(socket, user.to_owned());
    }

    pub(crate) fn closed(&mut self, socket: SocketNumber) {
        self.users.remove(&socket);
        self.views.retain(|(_, of), _| *of != socket);
    }

    pub(crate) fn begin(
        &mut self,
        socket: SocketNumber,
        channel: &Name,
        members: &[String],
        findings: &mut Findings,
    ) {
        let view: Users = members.iter().cloned().collect();
        if !self.users.get(&socket).is_some_and(|user| view.contains(user)) {
            let text = format!("the roster of {channel} for socket {socket} lacks its own user");
            findings.add(Broken::RosterContradicted, text);
        }
        self.views.insert((channel.clone(), socket), view);
    }

    pub(crate) fn end(&mut self, socket: SocketNumber, channel: &Name) {
        self.views.remove(&(channel.clone(), socket));
    }

    pub(crate) fn added(
        &mut self,
        socket: SocketNumber,
        channel: &Name,
        user: &str,
        findings: &mut Findings,
    ) {
        let Some(view) = self.views.get_mut(&(channel.clone(), socket)) else { return };
        if !view.insert(user.to_owned()) {
            let text = format!("{user} was added to {channel} at socket {socket} and was there");
            findings.add(Broken::RosterContradicted, text);
        }
    }

    pub(crate) fn removed(
        &mut self,
        socket: SocketNumber,
        channel: &Name,
        user: &str,
        findings: &mut Findings,
    ) {
        let Some(view) = self.views.get_mut(&(channel.clone(), socket)) else { return };
        if !view.remove(user) {
            let text =
                format!("{user} was removed from {channel} at socket {socket} and was not there");
            findings.add(Broken::RosterContradicted, text);
        }
    }

    /// The users who are in a channel.
    pub(crate) fn present(&self, channel: &str) -> Users {
        let views = self.views.keys().filter(|(of, _)| &**of == channel);
        views.filter_map(|(_, socket)| self.users.get(socket).cloned()).collect()
    }

    /// Whether each client was told the truth.
    pub(crate) fn are_true(&self) -> bool {
        self.views.iter().all(|((channel, _), view)| *view == self.present(channel))
    }

    /// Judges what the clients were told, with nothing under way.
    pub(crate) fn judge(&self, findings: &mut Findings) {
        for ((channel, socket), view) in &self.views {
            compare(
                &self.present(channel),
                view,
                &format!("{channel} at socket {socket}"),
                findings,
            );
        }
    }

    /// Judges what a node answers.
    pub(crate) fn judge_answer(
        &self,
        channel: &str,
        node: usize,
        answer: &Users,
        findings: &mut Findings,
    ) {
        compare(
            &self.present(channel),
            answer,
            &format!("{channel} as node {node} answers"),
            findings,
        );
    }
}

fn compare(truth: &Users, view: &Users, what: &str, findings: &mut Findings) {
    for user in truth.difference(view) {
        findings.add(Broken::MemberMissing, format!("{user} in {what}"));
    }
    for user in view.difference(truth) {
        findings.add(Broken::MemberTooMany, format!("{user} in {what}"));
    }
}
