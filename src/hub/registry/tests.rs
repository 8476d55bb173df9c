//! The end of the pacing beside an event that waits, on one thread: the end comes between the steps of its publisher.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::super::outbox::{Signal, Transport};
use super::super::shard::Shard;
use super::super::{Joining, Shards};
use super::{Channel, Registry};
use crate::app::tests::app;
use crate::app::{App, Pacing, PacingRule};
use crate::config::{Config, Sources};
use crate::metrics::Metrics;
use crate::protocol::ChannelName;
use crate::protocol::server_message::OutboundEvent;

/// Longer than any test: what waits for its time does not arrive.
const HOUR: Duration = Duration::from_secs(3600);

/// A connection that takes everything, and what it took.
#[derive(Default)]
struct Memory(Mutex<Vec<u8>>);

impl Transport for Memory {
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut taken = self.0.lock();
        slices.iter().for_each(|slice| taken.extend_from_slice(slice));
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }
    fn reads_deflated(&self) -> bool {
        false
    }
    fn signal(&self, _: Signal) {}
    fn finish(&self) {}
}

/// A channel of which an event of one name is delivered in an hour, and its one subscriber.
struct Paced {
    registry: Registry,
    shards: Arc<Shards>,
    turned: Vec<Shard>,
    name: ChannelName,
    memory: Arc<Memory>,
}

impl Paced {
    fn new() -> Self {
        let limits = Config::new(&Sources::default()).unwrap().websocket;
        let metrics = Arc::new(Metrics::default());
        let (shards, turned) = Shards::new(1, limits, &metrics);
        let rule = PacingRule { latest_within: HOUR, spread_over: Duration::ZERO };
        let pacing = vec![Pacing { channels: "scores".into(), rule }];
        let app = Arc::new(App { pacing, ..app() });
        let (counted, hub) = (metrics.apps.of(&app.id), shards.new_hub_id(&app.id));
        let app = Arc::new(ArcSwap::new(app));
        let registry = Registry::new(shards.clone(), app, None, counted);
        let (name, memory) = (ChannelName::parse("scores", 200).unwrap(), Arc::default());
        let mut paced = Self { registry, shards, turned, name, memory };
        let socket = paced.shards.new_socket_id(0);
        paced.shards.open(hub, socket, paced.memory.clone(), None);
        let joining = Joining { socket, member: None };
        let join = |channel: &mut Channel| channel.join(&paced.shards, joining, 1, None).unwrap();
        paced.registry.with(&paced.name, join);
        paced.received();
        paced
    }

    /// Publishes an event; then, under the lock of the channel, `then` runs before the event stands in the schedule.
    fn publish(&self, data: &str, then: impl FnOnce()) {
        let broadcast = OutboundEvent::new("goal", data).broadcast(&self.name);
        let publish = |channel: &mut Channel| {
            channel.publish(&self.shards, &broadcast, None);
            then();
        };
        self.registry.with_occupied(&self.name, publish).unwrap();
    }

    /// As a node ends the pacing.
    fn end(&self) {
        self.shards.alarm().end();
        self.registry.release_paced(None, Instant::now());
    }

    /// What the subscriber was sent since it was asked last.
    fn received(&mut self) -> String {
        self.shards.settle(&mut self.turned);
        String::from_utf8_lossy(&std::mem::take(&mut *self.memory.0.lock())).into_owned()
    }

    fn waiting(&self) -> u64 {
        self.shards.metrics().pacing.events_waiting.get()
    }
}

#[test]
fn an_event_that_waits_is_delivered_at_the_end() {
    let mut paced = Paced::new();
    paced.publish("first", || ());
    assert!(paced.received().contains("first"));
    paced.publish("second", || ());
    assert_eq!((paced.received().as_str(), paced.waiting()), ("", 1));
    paced.end();
    assert!(paced.received().contains("second"));
    assert_eq!(paced.waiting(), 0);
    paced.publish("third", || ());
    assert!(paced.received().contains("third"));
}

#[test]
fn an_event_found_to_wait_before_the_end_and_scheduled_after_it_is_delivered() {
    let mut paced = Paced::new();
    paced.publish("first", || ());
    assert!(paced.received().contains("first"));
    paced.publish("second", || {
        assert_eq!(paced.waiting(), 1);
        paced.end();
        assert_eq!(paced.waiting(), 1, "the end finds nothing in the schedule");
    });
    assert!(paced.received().contains("second"));
    assert_eq!(paced.waiting(), 0);
}
