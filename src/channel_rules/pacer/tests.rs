//! What each socket of a paced channel receives, for single cases and for any order of steps.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{PacedDelivery, PacedEvent, Pacer, SLICES, only, slice_of};
use crate::app::PacingRule;
use crate::protocol::SocketId;

const LATEST: Duration = Duration::from_millis(300);
const SPREAD: Duration = Duration::from_millis(500);

/// A channel with subscribers, as the hub has it; events are numbers.
struct Channel {
    pacer: Pacer<u32>,
    start: Instant,
    now: Instant,
    /// The socket, and the events it received with the milliseconds at which it did.
    members: Vec<(SocketId, Vec<(u32, u64)>)>,
}

impl Channel {
    fn new(latest_within: Duration, spread_over: Duration) -> Self {
        let start = Instant::now();
        let pacer = Pacer::new(PacingRule { latest_within, spread_over });
        Self { pacer, start, now: start, members: Vec::new() }
    }

    fn occupied(&self) -> u64 {
        self.members.iter().map(|(socket, _)| only(slice_of(*socket))).fold(0, |all, it| all | it)
    }

    fn apply(&mut self, deliveries: Vec<PacedDelivery<u32>>) {
        let at = self.now.duration_since(self.start).as_millis() as u64;
        for delivery in deliveries {
            for (socket, received) in &mut self.members {
                match delivery {
                    PacedDelivery::ToSlices(slices, event, except)
                        if slices & only(slice_of(*socket)) != 0 && except != Some(*socket) =>
                    {
                        received.push((event, at));
                    }
                    PacedDelivery::ToSocket(to, event) if to == *socket => {
                        received.push((event, at))
                    }
                    _ => {}
                }
            }
        }
    }

    fn publish(&mut self, name: Option<&str>, event: u32, except: Option<SocketId>) {
        let mut out = Vec::new();
        let event = PacedEvent { name, event, bytes: 100, except };
        self.pacer.publish(event, self.occupied(), self.now, &mut out);
        self.apply(out);
    }

    /// Lets time pass, and wakes the channel whenever it is due.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.pacer.next_due(self.occupied()).filter(|due| *due <= until) {
            self.now = due.max(self.now);
            let mut out = Vec::new();
            self.pacer.release(self.occupied(), self.now, &mut out);
            self.apply(out);
        }
        self.now = until;
    }

    fn join(&mut self, socket: SocketId) {
        let mut out = Vec::new();
        self.pacer.release_slice(slice_of(socket), &mut out);
        self.apply(out);
        self.members.push((socket, Vec::new()));
    }

    fn events(&self, at: usize) -> Vec<u32> {
        self.members[at].1.iter().map(|(event, _)| *event).collect()
    }
}

fn socket(number: u32) -> SocketId {
    SocketId::of_halves(number, number * 7).unwrap()
}

#[test]
fn of_a_burst_the_first_and_the_last_event_are_delivered() {
    let mut channel = Channel::new(LATEST, Duration::ZERO);
    channel.join(socket(1));
    for event in 0..50 {
        channel.publish(Some("saved"), event, None);
        channel.wait(Duration::from_millis(2));
    }
    channel.wait(Duration::from_secs(2));
    assert_eq!(channel.members[0].1, [(0, 0), (49, 300)]);
    assert_eq!((channel.pacer.take_conflated(), channel.pacer.waiting()), (48, 0));
    // The window of the last event is over: the next one is a first one.
    channel.publish(Some("saved"), 50, None);
    assert_eq!(channel.members[0].1.last(), Some(&(50, 2100)));
}

#[test]
fn two_hundred_changes_a_second_are_one_event_in_each_window() {
    let mut channel = Channel::new(LATEST, Duration::ZERO);
    channel.join(socket(1));
    for event in 0..600 {
        channel.publish(Some("saved"), event, None);
        channel.wait(Duration::from_millis(5));
    }
    channel.wait(LATEST);
    assert_eq!(channel.events(0), [0, 59, 119, 179, 239, 299, 359, 419, 479, 539, 599]);
}

