//! The last events that a viewer was shown, each with what its explanation needs later: the subscribers of its
//! channels at that moment, and whether the excepted socket was one of them.
//!
//! Bounded by bytes; the oldest make room. An event that no viewer was shown is never kept. What the facts mean is
//! left to `explanation`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{OnceCell, oneshot};

use super::reached::Reached;
use super::recent_deliveries::RecentDeliveries;
use crate::explanation::TriggerId;
use crate::hub::Membership;
use crate::observation::{Payload, TriggerSource};
use crate::protocol::rate_limit::{TokenBucket, TokenRate};
use crate::protocol::{ChannelName, SocketId};

/// Bytes that are kept: 4 000 events of 300 bytes. With 200 rows a second, twenty seconds.
const KEPT_BYTES: usize = 2 * 1024 * 1024;

/// Channels of one event that are explained.
const CHANNELS_MAX: usize = 10;

/// Receivers of one event on one channel whose ids are kept.
pub(super) const RECEIVERS_MAX: usize = 100;

/// Events of a second whose receivers are listed; of the others their number is kept.
const LISTS_PER_SECOND: u32 = 20;

/// The last events that were shown.
#[derive(Debug, Default)]
pub(super) struct RecentTriggers {
    kept: Mutex<KeptTriggers>,
    deliveries: RecentDeliveries,
}

#[derive(Debug, Default)]
struct KeptTriggers {
    events: VecDeque<Arc<ShownEvent>>,
    bytes: usize,
    lists: TokenBucket,
}

/// An event that a viewer was shown.
#[derive(Debug)]
pub(super) struct ShownEvent {
    pub(super) id: TriggerId,
    pub(super) app_id: Arc<str>,
    pub(super) at: Instant,
    pub(super) source: TriggerSource,
    pub(super) name: String,
    pub(super) except: Option<SocketId>,
    pub(super) payload: Payload,
    /// Open sockets of the app on this node.
    pub(super) open_sockets: u32,
    /// Channels beyond those that are kept.
    pub(super) omitted_channels: usize,
    /// What the shards look up, until it is asked for.
    looked_up: Mutex<Vec<ShownChannel>>,
    channels: OnceCell<Vec<KeptChannel>>,
}

/// One channel of a shown event, while the shards look up what is kept.
#[derive(Debug)]
pub(super) struct ShownChannel {
    pub(super) name: ChannelName,
    pub(super) reached: Reached,
    /// Whether the data have the form of an encrypted event, on an encrypted channel.
    pub(super) is_encrypted: Option<bool>,
    pub(super) excepted: Option<oneshot::Receiver<Membership>>,
    pub(super) receivers: Option<Vec<oneshot::Receiver<Vec<SocketId>>>>,
}

/// One channel of a shown event.
#[derive(Debug)]
pub(super) struct KeptChannel {
    pub(super) name: ChannelName,
    pub(super) reached: Reached,
    pub(super) is_encrypted: Option<bool>,
    /// Whether the excepted socket was a subscriber.
    pub(super) excepted: Option<Membership>,
    /// Its subscribers on this node, so many at most; `None` where they were not listed.
    pub(super) receivers: Option<Vec<SocketId>>,
}

/// What is known of an event at once.
pub(super) struct ShownTrigger<'a> {
    pub(super) id: TriggerId,
    pub(super) app_id: &'a Arc<str>,
    pub(super) source: TriggerSource,
    pub(super) name: &'a str,
    pub(super) except: Option<SocketId>,
    pub(super) payload: Payload,
    pub(super) open_sockets: u32,
}

impl RecentTriggers {
    /// Who received them on this node.
    pub(super) fn deliveries(&self) -> &RecentDeliveries {
        &self.deliveries
    }

    /// Keeps an event; `look` has its first channels looked up, with their receivers if the argument is true.
    pub(super) fn keep(
        &self,
        shown: ShownTrigger<'_>,
        channel_count: usize,
        look: impl FnOnce(usize, bool) -> Vec<ShownChannel>,
    ) {
        let now = Instant::now();
        let is_listed = self.kept.lock().lists.allow(TokenRate::per_second(LISTS_PER_SECOND), now);
        let event = Arc::new(ShownEvent {
            id: shown.id,
            app_id: shown.app_id.clone(),
            at: now,
            source: shown.source,
            name: shown.name.to_owned(),
            except: shown.except,
            payload: shown.payload,
            open_sockets: shown.open_sockets,
            omitted_channels: channel_count.saturating_sub(CHANNELS_MAX),
            looked_up: Mutex::new(look(CHANNELS_MAX, is_listed)),
            channels: OnceCell::new(),
        });
        let mut kept = self.kept.lock();
        kept.bytes += event.bytes();
        kept.events.push_back(event);
        while kept.bytes > KEPT_BYTES {
            let Some(oldest) = kept.events.pop_front() else { return };
            kept.bytes -= oldest.bytes();
        }
    }

    /// The event with this id.
    pub(super) fn find(&self, app_id: &str, id: TriggerId) -> Option<Arc<ShownEvent>> {
        let kept = self.kept.lock();
        let found = kept.events.iter().rev().find(|event| event.id == id);
        found.filter(|event| *event.app_id == *app_id).cloned()
    }
}

impl ShownEvent {
    /// Its channels, with what the shards had at that moment.
    pub(super) async fn channels(&self) -> &[KeptChannel] {
        let looked_up = async {
            let shown = std::mem::take(&mut *self.looked_up.lock());
            let mut kept = Vec::with_capacity(shown.len());
            for channel in shown {
                kept.push(channel.kept().await);
            }
            kept
        };
        self.channels.get_or_init(|| looked_up).await
    }

    /// About the bytes that it takes, what the shards will answer included; the same at any time.
    fn bytes(&self) -> usize {
        let most = CHANNELS_MAX * (size_of::<ShownChannel>() + 64);
        size_of::<Self>() + self.name.len() + self.payload.kept().len() + most
    }
}

impl ShownChannel {
    async fn kept(self) -> KeptChannel {
        let excepted = match self.excepted {
            Some(answer) => answer.await.ok(),
            None => None,
        };
        let receivers = match self.receivers {
            Some(answers) => {
                let mut listed = Vec::new();
                for answer in answers {
                    listed.extend(answer.await.unwrap_or_default());
                }
                listed.truncate(RECEIVERS_MAX);
                Some(listed)
            }
            None => None,
        };
        let Self { name, reached, is_encrypted, .. } = self;
        KeptChannel { name, reached, is_encrypted, excepted, receivers }
    }
}
