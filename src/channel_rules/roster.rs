//! The members of a presence channel: distinct users, each with the number of its sockets.
//!
//! Every change returns what there is to announce; the channel announces it. On one node the roster
//! holds all members, in a cluster those that have sockets on this node.

use std::sync::Arc;

use indexmap::IndexMap;

/// The members of one presence channel, in order of arrival.
#[derive(Debug, Default)]
pub struct Roster {
    users: IndexMap<Arc<str>, User>,
}

#[derive(Debug)]
struct User {
    /// The `user_info` of the user's first socket; later ones change nothing, as in Reverb.
    info_json: Box<str>,
    sockets: u32,
}

/// What the join of a socket changed.
#[derive(Debug, PartialEq, Eq)]
pub enum RosterJoin {
    /// The user is a new member: announce it.
    First,
    /// The user is a member already, and has one more socket.
    Again,
    /// The roster is full: nothing changed.
    Full,
}

/// What the leave of a socket changed.
#[derive(Debug, PartialEq, Eq)]
pub enum RosterLeave {
    /// It was the user's last socket: announce that the member left.
    Last,
    /// The user has other sockets and stays a member.
    Other,
    /// The user was no member: nothing changed.
    Absent,
}

impl Roster {
    /// Adds one socket of a user. Only a user who is no member yet needs room below `members_max`.
    pub fn join(&mut self, user_id: &Arc<str>, info_json: &str, members_max: usize) -> RosterJoin {
        if let Some(user) = self.users.get_mut(user_id) {
            user.sockets += 1;
            return RosterJoin::Again;
        }
        if self.users.len() >= members_max {
            return RosterJoin::Full;
        }
        let user = User { info_json: info_json.into(), sockets: 1 };
        self.users.insert(user_id.clone(), user);
        RosterJoin::First
    }

    /// Removes one socket of a user.
    pub fn leave(&mut self, user_id: &str) -> RosterLeave {
        let Some(user) = self.users.get_mut(user_id) else { return RosterLeave::Absent };
        user.sockets -= 1;
        if user.sockets > 0 {
            return RosterLeave::Other;
        }
        // O(1): the last arrival moves to the freed index. No protocol promises an order.
        self.users.swap_remove(user_id);
        RosterLeave::Last
    }

    /// The `user_info` of a member.
    pub fn info_json(&self, user_id: &str) -> Option<&str> {
        self.users.get(user_id).map(|user| &*user.info_json)
    }

    /// Each member's id and `user_info`.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &str)> + Clone {
        self.users.iter().map(|(user_id, user)| (user_id, &*user.info_json))
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{Roster, RosterJoin, RosterLeave};

    fn join(roster: &mut Roster, user: u8, info: u8, members_max: usize) -> RosterJoin {
        roster.join(&user.to_string().into(), &info.to_string(), members_max)
    }

    fn members(roster: &Roster) -> Vec<(String, String)> {
        roster.members().map(|(id, info)| (id.to_string(), info.to_owned())).collect()
    }

    #[test]
    fn a_user_with_several_sockets_is_announced_once() {
        let mut roster = Roster::default();
        assert_eq!(join(&mut roster, 1, 10, 9), RosterJoin::First);
        assert_eq!(join(&mut roster, 1, 11, 9), RosterJoin::Again);
        assert_eq!(members(&roster), [("1".to_owned(), "10".to_owned())]);
        assert_eq!(roster.leave("1"), RosterLeave::Other);
        assert_eq!(roster.leave("1"), RosterLeave::Last);
        assert_eq!(roster.leave("1"), RosterLeave::Absent);
    }

    #[test]
    fn a_full_roster_takes_further_sockets_of_its_members() {
        let mut roster = Roster::default();
        assert_eq!(join(&mut roster, 1, 0, 1), RosterJoin::First);
        assert_eq!(join(&mut roster, 2, 0, 1), RosterJoin::Full);
        assert_eq!(join(&mut roster, 1, 0, 1), RosterJoin::Again);
    }

    proptest! {
        /// Against a naive model: joins minus leaves of each user, and the info that came first.
        #[test]
        fn a_roster_equals_its_naive_model(steps in prop::collection::vec((any::<bool>(), 0u8..6, any::<u8>()), 0..200)) {
            let (mut roster, mut model) = (Roster::default(), BTreeMap::<u8, (u32, u8)>::new());
            for (joins, user, info) in steps {
                if joins {
                    let full = model.len() >= 4;
                    let expected = match model.get_mut(&user) {
                        Some((sockets, _)) => { *sockets += 1; RosterJoin::Again }
                        None if full => RosterJoin::Full,
                        None => { model.insert(user, (1, info)); RosterJoin::First }
                    };
                    prop_assert_eq!(join(&mut roster, user, info, 4), expected);
                } else {
                    let expected = match model.get_mut(&user) {
                        None => RosterLeave::Absent,
                        Some((sockets, _)) if *sockets > 1 => { *sockets -= 1; RosterLeave::Other }
                        Some(_) => { model.remove(&user); RosterLeave::Last }
                    };
                    prop_assert_eq!(roster.leave(&user.to_string()), expected);
                }
                let mut members = members(&roster);
                members.sort();
                let expected: Vec<_> = model.iter().map(|(user, (_, info))| (user.to_string(), info.to_string())).collect();
                prop_assert_eq!(members, expected);
            }
        }
    }
}
