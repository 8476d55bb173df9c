//! Who is in a channel on all nodes, as far as this node was told: the mirror of the directory.
//!
//! Pure. Every change returns whether there is something to announce, so what is told twice is
//! announced once. After Redis lost its data, who is missing there is doubted, not gone: their node
//! may not have said so again yet.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::cluster::directory::outcome::RosterEntry;

/// The mirror of one channel.
#[derive(Debug, Default)]
pub(super) struct RosterMirror {
    /// Each user's info, in order of arrival.
    present: IndexMap<Arc<str>, Box<str>>,
    doubted: HashSet<Arc<str>>,
}

/// What a comparison with the directory brought to light.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) added: Vec<Arc<str>>,
    pub(super) removed: Vec<Arc<str>>,
}

impl RosterMirror {
    /// A user is there; true if that is news.
    pub(super) fn add(&mut self, user_id: &Arc<str>, info: &str) -> bool {
        self.doubted.remove(user_id);
        if self.present.contains_key(user_id) {
            return false;
        }
        self.present.insert(user_id.clone(), info.into());
        true
    }

    /// A user is gone; true if that is news.
    pub(super) fn remove(&mut self, user_id: &str) -> bool {
        self.doubted.remove(user_id);
        self.present.swap_remove(user_id).is_some()
    }

    /// A user seems to be gone.
    pub(super) fn doubt(&mut self, user_id: &str) {
        if let Some((user_id, _)) = self.present.get_key_value(user_id) {
            self.doubted.insert(user_id.clone());
        }
    }

    pub(super) fn has_doubts(&self) -> bool {
        !self.doubted.is_empty()
    }

    /// Becomes what the directory says; while it may be incomplete, who is missing is only doubted.
    pub(super) fn reconcile(
        &mut self,
        mut there: Vec<RosterEntry<'_>>,
        incomplete: bool,
    ) -> Difference {
        there.sort_by_key(|present| present.arrival);
        let mut before = std::mem::take(&mut self.present);
        let mut difference = Difference::default();
        for RosterEntry { user_id, info, .. } in there {
            let known = before.swap_remove_entry(user_id);
            let (user_id, info) = known.unwrap_or_else(|| {
                let user_id: Arc<str> = user_id.into();
                difference.added.push(user_id.clone());
                (user_id, info.into())
            });
            self.doubted.remove(&user_id);
            self.present.insert(user_id, info);
        }
        if incomplete {
            self.doubted.extend(before.keys().cloned());
            self.present.extend(before);
        } else {
            difference.removed.extend(before.into_keys());
            self.doubted.clear();
        }
        difference
    }

    pub(super) fn contains(&self, user_id: &str) -> bool {
        self.present.contains_key(user_id)
    }

    /// The info of a user who is there.
    pub(super) fn info(&self, user_id: &str) -> &str {
        self.present.get(user_id).map_or("null", |info| info)
    }

    /// Each user's id and info.
    pub(super) fn members(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.present.iter().map(|(user_id, info)| (&**user_id, &**info))
    }
}

#[cfg(test)]
mod tests {
    use super::{RosterEntry, RosterMirror};

    fn there<'a>(users: &[&'a str]) -> Vec<RosterEntry<'a>> {
        let present = |(at, user_id): (usize, &&'a str)| RosterEntry {
            arrival: at as u64,
            user_id,
            info: "{}",
        };
        users.iter().enumerate().map(present).collect()
    }

    fn ids(roster: &RosterMirror) -> Vec<&str> {
        roster.members().map(|(id, _)| id).collect()
    }

    #[test]
    fn news_is_told_once() {
        let mut roster = RosterMirror::default();
        assert!(roster.add(&"ann".into(), "1"));
        assert!(!roster.add(&"ann".into(), "2"));
        assert_eq!(roster.info("ann"), "1", "the first info stays");
        assert!(roster.remove("ann"));
        assert!(!roster.remove("ann"));
    }

    #[test]
    fn a_comparison_tells_only_differences() {
        let mut roster = RosterMirror::default();
        roster.add(&"ann".into(), "{}");
        roster.add(&"bob".into(), "{}");
        let difference = roster.reconcile(there(&["eve", "bob"]), false);
        assert_eq!((&*difference.added[0], &*difference.removed[0]), ("eve", "ann"));
        assert_eq!(ids(&roster), ["eve", "bob"]);
    }

    #[test]
    fn who_is_missing_in_an_incomplete_directory_is_doubted() {
        let mut roster = RosterMirror::default();
        roster.add(&"ann".into(), "{}");
        roster.add(&"bob".into(), "{}");
        assert!(roster.reconcile(there(&[]), true).removed.is_empty());
        roster.add(&"ann".into(), "{}");
        assert!(roster.has_doubts());
        let difference = roster.reconcile(there(&["ann"]), false);
        assert_eq!((difference.added.len(), &*difference.removed[0]), (0, "bob"));
        assert!(!roster.has_doubts());
    }
}
