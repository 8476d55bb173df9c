//! The members of one channel: this node's own users, and the mirror of the directory's roster.
//!
//! Every change returns what is to be announced, so a change that arrives twice is announced once. While the
//! directory may be partial (Redis lost data, and nodes send their users again), a user who is missing there is
//! doubted and not removed.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use crate::channel_rules::{Roster, RosterJoin, RosterLeave};
use crate::cluster::directory::message::{Outcome, RosterEntry};
use crate::cluster::directory::request::StateRow;

/// The members of one channel.
#[derive(Default)]
pub(super) struct Members {
    pub(super) own: OwnMembers,
    roster: RosterMirror,
    /// The mirror has been compared with the directory on this link.
    pub(super) is_current: bool,
}

/// What is to be announced to the subscribers, or to those who watch the user.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct MemberChanges {
    pub(super) removed: Vec<Arc<str>>,
    pub(super) added: Vec<Arc<str>>,
}

impl Members {
    /// Applies the answer to this node's own rows.
    pub(super) fn apply_outcome(
        &mut self,
        outcome: &Outcome<'_>,
        may_be_partial: bool,
    ) -> MemberChanges {
        self.is_current = true;
        if let Some(entries) = &outcome.roster {
            return self.roster.reconcile(entries.clone(), may_be_partial);
        }
        let own = &self.own;
        let added = outcome
            .added
            .iter()
            .map(|&user_id| (user_id, own.sent_info(user_id).unwrap_or("null")));
        self.roster.apply(&outcome.removed, added, may_be_partial)
    }

    /// Applies a change of another node.
    pub(super) fn apply_change(
        &mut self,
        removed: &[&str],
        added: &[(&str, &str)],
        may_be_partial: bool,
    ) -> MemberChanges {
        self.roster.apply(removed, added.iter().copied(), may_be_partial)
    }

    /// Applies this node's own changes while Redis is away.
    pub(super) fn apply_own(&mut self) -> MemberChanges {
        let mut changes = MemberChanges::default();
        for (user_id, info) in self.own.take_rows_without_directory() {
            match info {
                Some(info) if self.roster.add(&user_id, &info) => changes.added.push(user_id),
                None if self.roster.remove(&user_id) => changes.removed.push(user_id),
                _ => {}
            }
        }
        changes
    }

    /// The link is lost: rows that were sent may not have arrived.
    pub(super) fn link_lost(&mut self) {
        self.is_current = false;
        self.own.link_lost();
    }

    pub(super) fn contains(&self, user_id: &str) -> bool {
        self.roster.present.contains_key(user_id)
    }

    /// Whether webhooks have not reported a user: one who is not in the mirror, or who joined while Redis was
    /// away.
    pub(super) fn is_news(&self, user_id: &str) -> bool {
        !self.contains(user_id) || self.own.joined_alone.contains(user_id)
    }

    pub(super) fn has_doubts(&self) -> bool {
        !self.roster.doubted.is_empty()
    }

    /// The info of a member, as JSON.
    pub(super) fn info(&self, user_id: &str) -> &str {
        self.roster.present.get(user_id).map_or("null", |info| info)
    }

    /// Bytes of the roster on the wire, estimated.
    pub(super) fn bytes(&self) -> usize {
        self.iter().map(|(user_id, info)| user_id.len() + info.len() + 16).sum()
    }

    /// Id and info of each member, in order of arrival.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.roster.present.iter().map(|(user_id, info)| (&**user_id, &**info))
    }
}

/// This node's users in a channel, and the rows that the directory has not confirmed. A row is absolute (the
/// user is here, or not), so it can be sent again after any loss.
#[derive(Default)]
pub(super) struct OwnMembers {
    users: Roster,
    /// Users whose row has changed since it was sent.
    changed: IndexSet<Arc<str>>,
    /// Rows that were sent and are not confirmed.
    unconfirmed: IndexMap<Arc<str>, Option<Box<str>>>,
    /// Users who joined while Redis was away.
    joined_alone: IndexSet<Arc<str>>,
}

impl OwnMembers {
    /// One socket of a user joins.
    pub(super) fn join(&mut self, user_id: &Arc<str>, info: &str) {
        // The directory applies the bound, which is one of all nodes.
        if self.users.join(user_id, info, usize::MAX) == RosterJoin::First {
            self.changed.insert(user_id.clone());
        }
    }