#[test]
fn another_name_has_a_window_of_its_own_and_overtakes_nothing() {
    let mut channel = Channel::new(LATEST, Duration::ZERO);
    channel.join(socket(1));
    channel.publish(Some("a"), 1, None);
    channel.publish(Some("a"), 2, None);
    channel.wait(Duration::from_millis(100));
    channel.publish(Some("b"), 3, None);
    assert_eq!(channel.members[0].1, [(1, 0), (2, 100), (3, 100)]);
    channel.publish(Some("a"), 4, None);
    channel.publish(Some("b"), 5, None);
    channel.publish(None, 6, None);
    assert_eq!(channel.events(0), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_socket_that_does_not_receive_the_last_event_receives_the_one_before() {
    let mut channel = Channel::new(LATEST, Duration::ZERO);
    (1..=3).for_each(|number| channel.join(socket(number)));
    channel.publish(Some("a"), 1, None);
    channel.publish(Some("a"), 2, Some(socket(1)));
    channel.publish(Some("a"), 3, Some(socket(2)));
    channel.publish(Some("a"), 4, Some(socket(2)));
    channel.wait(LATEST);
    assert_eq!(channel.events(0), [1, 4]);
    assert_eq!(channel.events(1), [1, 2]);
    assert_eq!(channel.events(2), [1, 4]);
}

#[test]
fn an_event_is_spread_over_its_time_and_the_next_one_follows() {
    let mut channel = Channel::new(Duration::ZERO, SPREAD);
    (1..=500).for_each(|number| channel.join(socket(number)));
    channel.publish(Some("a"), 1, None);
    channel.wait(Duration::from_millis(100));
    channel.publish(Some("b"), 2, None);
    channel.wait(Duration::from_secs(1));
    let mut per_tenth = [0; 5];
    for (_, received) in &channel.members {
        let [(1, first), (2, second)] = received[..] else { panic!("{received:?}") };
        assert_eq!(second - first, 100);
        per_tenth[first as usize / 100] += 1;
    }
    assert!(per_tenth.iter().all(|count| (70..=130).contains(count)), "{per_tenth:?}");
}

#[test]
fn what_waits_has_a_bound() {
    let mut channel = Channel::new(Duration::ZERO, SPREAD);
    channel.join(socket(1));
    for event in 0..1000 {
        channel.publish(Some("a"), event, None);
        assert!(channel.pacer.waiting() <= 257);
    }
    let mut names = Channel::new(LATEST, Duration::ZERO);
    names.join(socket(1));
    for event in 0..1000 {
        names.publish(Some(&format!("event-{event}")), event, None);
    }
    assert!(names.pacer.windows.len() <= 64 && names.pacer.waiting() == 0);
    assert_eq!(names.events(0).len(), 1000);
}

#[test]
fn sockets_are_divided_evenly() {
    let mut slices = [0; SLICES as usize];
    for number in 0..6400_u64 {
        let random = [number.wrapping_mul(0x9e37_79b9_7f4a_7c15), !number << 40 | number];
        slices[slice_of(SocketId::from_random(random, number as usize % 3, 3)) as usize] += 1;
    }
    assert!(slices.iter().all(|count| (50..=160).contains(count)), "{slices:?}");
}

/// A step of the test of any order.
#[derive(Debug, Clone)]
enum Step {
    Publish { name: usize, except: usize },
    Wait(u64),
    Join(u32),
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4_usize, 0..8_usize).prop_map(|(name, except)| Step::Publish { name, except }),
        3 => (0..200_u64).prop_map(Step::Wait),
        1 => (1..40_u32).prop_map(Step::Join),
        1 => (0..6_usize).prop_map(Step::Leave),
    ]
}

proptest! {
    #[test]
    fn no_socket_misses_the_last_event_or_receives_one_twice_or_out_of_order(
        steps in prop::collection::vec(step(), 1..120),
        (latest, spread) in prop::sample::select(vec![(300, 0), (0, 500), (300, 500), (50, 20)]),
    ) {
        let names = [Some("a"), Some("b"), Some("c"), None];
        let (latest, spread) = (Duration::from_millis(latest), Duration::from_millis(spread));
        let mut channel = Channel::new(latest, spread);
        // Every event with its name, its except and its time, and from which event on each member is one.
        let mut published: Vec<(usize, Option<SocketId>, u64)> = Vec::new();
        let mut since: Vec<usize> = Vec::new();
        for step in steps {
            match step {
                Step::Publish { name, except } => {
                    let except = channel.members.get(except).map(|(socket, _)| *socket);
                    let at = channel.now.duration_since(channel.start).as_millis() as u64;
                    channel.publish(names[name], published.len() as u32, except);
                    published.push((name, except, at));
                }
                Step::Wait(millis) => channel.wait(Duration::from_millis(millis)),
                Step::Join(number) => {
                    if channel.members.iter().all(|(member, _)| *member != socket(number)) {
                        channel.join(socket(number));
                        since.push(published.len());
                    }
                }
                Step::Leave(at) if at < channel.members.len() => {
                    channel.members.remove(at);
                    channel.pacer.forget_vacant(channel.occupied());
                    since.remove(at);
                }
                Step::Leave(_) => {}
            }
        }
        channel.wait(latest + spread + Duration::from_millis(1));
        prop_assert_eq!(channel.pacer.waiting(), 0);
        for ((member, received), since) in channel.members.iter().zip(since) {
            prop_assert!(received.is_sorted_by(|a, b| a.0 < b.0), "{:?}", received);
            for (event, at) in received {
                let (_, except, published_at) = published[*event as usize];
                prop_assert!(*event as usize >= since && except != Some(*member));
                let longest = published_at + (latest + spread).as_millis() as u64 + 1;
                prop_assert!(*at <= longest, "{event} at {at}, published at {published_at}");
            }
            for (name, kind) in names.iter().enumerate() {
                let is_meant = |event: &usize| {
                    published[*event].0 == name && published[*event].1 != Some(*member)
                };
                let meant: Vec<usize> = (since..published.len()).filter(is_meant).collect();
                let got = |event: &usize| received.iter().any(|(got, _)| *got as usize == *event);
                prop_assert!(meant.last().is_none_or(got), "{kind:?} of {member}: {received:?}");
                if kind.is_none() || latest.is_zero() {
                    prop_assert!(meant.iter().all(got));
                }
            }
        }
    }
}
