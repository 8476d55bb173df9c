//! Events that nodes publish while Redis is away, over pub/sub: they reach the nodes that subscribe a moment after the
//! first one is back, in order, and no publisher waits for that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use resound::cluster::{ChannelEffect, ChannelKey, Effect, PublishScope, Request};
use resound::protocol::{ChannelName, Frame};
use tokio::sync::oneshot;

use crate::profile::{Faults, MILLI, SECOND};
use crate::server::Data;
use crate::simulation::every_seed;
use crate::stage::{NODE, NUMBER, Stage, event};
use crate::verdict::{lost_events, verdict};
use crate::world::World;

/// So many clusters.
const SEEDS: u64 = 400;

/// More than the nodes are given to come back, and more than they are given where they have many channels.
const NODES_ARE_BACK: Duration = Duration::from_millis(600);
const AT_THE_LATEST: Duration = Duration::from_millis(2_100);

fn channel(name: &str) -> ChannelKey {
    ChannelKey::channel(0, &ChannelName::parse(name, 200).unwrap())
}

fn text(frame: &Frame) -> String {
    String::from_utf8(frame.payload().to_vec()).unwrap()
}

impl Stage {
    /// A back end publishes. Returns what is delivered at once, and the answer if there is one.
    fn publishes(&mut self, key: &ChannelKey, event: &str) -> (Vec<String>, Option<PublishScope>) {
        let (waiter, _answer) = oneshot::channel();
        let (core, frame) = (self.part.core.alone(), Frame::text(event.as_bytes()));
        core.publish(key.clone(), frame, None, Some(waiter), self.now);
        let (mut delivered, mut scope) = (Vec::new(), None);
        for effect in core.take_effects() {
            match effect {
                Effect::Published(_, reached) => scope = Some(reached),
                Effect::Channel { action: ChannelEffect::Deliver { frame, .. }, .. } => {
                    delivered.push(text(&frame));
                }
                _ => {}
            }
        }
        (delivered, scope)
    }

    /// The events that are sent now.
    fn sent(&mut self) -> Vec<String> {
        let requests = self.part.core.alone().take_requests();
        let publishes = requests.iter().filter_map(|request| match request {
            Request::Publish(publish) => Some(text(&publish.frame)),
            _ => None,
        });
        publishes.collect()
    }

    fn waits(&mut self, time: Duration) {
        self.now += time;
        self.part.core.alone().tick(self.now);
    }
}

/// A node with one socket in this channel, which published `1` there while Redis was away, and has it again.
fn back_again(name: &str) -> Stage {
    let mut stage = Stage::new(name);
    stage.part.core.alone().disconnected();
    let here = (vec!["1".to_owned()], Some(PublishScope::NodeOnly));
    assert_eq!(stage.publishes(&channel(name), "1"), here);
    stage.connects();
    stage
}

#[test]
fn what_is_published_behind_kept_events_waits_with_them_and_its_publisher_does_not() {
    let mut stage = back_again("orders");
    assert_eq!(stage.sent(), [""; 0], "other nodes may not have subscribed yet");
    let here = (vec!["2".to_owned()], Some(PublishScope::NodeOnly));
    assert_eq!(stage.publishes(&channel("orders"), "2"), here);
    let waits = (Vec::new(), None);
    assert_eq!(stage.publishes(&channel("others"), "3"), waits, "of a channel without kept events");
    assert_eq!(stage.sent(), ["3"]);
    stage.waits(NODES_ARE_BACK);
    assert_eq!(stage.publishes(&channel("orders"), "4"), waits, "the kept ones are under way");
    assert_eq!(stage.sent(), ["1", "2", "4"]);
    stage.topic_is_subscribed();
    for (serial, returned) in [(1, "1"), (2, "2"), (4, "4")] {
        stage.receives(&event(NODE, serial, NUMBER + serial, returned)).unwrap();
    }
    assert_eq!(stage.delivered(), ["4"], "each once on this node, in order");
}

#[test]
fn kept_events_are_held_again_when_the_link_breaks_once_more() {
    let mut stage = back_again("orders");
    stage.part.core.alone().disconnected();
    stage.waits(NODES_ARE_BACK);
    assert_eq!(stage.sent(), [""; 0]);
    stage.connects();
    stage.waits(NODES_ARE_BACK / 2);
    assert_eq!(stage.sent(), [""; 0], "each link has a time of its own");
    stage.waits(NODES_ARE_BACK / 2);
    assert_eq!(stage.sent(), ["1"]);
    stage.waits(AT_THE_LATEST);
    assert_eq!(stage.sent(), [""; 0], "once");
}

#[test]
fn kept_events_are_not_held_where_that_costs_more_than_it_brings() {
    // A socket that joins reads the cached event from the directory.
    assert_eq!(back_again("cache-prices").sent(), ["1"]);
    let mut leaving = back_again("orders");
    leaving.part.core.alone().depart();
    assert_eq!(leaving.sent(), ["1"], "a node that leaves has no time");
    let mut full = back_again("orders");
    let large = "x".repeat(crate::profile::QUEUE_BYTES - 500);
    full.publishes(&channel("orders"), &large);
    full.waits(Duration::from_millis(25));
    assert_eq!(full.sent(), [large], "there is no room for both");
}

#[test]
fn kept_events_wait_for_the_channels_of_this_node_and_not_for_ever() {
    for (time, sent) in [(NODES_ARE_BACK, ""), (AT_THE_LATEST, "1")] {
        let mut stage = back_again("orders");
        // Its state waits in the queue meanwhile.
        stage.waits(time);
        assert_eq!(stage.sent().concat(), sent, "after {time:?}");
    }
}

/// What makes all links end at one time.
fn all_links_end(world: &mut World, seed: u64) {
    match seed % 3 {
        0 => world.restart(0, Data::Whole),
        1 => world.restart(0, Data::Empty),
        _ => (0..world.machines.len()).for_each(|at| world.kill((at, 0))),
    }
}

/// Each node finds its Redis when it tries again next. What is published until the first one does is sent to all of them.
#[test]
fn nodes_that_come_back_one_after_the_other_receive_what_the_others_kept() {
    let kept = AtomicUsize::new(0);
    every_seed(0..SEEDS, |seed| {
        let mut world = World::new(seed, 60, |profile| {
            (profile.partitions, profile.streams, profile.hostile) = (1, false, false);
            profile.faults = vec![Faults::None];
            profile.latency = (50, 20 * MILLI);
        });
        world.run()?;
        verdict(&mut world)?;
        world.profile.faults = vec![Faults::All];
        all_links_end(&mut world, seed);
        world.settle(25 * MILLI)?;
        let before = world.events.len();
        for _ in 0..2 {
            if world.machines.iter().all(|machine| !machine.parts[0].link.is_connected) {
                world.back_end_publishes();
                world.settle(25 * MILLI)?;
            }
        }
        kept.fetch_add(world.events.len() - before, Ordering::Relaxed);
        world.settle(4 * SECOND)?;
        world.come_to_rest()?;
        let lost = lost_events(&world, 0);
        let lost = lost.iter().filter(|(event, _)| {
            *event >= before && !world.events[*event].channel.contains("cache-")
        });
        match lost.count() {
            0 => verdict(&mut world),
            some => Err(format!("{some} were lost: {:#?}", world.trace)),
        }
    });
    let kept = kept.into_inner();
    assert!(kept > 2 * SEEDS as usize, "only {kept} events met a fault");
}
