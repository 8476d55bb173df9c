//! The last event of each cache channel, for newcomers.
//!
//! Kept apart from the channels because it outlives them: an event published before anybody
//! subscribed, or after the last one left, is there for the next (Reverb loses both). Bounded in
//! time and in bytes over all channels. Beyond that an event of the app that has most bytes goes, the one
//! that was asked for longest ago: an app with many channels does not take the events of others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;

use crate::protocol::{ChannelName, Frame};

/// The last events of all apps of the process.
pub struct EventCache {
    ttl: Duration,
    bytes_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// By id; an app that had an event stays.
    apps: HashMap<Box<str>, AppEvents>,
    /// Of all apps.
    bytes: usize,
}

struct AppEvents {
    events: LruCache<ChannelName, Entry>,
    bytes: usize,
}

struct Entry {
    event: Cached,
    expires: Instant,
}

/// One event as it was delivered.
#[derive(Debug, Clone)]
pub struct Cached {
    /// What a newcomer is sent.
    pub frame: Frame,
    /// What the HTTP API shows.
    pub data: Arc<str>,
}

/// What an entry costs beyond its bytes: keys, list and hash nodes, measured at about 250 bytes.
const ENTRY_OVERHEAD_BYTES: usize = 256;

impl Cached {
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
        Self { ttl, bytes_max, kept: Mutex::default() }
    }

    /// Keeps the newest event of a channel, in place of the one before.
    pub fn keep(&self, app_id: &str, channel: &ChannelName, event: Cached, now: Instant) {
        let mut kept = self.kept.lock();
        let entry = Entry { expires: now + self.ttl, event };
        kept.put(app_id, channel, entry);
        // At least the newest stays: an event over the whole bound was refused as too large.
        while kept.bytes > self.bytes_max && kept.drop_oldest_but_only_of(app_id) {}
    }

    /// The event of a channel and how long it will still be kept.
    pub fn find(
        &self,
        app_id: &str,
        channel: &ChannelName,
        now: Instant,
    ) -> Option<(Cached, Duration)> {
        let mut kept = self.kept.lock();
        let app = kept.apps.get_mut(app_id)?;
        let entry = app.events.get(channel)?;
        if entry.expires > now {
            return Some((entry.event.clone(), entry.expires - now));
        }
        if let Some(expired) = app.events.pop(channel) {
            app.bytes -= expired.event.bytes();
            kept.bytes -= expired.event.bytes();
        }
        None
    }
}

impl Kept {
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

    /// Drops the oldest event of the app that has most; not if it is the only one of `newest`.
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

    use super::{Cached, EventCache};
    use crate::protocol::{ChannelName, Frame};

    const TTL: Duration = Duration::from_secs(1800);

    fn name(text: &str) -> ChannelName {
        ChannelName::parse(text, 164).unwrap()
    }

    fn event(data: &str) -> Cached {
        Cached::new(Frame::text(data.as_bytes()), data)
    }

    #[test]
    fn the_newest_event_is_kept_for_its_time() {
        let (cache, start) = (EventCache::new(TTL, 10_000), Instant::now());
        let find = |app, now| {
            cache.find(app, &name("cache-a"), now).map(|(e, left)| (e.data.to_string(), left))
        };
        assert_eq!(find("1", start), None);
        cache.keep("1", &name("cache-a"), event("old"), start);
        cache.keep("1", &name("cache-a"), event("new"), start);
        assert_eq!(find("1", start), Some(("new".into(), TTL)));
        assert_eq!(find("2", start), None, "another app's channel of the same name");
        let last = start + TTL - Duration::from_secs(1);
        assert_eq!(find("1", last), Some(("new".into(), Duration::from_secs(1))));
        assert_eq!(find("1", start + TTL), None);
        assert_eq!(cache.kept.lock().bytes, 0, "what expired is given back");
    }

    #[test]
    fn over_the_bound_the_least_used_goes_first() {
        let (cache, now) = (EventCache::new(TTL, 1_500), Instant::now());
        for channel in ["cache-a", "cache-b"] {
            cache.keep("1", &name(channel), event(&"x".repeat(200)), now);
        }
        assert!(cache.find("1", &name("cache-a"), now).is_some());
        cache.keep("1", &name("cache-c"), event(&"x".repeat(200)), now);
        let there =
            ["cache-a", "cache-b", "cache-c"].map(|c| cache.find("1", &name(c), now).is_some());
        assert_eq!(there, [true, false, true]);
        assert!(cache.kept.lock().bytes <= 1_500);
    }

    #[test]
    fn an_app_with_many_channels_does_not_take_the_events_of_others() {
        let (cache, now) = (EventCache::new(TTL, 3_000), Instant::now());
        cache.keep("small", &name("cache-a"), event("kept"), now);
        for channel in 0..100 {
            cache.keep("large", &name(&format!("cache-{channel}")), event("more"), now);
        }
        assert!(cache.find("small", &name("cache-a"), now).is_some());
        assert!(cache.find("large", &name("cache-99"), now).is_some());
        assert!(cache.find("large", &name("cache-0"), now).is_none());
        let kept = cache.kept.lock();
        assert!(kept.bytes <= 3_000);
        assert_eq!(kept.bytes, kept.apps.values().map(|app| app.bytes).sum::<usize>());
    }

    #[test]
    fn the_newest_event_stays_whatever_its_size() {
        let (cache, now) = (EventCache::new(TTL, 1_000), Instant::now());
        cache.keep("1", &name("cache-a"), event("old"), now);
        cache.keep("2", &name("cache-a"), event(&"x".repeat(2_000)), now);
        assert!(cache.find("1", &name("cache-a"), now).is_none());
        assert!(cache.find("2", &name("cache-a"), now).is_some());
    }
}