    /// One socket of a user leaves.
    pub(super) fn leave(&mut self, user_id: &str) {
        if self.users.leave(user_id) == RosterLeave::Last {
            self.changed.insert(user_id.into());
        }
    }

    /// The info that was sent for a user, who may have left since.
    fn sent_info(&self, user_id: &str) -> Option<&str> {
        let sent = self.unconfirmed.get(user_id).and_then(|info| info.as_deref());
        sent.or_else(|| self.users.info_json(user_id))
    }

    /// The rows that have changed since they were sent.
    pub(super) fn take_changed_rows(&mut self) -> Vec<StateRow> {
        let rows = self.changed_rows();
        for (user_id, info) in &rows {
            let sent = self.unconfirmed.entry(user_id.clone()).or_default();
            *sent = sent.take().or_else(|| info.clone());
        }
        rows
    }

    pub(super) fn all_rows(&self) -> Vec<StateRow> {
        let row = |(user_id, info): (&Arc<str>, &str)| (user_id.clone(), Some(info.into()));
        self.users.members().map(row).collect()
    }

    /// The directory has all rows that were sent.
    pub(super) fn confirm_rows(&mut self) {
        self.unconfirmed.clear();
        self.joined_alone.clear();
    }

    fn link_lost(&mut self) {
        self.changed.extend(self.unconfirmed.drain(..).map(|(user_id, _)| user_id));
    }

    fn take_rows_without_directory(&mut self) -> Vec<StateRow> {
        let rows = self.changed_rows();
        for (user_id, info) in &rows {
            match info {
                Some(_) => drop(self.joined_alone.insert(user_id.clone())),
                None => drop(self.joined_alone.swap_remove(user_id)),
            }
        }
        rows
    }

    fn changed_rows(&mut self) -> Vec<StateRow> {
        let changed = std::mem::take(&mut self.changed);
        let info = |user_id: &str| self.users.info_json(user_id).map(Box::from);
        changed.into_iter().map(|user_id| (user_id.clone(), info(&user_id))).collect()
    }
}

/// The mirror of the directory's roster of one channel.
#[derive(Debug, Default)]
struct RosterMirror {
    /// The info of each user, in order of arrival.
    present: IndexMap<Arc<str>, Box<str>>,
    doubted: HashSet<Arc<str>>,
}

impl RosterMirror {
    /// Returns whether the user is new.
    fn add(&mut self, user_id: &Arc<str>, info: &str) -> bool {
        self.doubted.remove(user_id);
        if self.present.contains_key(user_id) {
            return false;
        }
        self.present.insert(user_id.clone(), info.into());
        true
    }

    /// Returns whether the user was present.
    fn remove(&mut self, user_id: &str) -> bool {
        self.doubted.remove(user_id);
        self.present.swap_remove(user_id).is_some()
    }

    fn doubt(&mut self, user_id: &str) {
        if let Some((user_id, _)) = self.present.get_key_value(user_id) {
            self.doubted.insert(user_id.clone());
        }
    }

    fn apply<'a>(
        &mut self,
        removed: &[&'a str],
        added: impl Iterator<Item = (&'a str, &'a str)>,
        may_be_partial: bool,
    ) -> MemberChanges {
        let mut changes = MemberChanges::default();
        for &user_id in removed {
            if may_be_partial {
                self.doubt(user_id);
            } else if self.remove(user_id) {
                changes.removed.push(user_id.into());
            }
        }
        for (user_id, info) in added {
            let user_id: Arc<str> = user_id.into();
            if self.add(&user_id, info) {
                changes.added.push(user_id);
            }
        }
        changes
    }

