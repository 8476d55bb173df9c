//! Who is present in one channel: distinct users, however many sockets each has.
//!
//! Pure. Every change returns what there is to announce; announcing is the channel's business.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::protocol::Member;

/// The members of one presence channel, in order of arrival.
#[derive(Default)]
pub(super) struct Roster {
    users: IndexMap<Arc<str>, Present>,
}

struct Present {
    /// The `user_info` of the user's first socket; later ones change nothing, as in Reverb.
    info_json: Box<str>,
    sockets: u32,
}

/// What a join changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// The user is new: announce.
    First,
    /// One more socket of a user who is there.
    Again,
    /// Refused: nothing changed.
    Full,
}

/// What a leave changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The user is gone: announce.
    Last,
    /// The user has other sockets.
    Other,
    /// The user was not there: nothing changed.
    Absent,
}

impl Roster {
    /// One socket of a user joins.
    pub(super) fn join(&mut self, member: &Member, members_max: usize) -> Joined {
        if let Some(present) = self.users.get_mut(&member.user_id) {
            present.sockets += 1;
            return Joined::Again;
        }
        if self.users.len() >= members_max {
            return Joined::Full;
        }
        let present = Present { info_json: member.info_json().into(), sockets: 1 };
        self.users.insert(member.user_id.clone(), present);
        Joined::First
    }

    /// One socket of a user leaves.
    pub(super) fn leave(&mut self, user_id: &str) -> Left {
        let Some(present) = self.users.get_mut(user_id) else { return Left::Absent };
        present.sockets -= 1;
        if present.sockets > 0 {
            return Left::Other;
        }
        // O(1); the last arrival takes the freed place, an order nobody promises.
        self.users.swap_remove(user_id);
        Left::Last
    }

    /// Each user's id and `user_info`.
    pub(super) fn members(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.users.iter().map(|(user_id, present)| (&**user_id, &*present.info_json))
    }

    pub(super) fn user_ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.users.keys()
    }

    pub(super) fn len(&self) -> usize {
        self.users.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{Joined, Left, Roster};
    use crate::app::tests::limits;
    use crate::protocol::Member;

    fn member(user: u8, info: u8) -> Member {
        let data = format!(r#"{{"user_id":"{user}","user_info":{info}}}"#);
        Member::parse(Some(&data), &limits()).unwrap()
    }

    #[test]
    fn a_user_is_announced_once_however_many_tabs() {
        let mut roster = Roster::default();
        assert_eq!(roster.join(&member(1, 10), 9), Joined::First);
        assert_eq!(roster.join(&member(1, 11), 9), Joined::Again);
        assert_eq!(roster.members().collect::<Vec<_>>(), [("1", "10")]);
        assert_eq!(roster.leave("1"), Left::Other);
        assert_eq!(roster.leave("1"), Left::Last);
        assert_eq!(roster.leave("1"), Left::Absent);
    }

    #[test]
    fn a_full_roster_still_takes_further_tabs() {
        let mut roster = Roster::default();
        assert_eq!(roster.join(&member(1, 0), 1), Joined::First);
        assert_eq!(roster.join(&member(2, 0), 1), Joined::Full);
        assert_eq!(roster.join(&member(1, 0), 1), Joined::Again);
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
                        Some((sockets, _)) => { *sockets += 1; Joined::Again }
                        None if full => Joined::Full,
                        None => { model.insert(user, (1, info)); Joined::First }
                    };
                    prop_assert_eq!(roster.join(&member(user, info), 4), expected);
                } else {
                    let expected = match model.get_mut(&user) {
                        None => Left::Absent,
                        Some((sockets, _)) if *sockets > 1 => { *sockets -= 1; Left::Other }
                        Some(_) => { model.remove(&user); Left::Last }
                    };
                    prop_assert_eq!(roster.leave(&user.to_string()), expected);
                }
                let mut members: Vec<_> = roster.members().map(|(id, info)| (id.to_owned(), info.to_owned())).collect();
                members.sort();
                let expected: Vec<_> = model.iter().map(|(user, (_, info))| (user.to_string(), info.to_string())).collect();
                prop_assert_eq!(members, expected);
            }
        }
    }
}
