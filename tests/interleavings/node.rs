//! The decisions on subscriptions, which one thread makes and another one takes.

#[allow(
    dead_code,
    unreachable_pub,
    reason = "the file is that of the server, which uses more of it"
)]
#[path = "../../src/node/decisions.rs"]
mod decisions;

use loom::sync::Arc;
use loom::thread;

use crate::every_order::every_order;
use crate::protocol::{ChannelName, SocketId};
use decisions::{Decision, Decisions};

fn granted(channel: &str) -> Decision {
    Decision::Granted(ChannelName::new(channel))
}

/// A count that says less than there is would leave the decision where it is for ever.
#[test]
fn a_decision_is_found_by_its_socket_whatever_others_take_meanwhile() {
    every_order(|| {
        let [first, second] = [1, 2].map(SocketId::new);
        let decisions = Arc::new(Decisions::default());
        decisions.push(second, granted("a"));
        let own = decisions.clone();
        let cluster = thread::spawn(move || own.push(first, granted("b")));
        assert_eq!(decisions.take(second), [granted("a")]);
        cluster.join().unwrap();
        assert_eq!(decisions.take(first), [granted("b")]);
        assert_eq!(decisions.take(first), []);
    });
}

/// What is pushed before a socket takes, in any order of locks, is taken: the flag that saves the lock must show it.
#[test]
fn two_decisions_of_two_threads_are_both_found() {
    every_order(|| {
        let socket = SocketId::new(1);
        let decisions = Arc::new(Decisions::default());
        let own = decisions.clone();
        let cluster = thread::spawn(move || own.push(socket, granted("b")));
        let mut taken = decisions.take(socket);
        decisions.push(socket, granted("a"));
        taken.extend(decisions.take(socket));
        cluster.join().unwrap();
        taken.extend(decisions.take(socket));
        assert_eq!(taken.len(), 2, "{taken:?}");
        assert!(!decisions.has_refused(socket, &ChannelName::new("a")));
    });
}
