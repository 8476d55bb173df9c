//! The inbox of a shard: each command is taken once, in the order of its publisher, and no wake-up is lost.

use loom::sync::Arc;
use loom::thread;

use super::inbox::{Inbox, Weighed};
use crate::every_order::{block_on, every_order};

/// A command that has so many bytes, with its place among those of its publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbered {
    publisher: usize,
    number: usize,
}

/// The bytes of each.
const BYTES: usize = 10;

impl Weighed for Numbered {
    fn frame_bytes(&self) -> usize {
        BYTES
    }
}

/// The loop of a shard: waits, takes, and ends when it has so many commands.
fn take_all(inbox: &Inbox<Numbered>, count: usize) -> Vec<Numbered> {
    let (mut taken, mut batch) = (Vec::new(), Vec::new());
    while taken.len() < count {
        block_on(inbox.wait());
        inbox.take(&mut batch);
        taken.append(&mut batch);
    }
    taken
}

fn numbers_of(taken: &[Numbered], publisher: usize) -> Vec<usize> {
    let own = taken.iter().filter(|command| command.publisher == publisher);
    own.map(|command| command.number).collect()
}

#[test]
fn a_shard_takes_every_command_once_and_in_order() {
    every_order(|| {
        let inbox = Arc::new(Inbox::default());
        let own = inbox.clone();
        let other = thread::spawn(move || {
            (0..2).for_each(|number| own.push(Numbered { publisher: 1, number }));
        });
        let own = inbox.clone();
        let shard = thread::spawn(move || take_all(&own, 3));
        inbox.push(Numbered { publisher: 0, number: 0 });
        let taken = shard.join().unwrap();
        other.join().unwrap();
        assert_eq!((numbers_of(&taken, 0), numbers_of(&taken, 1)), (vec![0], vec![0, 1]));
        assert!(inbox.is_empty());
    });
}

#[test]
fn a_publisher_that_waits_for_room_goes_on_when_there_is_some() {
    every_order(|| {
        let inbox = Arc::new(Inbox::default());
        let own = inbox.clone();
        let publisher = thread::spawn(move || {
            for number in 0..2 {
                block_on(own.room(BYTES - 1));
                own.push(Numbered { publisher: 0, number });
            }
        });
        assert_eq!(numbers_of(&take_all(&inbox, 2), 0), [0, 1]);
        publisher.join().unwrap();
        // What was taken counts no more.
        block_on(inbox.room(0));
    });
}

#[test]
fn two_publishers_wait_for_the_same_room() {
    every_order(|| {
        let inbox = Arc::new(Inbox::default());
        inbox.push(Numbered { publisher: 0, number: 0 });
        let wait = || {
            let own = inbox.clone();
            thread::spawn(move || block_on(own.room(0)))
        };
        let publishers = [wait(), wait()];
        assert_eq!(take_all(&inbox, 1).len(), 1);
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
    });
}

/// A shard that is over its bound stays over it until it has taken what waits: publishers must not be let in early.
#[test]
fn bytes_are_those_that_wait() {
    every_order(|| {
        let inbox = Arc::new(Inbox::default());
        let own = inbox.clone();
        let publisher = thread::spawn(move || own.push(Numbered { publisher: 0, number: 0 }));
        let mut batch = Vec::new();
        inbox.take(&mut batch);
        publisher.join().unwrap();
        let waits = batch.is_empty();
        assert_ne!(waits, inbox.is_empty());
        let has_room = std::pin::pin!(inbox.room(0));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert_eq!(has_room.poll(&mut context).is_pending(), waits, "bytes count while they wait");
    });
}
