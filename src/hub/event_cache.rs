//! The last event of each cache channel, for sockets that subscribe later.
//!
//! Apart from the channels because it outlives them: an event published before the first subscription,
//! or after the last leave, is there for the next subscriber (Reverb loses both). Bounded in time, and in
//! bytes over all channels. Above that bound the app with most bytes loses its least recently used event:
//! an app with many channels does not displace the events of others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;

use crate::protocol::{ChannelName, Frame, server_message};

/// The last events of all apps of the process.
pub struct EventCache {
    ttl: Duration,
    bytes_max: usize,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    /// By app id; an app that had an event keeps its entry.
    apps: HashMap<Box<str>, AppEvents>,
    /// The bytes of all apps.
    bytes: usize,
}

struct AppEvents {
    events: LruCache<ChannelName, Entry>,
    bytes: usize,
}

struct Entry {
    event: CachedEvent,
    expires: Instant,
}

/// One event as it was delivered.
#[derive(Debug, Clone)]
pub struct CachedEvent {
    /// The frame a subscriber receives.
    pub frame: Frame,
    /// The data, as the HTTP API reports it.
    pub data: Arc<str>,
}

/// What an entry costs beyond its bytes: key, list and hash nodes, measured at about 250 bytes.
const ENTRY_OVERHEAD_BYTES: usize = 256;

/// The answer to a subscription of a cache channel: its last event, or `cache_miss`.
pub fn cached_event_answer(name: &ChannelName, event: Option<Frame>) -> Frame {
    event.unwrap_or_else(|| server_message::cache_miss(name))
}

impl CachedEvent {
    /// An event's frame and its data.
    pub fn new(frame: Frame, data: &str) -> Self {
        Self { frame, data: data.into() }
    }

    fn bytes(&self) -> usize {
        self.frame.len() + self.data.len() + ENTRY_OVERHEAD_BYTES
    }
}

impl EventCache {
    /// An empty cache.
    pub fn new(ttl: Duration, bytes_max: usize) -> Self {
        Self { ttl, bytes_max, entries: Mutex::default() }
    }

    /// Caches the newest event of a channel in place of the one before.
    pub fn insert(&self, app_id: &str, channel: &ChannelName, event: CachedEvent, now: Instant) {
        let mut entries = self.entries.lock();
        let entry = Entry { expires: now + self.ttl, event };
        entries.put(app_id, channel, entry);
        // The newest event stays: one larger than the whole bound was refused as too large.
        while entries.bytes > self.bytes_max && entries.drop_oldest_but_only_of(app_id) {}
    }

    /// The event of a channel, and the time until it expires.
    pub fn get(
        &self,
        app_id: &str,
        channel: &ChannelName,
        now: Instant,
    ) -> Option<(CachedEvent, Duration)> {
        let mut entries = self.entries.lock();
        let app = entries.apps.get_mut(app_id)?;
        let entry = app.events.get(channel)?;
        if entry.expires > now {
            return Some((entry.event.clone(), entry.expires - now));
        }
        if let Some(expired) = app.events.pop(channel) {
            app.bytes -= expired.event.bytes();
            entries.bytes -= expired.event.bytes();
        }
        None
    }

    /// The bytes of all events.
    pub fn bytes(&self) -> usize {
        self.entries.lock().bytes
    }

    /// Whether a channel has an event, which stays as old as it is.
    pub(super) fn has(&self, app_id: &str, channel: &ChannelName, now: Instant) -> bool {
        let entries = self.entries.lock();
        let entry = entries.apps.get(app_id).and_then(|app| app.events.peek(channel));
        entry.is_some_and(|entry| entry.expires > now)
    }
}

impl Entries {
    fn put(&mut self, app_id: &str, channel: &ChannelName, entry: Entry) {
        if !self.apps.contains_key(app_id) {
            let events = AppEvents { events: LruCache::unbounded(), bytes: 0 };
            self.apps.insert(app_id.into(), events);
        }
        let Some(app) = self.apps.get_mut(app_id) else { return };
        let added = entry.event.bytes();
        let before = app.events.push(channel.clone(), entry);
        let removed = before.map_or(0, |(_, before)| before.event.bytes());
        app.bytes = app.bytes + added - removed;
        self.bytes = self.bytes + added - removed;
    }

