//! The sockets of each signed-in user, and the sockets that watch a user.
//!
//! Pure: every change returns the sockets to notify. Used under one lock of the hub, so that the watchers
//! of a user receive its changes in one order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::protocol::{Frame, SocketId, User};

/// All signed-in users of one app.
#[derive(Default)]
pub(super) struct SignIns {
    sockets: HashMap<Arc<str>, HashSet<SocketId>>,
    watchers: HashMap<Arc<str>, HashSet<SocketId>>,
    /// Of sockets that the cluster does not have in their user's channel yet.
    answers: HashMap<SocketId, WaitingAnswers>,
}

/// What a socket is sent when the cluster has it in its user's channel.
#[derive(Default)]
pub(super) struct WaitingAnswers {
    /// That it is signed in, and that its watchlist was too long.
    pub(super) first: [Option<Frame>; 2],
    /// Further sign-ins as the same user. They are counted and not kept: a client may send thousands.
    pub(super) repeats: usize,
}

/// What follows from a sign-in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SignedIn {
    /// The users of its watchlist that are online.
    pub(super) online: Vec<Arc<str>>,
    /// The users of its watchlist that are not.
    pub(super) offline: Vec<Arc<str>>,
    /// The sockets that watch this user, if this is the user's first socket.
    pub(super) watchers: Vec<SocketId>,
}

impl SignIns {
    /// Signs a socket in.
    pub(super) fn sign_in(&mut self, socket: SocketId, user: &User) -> SignedIn {
        let first = self.arrive(socket, &user.id);
        let watchers = if first { sockets_of(&self.watchers, &user.id) } else { Vec::new() };
        self.watch(socket, &user.watchlist);
        let is_online = |id: &Arc<str>| self.sockets.contains_key(id);
        let (online, offline) = user.watchlist.iter().cloned().partition(is_online);
        SignedIn { online, offline, watchers }
    }

    /// Adds a socket to a user; true if it is the user's first.
    pub(super) fn arrive(&mut self, socket: SocketId, user_id: &Arc<str>) -> bool {
        let sockets = self.sockets.entry(user_id.clone()).or_default();
        sockets.insert(socket);
        sockets.len() == 1
    }

    /// Keeps the answers to a sign-in until the socket is in its user's channel.
    pub(super) fn answer_later(&mut self, socket: SocketId, answers: [Option<Frame>; 2]) {
        self.answers.insert(socket, WaitingAnswers { first: answers, repeats: 0 });
    }

    /// Counts a second sign-in. Returns false if the first one is answered, so that this one is answered at once.
    pub(super) fn repeat(&mut self, socket: SocketId) -> bool {
        self.answers.get_mut(&socket).map(|answers| answers.repeats += 1).is_some()
    }

    /// Takes the answers that were kept.
    pub(super) fn take_answers(&mut self, socket: SocketId) -> WaitingAnswers {
        self.answers.remove(&socket).unwrap_or_default()
    }

    /// Makes a socket a watcher of these users.
    pub(super) fn watch(&mut self, socket: SocketId, user_ids: &[Arc<str>]) {
        for watched in user_ids {
            self.watchers.entry(watched.clone()).or_default().insert(socket);
        }
    }

    /// Removes a socket that is closed. Returns the watchers to notify if it was the user's last.
    pub(super) fn sign_out(&mut self, socket: SocketId, user: &User) -> Vec<SocketId> {
        self.answers.remove(&socket);
        for watched in &user.watchlist {
            remove(&mut self.watchers, watched, socket);
        }
        let last = remove(&mut self.sockets, &user.id, socket);
        if last { sockets_of(&self.watchers, &user.id) } else { Vec::new() }
    }

    /// The sockets that watch a user.
    pub(super) fn watchers(&self, user_id: &str) -> Vec<SocketId> {
        sockets_of(&self.watchers, user_id)
    }

    /// The user's sockets.
    pub(super) fn sockets(&self, user_id: &str) -> Vec<SocketId> {
        sockets_of(&self.sockets, user_id)
    }
}

type Sets = HashMap<Arc<str>, HashSet<SocketId>>;

fn sockets_of(sets: &Sets, user_id: &str) -> Vec<SocketId> {
    sets.get(user_id).map(|sockets| sockets.iter().copied().collect()).unwrap_or_default()
}

/// Removes a socket from a set; true if it was the last one.
fn remove(sets: &mut Sets, user_id: &str, socket: SocketId) -> bool {
    let Some(set) = sets.get_mut(user_id) else { return false };
    set.remove(&socket);
    let empty = set.is_empty();
    if empty {
        sets.remove(user_id);
    }
    empty
}

#[cfg(test)]
mod tests {
    use super::{SignIns, SignedIn};
    use crate::app::tests::limits;
    use crate::protocol::{Frame, SocketId, User};

    fn user(id: &str, watchlist: &[&str]) -> User {
        let text = serde_json::json!({ "id": id, "watchlist": watchlist }).to_string();
        User::parse(&text, &limits()).unwrap()
    }

    #[test]
    fn watchers_are_notified_of_the_first_socket_and_of_the_last() {
        let mut all = SignIns::default();
        let [ada, bob, bob_again] = ["1.1", "2.1", "2.2"].map(|id| SocketId::parse(id).unwrap());
        let (ada_user, bob_user) = (user("ada", &["bob", "eve"]), user("bob", &[]));
        let state = all.sign_in(ada, &ada_user);
        let offline = vec!["bob".into(), "eve".into()];
        assert_eq!(state, SignedIn { online: vec![], offline, watchers: vec![] });
        assert_eq!(all.sign_in(bob, &bob_user).watchers, [ada]);
        assert_eq!(all.sign_in(bob_again, &bob_user).watchers, []);
        assert_eq!(all.sign_out(bob, &bob_user), []);
        assert_eq!(all.sign_out(bob_again, &bob_user), [ada]);
        assert_eq!(all.sign_out(ada, &ada_user), []);
        assert!(all.sockets.is_empty() && all.watchers.is_empty(), "nothing is left behind");
    }

    #[test]
    fn a_sign_in_that_is_repeated_waits_for_the_answer_to_the_first() {
        let (mut all, socket) = (SignIns::default(), SocketId::parse("1.1").unwrap());
        all.answer_later(socket, [Some(Frame::text(b"{}")), None]);
        assert!(all.repeat(socket) && all.repeat(socket));
        let waiting = all.take_answers(socket);
        assert_eq!((waiting.first[0].is_some(), waiting.repeats), (true, 2));
        assert!(!all.repeat(socket), "answered");
        assert_eq!(all.take_answers(socket).repeats, 0);
    }
}