    /// Takes over the directory's roster.
    fn reconcile(
        &mut self,
        mut entries: Vec<RosterEntry<'_>>,
        may_be_partial: bool,
    ) -> MemberChanges {
        entries.sort_by_key(|entry| entry.arrival);
        let mut before = std::mem::take(&mut self.present);
        let mut changes = MemberChanges::default();
        for RosterEntry { user_id, info, .. } in entries {
            let known = before.swap_remove_entry(user_id);
            let (user_id, info) = known.unwrap_or_else(|| {
                let user_id: Arc<str> = user_id.into();
                changes.added.push(user_id.clone());
                (user_id, info.into())
            });
            self.doubted.remove(&user_id);
            self.present.insert(user_id, info);
        }
        if may_be_partial {
            self.doubted.extend(before.keys().cloned());
            self.present.extend(before);
        } else {
            changes.removed.extend(before.into_keys());
            self.doubted.clear();
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::{OwnMembers, RosterEntry, RosterMirror};
    use crate::cluster::directory::request::StateRow;

    fn users(rows: Vec<StateRow>) -> Vec<(String, bool)> {
        rows.into_iter().map(|(user_id, info)| (user_id.to_string(), info.is_some())).collect()
    }

    fn roster<'a>(users: &[&'a str]) -> Vec<RosterEntry<'a>> {
        let entry = |(at, user_id): (usize, &&'a str)| RosterEntry {
            arrival: at as u64,
            user_id,
            info: "{}",
        };
        users.iter().enumerate().map(entry).collect()
    }

    fn ids(roster: &RosterMirror) -> Vec<&str> {
        roster.present.keys().map(|id| &**id).collect()
    }

    #[test]
    fn a_changed_row_is_sent_once() {
        let mut own = OwnMembers::default();
        let (ann, bob) = ("ann".into(), "bob".into());
        own.join(&ann, "1");
        own.join(&ann, "2");
        own.join(&bob, "3");
        assert_eq!(users(own.take_changed_rows()), [("ann".into(), true), ("bob".into(), true)]);
        own.leave("ann");
        own.leave("bob");
        assert_eq!(users(own.take_changed_rows()), [("bob".into(), false)], "ann has another tab");
        assert_eq!(users(own.all_rows()), [("ann".into(), true)]);
        assert_eq!(own.users.info_json("ann"), Some("1"));
    }

    #[test]
    fn the_info_of_a_sent_row_is_kept_until_the_row_is_confirmed() {
        let mut own = OwnMembers::default();
        own.join(&"ann".into(), "1");
        own.take_changed_rows();
        own.leave("ann");
        own.take_changed_rows();
        assert_eq!(own.sent_info("ann"), Some("1"));
        own.confirm_rows();
        assert_eq!(own.sent_info("ann"), None);
    }

    #[test]
    fn a_row_that_was_under_way_when_the_link_broke_is_sent_again() {
        let mut own = OwnMembers::default();
        own.join(&"ann".into(), "1");
        own.take_changed_rows();
        own.confirm_rows();
        own.leave("ann");
        own.take_changed_rows();
        own.link_lost();
        assert_eq!(users(own.take_changed_rows()), [("ann".into(), false)]);
    }

    #[test]
    fn a_change_that_arrives_twice_is_announced_once() {
        let mut mirror = RosterMirror::default();
        assert!(mirror.add(&"ann".into(), "1"));
        assert!(!mirror.add(&"ann".into(), "2"));
        assert_eq!(&*mirror.present["ann"], "1", "the first info stays");
        assert!(mirror.remove("ann"));
        assert!(!mirror.remove("ann"));
    }

    #[test]
    fn a_comparison_announces_only_differences() {
        let mut mirror = RosterMirror::default();
        mirror.add(&"ann".into(), "{}");
        mirror.add(&"bob".into(), "{}");
        let changes = mirror.reconcile(roster(&["eve", "bob"]), false);
        assert_eq!((&*changes.added[0], &*changes.removed[0]), ("eve", "ann"));
        assert_eq!(ids(&mirror), ["eve", "bob"]);
    }

    #[test]
    fn a_user_who_is_missing_in_a_partial_directory_is_doubted() {
        let mut mirror = RosterMirror::default();
        mirror.add(&"ann".into(), "{}");
        mirror.add(&"bob".into(), "{}");
        assert!(mirror.reconcile(roster(&[]), true).removed.is_empty());
        mirror.add(&"ann".into(), "{}");
        assert_eq!(mirror.doubted.len(), 1);
        let changes = mirror.reconcile(roster(&["ann"]), false);
        assert_eq!((changes.added.len(), &*changes.removed[0]), (0, "bob"));
        assert!(mirror.doubted.is_empty());
    }
}
