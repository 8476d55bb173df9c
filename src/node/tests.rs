//! The decisions that wait for sessions, on one thread: their file has no tests of its own, since it is compiled on loom, too.

use super::decisions::{Decision, Decisions, IDLE_CAPACITY};
use crate::protocol::{ChannelName, SocketId};

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text, 200).unwrap()
}

#[test]
fn a_socket_takes_its_own_decisions_in_order() {
    let (decisions, first, second) =
        (Decisions::default(), SocketId::parse("1.1").unwrap(), SocketId::parse("1.2").unwrap());
    assert_eq!(decisions.take(first), []);
    decisions.push(first, Decision::Granted(name("a")));
    decisions.push(second, Decision::Granted(name("a")));
    decisions.push(first, Decision::Refused(name("presence-b")));
    let expected = [Decision::Granted(name("a")), Decision::Refused(name("presence-b"))];
    assert_eq!(decisions.take(first), expected);
    assert_eq!(decisions.take(first), []);
    assert_eq!(decisions.take(second), [Decision::Granted(name("a"))]);
}

#[test]
fn a_burst_leaves_no_memory_behind() {
    let (decisions, channel) = (Decisions::default(), name("a"));
    let sockets: Vec<SocketId> =
        (1..20_000).map(|at| SocketId::parse(&format!("1.{at}")).unwrap()).collect();
    for &socket in &sockets {
        decisions.push(socket, Decision::Granted(channel.clone()));
    }
    for &socket in &sockets {
        assert_eq!(decisions.take(socket).len(), 1);
    }
    assert!(decisions.waiting.lock().capacity() <= IDLE_CAPACITY);
}