    /// Drops the least recently used event of the app with most bytes, but never the only one of `newest`.
    fn drop_oldest_but_only_of(&mut self, newest: &str) -> bool {
        let may_lose = self.apps.iter_mut().filter_map(|(id, app)| {
            let least = usize::from(&**id == newest);
            (app.events.len() > least).then_some(app)
        });
        let Some(app) = may_lose.max_by_key(|app| app.bytes) else { return false };
        let Some((_, oldest)) = app.events.pop_lru() else { return false };
        app.bytes -= oldest.event.bytes();
        self.bytes -= oldest.event.bytes();
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{CachedEvent, EventCache};
    use crate::protocol::{ChannelName, Frame};

    const TTL: Duration = Duration::from_secs(1800);

    fn name(text: &str) -> ChannelName {
        ChannelName::parse(text, 164).unwrap()
    }

    fn event(data: &str) -> CachedEvent {
        CachedEvent::new(Frame::text(data.as_bytes()), data)
    }

    #[test]
    fn the_newest_event_is_cached_until_it_expires() {
        let (cache, start) = (EventCache::new(TTL, 10_000), Instant::now());
        let get = |app, now| {
            cache.get(app, &name("cache-a"), now).map(|(e, left)| (e.data.to_string(), left))
        };
        assert_eq!(get("1", start), None);
        cache.insert("1", &name("cache-a"), event("old"), start);
        cache.insert("1", &name("cache-a"), event("new"), start);
        assert_eq!(get("1", start), Some(("new".into(), TTL)));
        assert_eq!(get("2", start), None, "another app's channel of the same name");
        let last = start + TTL - Duration::from_secs(1);
        assert_eq!(get("1", last), Some(("new".into(), Duration::from_secs(1))));
        assert_eq!(get("1", start + TTL), None);
        assert_eq!(cache.entries.lock().bytes, 0, "an expired event frees its bytes");
    }

    #[test]
    fn above_the_bound_the_least_recently_used_event_is_dropped() {
        let (cache, now) = (EventCache::new(TTL, 1_500), Instant::now());
        for channel in ["cache-a", "cache-b"] {
            cache.insert("1", &name(channel), event(&"x".repeat(200)), now);
        }
        assert!(cache.get("1", &name("cache-a"), now).is_some());
        cache.insert("1", &name("cache-c"), event(&"x".repeat(200)), now);
        let there =
            ["cache-a", "cache-b", "cache-c"].map(|c| cache.get("1", &name(c), now).is_some());
        assert_eq!(there, [true, false, true]);
        assert!(cache.entries.lock().bytes <= 1_500);
    }

    #[test]
    fn an_app_with_many_channels_does_not_displace_the_events_of_others() {
        let (cache, now) = (EventCache::new(TTL, 3_000), Instant::now());
        cache.insert("small", &name("cache-a"), event("kept"), now);
        for channel in 0..100 {
            cache.insert("large", &name(&format!("cache-{channel}")), event("more"), now);
        }
        assert!(cache.get("small", &name("cache-a"), now).is_some());
        assert!(cache.get("large", &name("cache-99"), now).is_some());
        assert!(cache.get("large", &name("cache-0"), now).is_none());
        let entries = cache.entries.lock();
        assert!(entries.bytes <= 3_000);
        assert_eq!(entries.bytes, entries.apps.values().map(|app| app.bytes).sum::<usize>());
    }

    #[test]
    fn the_newest_event_stays_whatever_its_size() {
        let (cache, now) = (EventCache::new(TTL, 1_000), Instant::now());
        cache.insert("1", &name("cache-a"), event("old"), now);
        cache.insert("2", &name("cache-a"), event(&"x".repeat(2_000)), now);
        assert!(cache.get("1", &name("cache-a"), now).is_none());
        assert!(cache.get("2", &name("cache-a"), now).is_some());
    }
}
