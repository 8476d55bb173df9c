//! Who received the last events on this node, for viewers at any node: of each channel the sockets that were subscribed
//! when the event was queued for them.
//!
//! An event has no id that all nodes know, so a delivery is found by its channel, name, size and time. Bounded by number
//! and by a rate, and kept only while a viewer looks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{OnceCell, oneshot};

use crate::protocol::rate_limit::{TokenBucket, TokenRate};
use crate::protocol::{ChannelName, SocketId};

/// Deliveries that are kept: 100 sockets of 16 bytes each are 2 MB at most.
const KEPT_MAX: usize = 1000;

/// Deliveries of a second that are kept.
const KEPT_PER_SECOND: u32 = 20;

/// What the clocks of two nodes may differ, and an event be on its way.
const TOLERANCE_MS: u64 = 5000;

/// The last deliveries of this node.
#[derive(Debug, Default)]
pub(super) struct RecentDeliveries(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    deliveries: VecDeque<Arc<KeptDelivery>>,
    rate: TokenBucket,
}

/// An event that was queued for sockets of this node.
#[derive(Debug)]
pub(super) struct KeptDelivery {
    pub(super) app_id: Arc<str>,
    pub(super) channel: String,
    pub(super) event: String,
    /// The bytes of its data.
    pub(super) bytes: usize,
    pub(super) except: Option<SocketId>,
    pub(super) at_ms: u64,
    /// What the shards list, until it is asked for.
    pub(super) listed: Mutex<Vec<oneshot::Receiver<Vec<SocketId>>>>,
    pub(super) receivers: OnceCell<Vec<SocketId>>,
}

/// The event that is looked for.
#[derive(Debug, Clone, Copy)]
pub struct SoughtDelivery<'a> {
    /// Its channel.
    pub channel: &'a ChannelName,
    /// Its name on the wire.
    pub event: &'a str,
    /// The bytes of its data.
    pub bytes: usize,
    /// The socket that does not receive it.
    pub except: Option<SocketId>,
    /// When it was published or delivered, in milliseconds since 1970.
    pub at_ms: u64,
}

impl RecentDeliveries {
    /// Whether one more delivery of this second is kept.
    pub(super) fn admits(&self) -> bool {
        self.0.lock().rate.allow(TokenRate::per_second(KEPT_PER_SECOND), Instant::now())
    }

    pub(super) fn keep(&self, delivery: KeptDelivery) {
        let mut kept = self.0.lock();
        if kept.deliveries.len() >= KEPT_MAX {
            kept.deliveries.pop_front();
        }
        kept.deliveries.push_back(Arc::new(delivery));
    }

    /// The delivery of this event; of several alike, the one that is nearest in time.
    pub(super) fn find(
        &self,
        app_id: &str,
        sought: SoughtDelivery<'_>,
    ) -> Option<Arc<KeptDelivery>> {
        let kept = self.0.lock();
        let is_it = |delivery: &&Arc<KeptDelivery>| {
            *delivery.app_id == *app_id
                && delivery.channel == sought.channel.as_str()
                && delivery.event == sought.event
                && delivery.bytes == sought.bytes
                && delivery.except == sought.except
                && delivery.at_ms.abs_diff(sought.at_ms) <= TOLERANCE_MS
        };
        let alike = kept.deliveries.iter().filter(is_it);
        alike.min_by_key(|delivery| delivery.at_ms.abs_diff(sought.at_ms)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        ChannelName, KEPT_MAX, KeptDelivery, Mutex, OnceCell, RecentDeliveries, SoughtDelivery,
    };

    fn delivery(event: &str, at_ms: u64) -> KeptDelivery {
        KeptDelivery {
            app_id: "7".into(),
            channel: "orders".to_owned(),
            event: event.to_owned(),
            bytes: 9,
            except: None,
            at_ms,
            listed: Mutex::default(),
            receivers: OnceCell::new(),
        }
    }

    #[test]
    fn a_delivery_is_found_by_what_all_nodes_know_of_it() {
        let recent = RecentDeliveries::default();
        let channel = ChannelName::parse("orders", 164).unwrap();
        let at = |app: &str, event: &str, bytes, at_ms| {
            let sought = SoughtDelivery { channel: &channel, event, bytes, except: None, at_ms };
            recent.find(app, sought).map(|delivery| delivery.at_ms)
        };
        [10_000, 12_000].into_iter().for_each(|at_ms| recent.keep(delivery("a", at_ms)));
        assert_eq!(at("7", "a", 9, 11_900), Some(12_000), "the nearest one");
        assert_eq!(at("7", "a", 9, 6_000), Some(10_000));
        for (app, event, bytes, at_ms) in [
            ("8", "a", 9, 10_000),
            ("7", "b", 9, 10_000),
            ("7", "a", 8, 10_000),
            ("7", "a", 9, 4_999),
        ] {
            assert_eq!(at(app, event, bytes, at_ms), None, "{app} {event} {bytes} {at_ms}");
        }
        (0..KEPT_MAX as u64).for_each(|at_ms| recent.keep(delivery("b", at_ms)));
        assert_eq!(at("7", "a", 9, 11_900), None, "it has made room");
    }

    #[test]
    fn so_many_of_a_second_are_kept() {
        let recent = RecentDeliveries::default();
        assert!((0..100).filter(|_| recent.admits()).count() < 50);
    }
}
