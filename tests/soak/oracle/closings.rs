//! Connections that end: each one that the client did not close has a cause, and its code is that of the cause.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::fact::{Micros, Name, ProcessNumber, SocketNumber};
use super::finding::{Broken, Findings};

struct Connection {
    user: String,
    process: Option<ProcessNumber>,
    /// Since when it belongs to its user: signed in (no channel), or in presence channels as that user.
    owned: HashMap<Option<Name>, Micros>,
    was_claimed: bool,
}

#[derive(Default)]
pub(crate) struct Closings {
    open: HashMap<SocketNumber, Connection>,
    ending: HashSet<ProcessNumber>,
    killed: HashSet<ProcessNumber>,
    /// Users whose connections a back end has ended or wants to end, and when, of this page; those of the one before.
    terminating: HashMap<String, Micros>,
    terminated_before: HashSet<String>,
    /// Of those the ones that were answered, and since when nothing was without Redis.
    terminated: Vec<(String, Micros)>,
    is_split: bool,
    by_code: BTreeMap<String, u64>,
    pub(crate) unanswered: u64,
}

impl Closings {
    pub(crate) fn opened(
        &mut self,
        socket: SocketNumber,
        user: &str,
        process: Option<ProcessNumber>,
    ) {
        let user = user.to_owned();
        self.open.insert(
            socket,
            Connection { user, process, owned: HashMap::new(), was_claimed: false },
        );
    }

    pub(crate) fn process_of(&self, socket: SocketNumber) -> Option<ProcessNumber> {
        self.open.get(&socket)?.process
    }

    pub(crate) fn user_of(&self, socket: SocketNumber) -> Option<&str> {
        self.open.get(&socket).map(|connection| &*connection.user)
    }

    /// It has signed in, or joined a presence channel.
    pub(crate) fn owned(&mut self, at: Micros, socket: SocketNumber, by: Option<&Name>) {
        if let Some(connection) = self.open.get_mut(&socket) {
            connection.owned.insert(by.cloned(), at);
            connection.was_claimed = true;
        }
    }

    /// A sign-in or a presence channel is asked for: a termination may come before the answer.
    pub(crate) fn claims(&mut self, socket: SocketNumber) {
        if let Some(connection) = self.open.get_mut(&socket) {
            connection.was_claimed = true;
        }
    }

    /// It is about to leave a channel.
    pub(crate) fn unsubscribed(&mut self, socket: SocketNumber, channel: &Name) {
        if let Some(connection) = self.open.get_mut(&socket) {
            connection.owned.remove(&Some(channel.clone()));
        }
    }

    pub(crate) fn process_ends(&mut self, process: ProcessNumber, is_killed: bool) {
        let processes = if is_killed { &mut self.killed } else { &mut self.ending };
        processes.insert(process);
    }

    pub(crate) fn terminating(&mut self, at: Micros, user: &str) {
        self.terminating.insert(user.to_owned(), at);
    }

    pub(crate) fn terminated(&mut self, user: &str) {
        if !self.is_split {
            let sent = self.terminating[user];
            self.terminated.push((user.to_owned(), sent));
        }
    }

    /// Nodes are without Redis: a termination ends the connections of one node alone.
    pub(crate) fn split(&mut self, is_split: bool) {
        self.is_split = is_split;
        self.terminated.clear();
    }

    pub(crate) fn left(&mut self, socket: SocketNumber) {
        self.open.remove(&socket);
        *self.by_code.entry("by the client".to_owned()).or_default() += 1;
    }

    pub(crate) fn closed(
        &mut self,
        socket: SocketNumber,
        code: Option<u16>,
        findings: &mut Findings,
    ) {
        let Some(connection) = self.open.remove(&socket) else { return };
        let is_among = |processes: &HashSet<_>| is_among(processes, connection.process);
        let has_cause = match code {
            Some(4200) => is_among(&self.ending),
            Some(4009) => {
                let user = &connection.user;
                let is_ended =
                    self.terminating.contains_key(user) || self.terminated_before.contains(user);
                connection.was_claimed && is_ended
            }
            None => is_among(&self.killed),
            Some(_) => false,
        };
        let code = code.map_or_else(|| "no frame".to_owned(), |code| code.to_string());
        if !has_cause {
            let Connection { user, process, .. } = connection;
            let text = format!("socket {socket} of {user} at process {process:?} with {code}");
            findings.add(Broken::ClosedWithoutCause, text);
        }
        *self.by_code.entry(code).or_default() += 1;
    }

    /// A request has got no answer: its process was about to end.
    pub(crate) fn unanswered(&mut self, process: Option<ProcessNumber>, findings: &mut Findings) {
        self.unanswered += 1;
        if !is_among(&self.ending, process) && !is_among(&self.killed, process) {
            findings
                .add(Broken::Refused, format!("a request at process {process:?} has no answer"));
        }
    }

    /// How many connections a termination has yet to end.
    pub(crate) fn outstanding(&self) -> usize {
        self.overdue().count()
    }

    pub(crate) fn turn_page(&mut self, findings: &mut Findings) {
        for (socket, user) in self.overdue() {
            findings.add(Broken::NotTerminated, format!("socket {socket} of {user}"));
        }
        self.terminated.clear();
        self.terminated_before = self.terminating.drain().map(|(user, _)| user).collect();
    }

    pub(crate) fn by_code(&self) -> impl Iterator<Item = (&str, u64)> {
        self.by_code.iter().map(|(code, count)| (&**code, *count))
    }

    fn overdue(&self) -> impl Iterator<Item = (SocketNumber, &str)> {
        let is_overdue = |connection: &Connection| {
            let mut of_user = self.terminated.iter().filter(|(user, _)| *user == connection.user);
            of_user.any(|(_, sent)| connection.owned.values().any(|since| since < sent))
        };
        let all = self.open.iter().filter(move |(_, connection)| is_overdue(connection));
        all.map(|(socket, connection)| (*socket, &*connection.user))
    }
}

/// Of an unknown process, which came while one took over from another, any may be meant.
fn is_among(processes: &HashSet<ProcessNumber>, process: Option<ProcessNumber>) -> bool {
    process.map_or(!processes.is_empty(), |process| processes.contains(&process))
}
