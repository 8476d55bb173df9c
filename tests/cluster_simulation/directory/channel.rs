//! What the directory holds of one channel, key by key, each with its time to live.

use std::collections::BTreeMap;

/// A user of a channel, on whatever nodes.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) arrival: u64,
    pub(super) nodes: Vec<u64>,
    pub(crate) info: String,
}

/// Who has how many sockets there.
#[derive(Clone, Default)]
pub(crate) struct Rows {
    pub(crate) by_node: BTreeMap<u64, i64>,
    pub(crate) total: i64,
    pub(super) arrivals: u64,
    pub(super) announced: Option<i64>,
}

/// A number, and until when it is remembered.
#[derive(Clone)]
pub(super) struct Number {
    pub(super) value: u64,
    pub(super) until: Option<u64>,
}

/// One channel. Times are milliseconds; 0 is never.
#[derive(Clone, Default)]
pub(crate) struct Channel {
    pub(crate) rows: Option<Rows>,
    pub(crate) members: BTreeMap<String, Member>,
    pub(super) number: Option<Number>,
    /// The serial of the last event of each node that got a number.
    pub(super) taken: BTreeMap<u64, u64>,
    pub(super) taken_until: Option<u64>,
    pub(super) events: Vec<(u64, Vec<u8>)>,
    events_until: u64,
    pub(crate) cached: Option<(String, u64)>,
    pub(super) counted_until: u64,
    pub(super) missed_until: u64,
}

impl Channel {
    /// Forgets what is remembered no longer.
    pub(super) fn expire(&mut self, now: u64) {
        if self.number.as_ref().is_some_and(|number| number.until.is_some_and(|at| at < now)) {
            self.number = None;
        }
        if self.events_until < now {
            self.events.clear();
        }
        if self.taken_until.is_some_and(|until| until < now) {
            (self.taken, self.taken_until) = (BTreeMap::new(), None);
        }
        self.cached = self.cached.take().filter(|(_, until)| *until >= now);
    }

    /// Remembers the last event of a node; of nodes that are long gone not more than a few.
    pub(super) fn take(&mut self, node: u64, serial: u64) {
        if self.taken.insert(node, serial).is_none() && self.taken.len() > 256 {
            self.taken.clear();
            self.taken.insert(node, serial);
        }
    }

    /// Numbers begin with the microsecond, unless they have begun.
    pub(super) fn begin(&mut self, now: u64, until: Option<u64>) {
        self.number.get_or_insert(Number { value: now, until });
    }

    pub(super) fn last_number(&self) -> u64 {
        self.number.as_ref().map_or(0, |number| number.value)
    }

    pub(super) fn next_number(&mut self) -> u64 {
        let number = self.number.get_or_insert(Number { value: 0, until: None });
        number.value += 1;
        number.value
    }

    pub(super) fn keep(&mut self, number: u64, message: Vec<u8>, (until, most): (u64, usize)) {
        self.events.push((number, message));
        let over = self.events.len().saturating_sub(most);
        self.events.drain(..over);
        self.events_until = until;
    }

    /// Takes a node off a user; true if it was the last.
    pub(super) fn withdraw(&mut self, node: u64, user: &str) -> bool {
        let Some(member) = self.members.get_mut(user) else { return false };
        let Some(at) = member.nodes.iter().position(|other| *other == node) else { return false };
        member.nodes.remove(at);
        let is_gone = member.nodes.is_empty();
        if is_gone {
            self.members.remove(user);
        }
        is_gone
    }

    /// Whether the subscription count is sent now, later or not at all.
    pub(super) fn count_due(&mut self, now: u64) -> CountDue {
        let Some(rows) = self.rows.as_mut().filter(|rows| rows.total > 0) else {
            return CountDue::No;
        };
        if rows.announced == Some(rows.total) {
            return CountDue::No;
        }
        if rows.total > 100 && self.counted_until >= now {
            return CountDue::Later;
        }
        rows.announced = Some(rows.total);
        self.counted_until = now + 5000;
        CountDue::Now
    }

    /// Those that do not expire by themselves.
    pub(super) fn keys(&self) -> Vec<&'static str> {
        let all = [
            (self.rows.is_some(), "n"),
            (!self.members.is_empty(), "m"),
            (self.number.as_ref().is_some_and(|number| number.until.is_none()), "q"),
        ];
        all.into_iter().filter(|(is_there, _)| *is_there).map(|(_, key)| key).collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CountDue {
    No,
    Now,
    Later,
}
