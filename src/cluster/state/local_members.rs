//! The users this node has in one channel, and which of them the directory has not been told of.
//!
//! Pure. A row is absolute (here, or not), so that it can be told again after any loss.

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use crate::channel_rules::{Roster, RosterJoin, RosterLeave};

/// All of one channel.
#[derive(Default)]
pub(super) struct LocalMembers {
    users: Roster,
    /// Whose row has changed since the directory was told.
    changed: IndexSet<Arc<str>>,
    /// Those it is being told of, and what.
    under_way: IndexMap<Arc<str>, Option<Box<str>>>,
    /// Who came while there was no directory to be told.
    alone: IndexSet<Arc<str>>,
}

/// A user, with an info if the user is here.
pub(super) type Row = (Arc<str>, Option<Box<str>>);

impl LocalMembers {
    /// One socket of a user comes.
    pub(super) fn join(&mut self, user_id: &Arc<str>, info: &str) {
        // The directory holds the bound, which is one of all nodes.
        if self.users.join(user_id, info, usize::MAX) == RosterJoin::First {
            self.changed.insert(user_id.clone());
        }
    }

    /// One goes.
    pub(super) fn leave(&mut self, user_id: &str) {
        if self.users.leave(user_id) == RosterLeave::Last {
            self.changed.insert(user_id.into());
        }
    }

    /// The info the directory has been told of a user, who may have left again since.
    pub(super) fn told_info(&self, user_id: &str) -> Option<&str> {
        let told = self.under_way.get(user_id).and_then(|info| info.as_deref());
        told.or_else(|| self.info(user_id))
    }

    /// The info of a user who is here.
    fn info(&self, user_id: &str) -> Option<&str> {
        self.users.info_json(user_id)
    }

    /// What is to be told: everything, or what has changed since it was told last.
    pub(super) fn tell(&mut self, everything: bool) -> Vec<Row> {
        let changed = std::mem::take(&mut self.changed);
        let changed: Vec<Row> = changed.into_iter().map(|user_id| self.row(user_id)).collect();
        for (user_id, info) in &changed {
            let told = self.under_way.entry(user_id.clone()).or_default();
            *told = told.take().or_else(|| info.clone());
        }
        if everything {
            let row = |(user_id, info): (&Arc<str>, &str)| (user_id.clone(), Some(info.into()));
            return self.users.members().map(row).collect();
        }
        changed
    }

    /// Everything that was told has arrived.
    pub(super) fn arrived(&mut self) {
        self.under_way.clear();
        self.alone.clear();
    }

    /// What was told may not have arrived: it counts as not told.
    pub(super) fn lost(&mut self) {
        self.changed.extend(self.under_way.drain(..).map(|(user_id, _)| user_id));
    }

    /// What has changed, for a node that tells nobody but itself.
    pub(super) fn take_changed(&mut self) -> Vec<Row> {
        let changed = std::mem::take(&mut self.changed);
        let rows: Vec<Row> = changed.into_iter().map(|user_id| self.row(user_id)).collect();
        for (user_id, info) in &rows {
            match info {
                Some(_) => drop(self.alone.insert(user_id.clone())),
                None => drop(self.alone.swap_remove(user_id)),
            }
        }
        rows
    }

    /// Whether the directory has never been told of this user.
    pub(super) fn came_alone(&self, user_id: &str) -> bool {
        self.alone.contains(user_id)
    }

    fn row(&self, user_id: Arc<str>) -> Row {
        let info = self.info(&user_id).map(Box::from);
        (user_id, info)
    }
}

#[cfg(test)]
mod tests {
    use super::LocalMembers;

    fn told(rows: &mut LocalMembers, everything: bool) -> Vec<(String, bool)> {
        let row = |(user_id, info): super::Row| (user_id.to_string(), info.is_some());
        rows.tell(everything).into_iter().map(row).collect()
    }

    #[test]
    fn what_has_changed_is_told_once() {
        let mut rows = LocalMembers::default();
        let (ann, bob) = ("ann".into(), "bob".into());
        rows.join(&ann, "1");
        rows.join(&ann, "2");
        rows.join(&bob, "3");
        assert_eq!(told(&mut rows, false), [("ann".into(), true), ("bob".into(), true)]);
        rows.leave("ann");
        rows.leave("bob");
        assert_eq!(told(&mut rows, false), [("bob".into(), false)], "ann has another tab");
        assert_eq!(told(&mut rows, true), [("ann".into(), true)]);
        assert_eq!(rows.info("ann"), Some("1"));
    }

    #[test]
    fn what_was_told_of_a_user_is_known_until_it_has_arrived() {
        let mut rows = LocalMembers::default();
        rows.join(&"ann".into(), "1");
        rows.tell(false);
        rows.leave("ann");
        rows.tell(false);
        assert_eq!(rows.told_info("ann"), Some("1"));
        rows.arrived();
        assert_eq!(rows.told_info("ann"), None);
    }

    #[test]
    fn what_was_under_way_when_the_link_broke_is_told_again() {
        let mut rows = LocalMembers::default();
        rows.join(&"ann".into(), "1");
        rows.tell(false);
        rows.arrived();
        rows.leave("ann");
        rows.tell(false);
        rows.lost();
        assert_eq!(told(&mut rows, false), [("ann".into(), false)]);
    }
}
