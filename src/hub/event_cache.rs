//! The last event of each cache channel, for newcomers.
//!
//! Kept apart from the channels because it outlives them: an event published before anybody
//! subscribed, or after the last one left, is there for the next (Reverb loses both). Bounded in
//! time and in bytes over all channels; what was asked for longest ago goes first.

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

struct Kept {
    events: LruCache<(Arc<str>, ChannelName), Entry>,
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
        let kept = Kept { events: LruCache::unbounded(), bytes: 0 };
        Self { ttl, bytes_max, kept: Mutex::new(kept) }
    }

    /// Keeps the newest event of a channel, in place of the one before.
    pub fn keep(&self, app_id: &str, channel: &ChannelName, event: Cached, now: Instant) {
        let mut kept = self.kept.lock();
        let entry = Entry { expires: now + self.ttl, event };
        kept.bytes += entry.event.bytes();
        if let Some((_, before)) = kept.events.push((app_id.into(), channel.clone()), entry) {
            kept.bytes -= before.event.bytes();
        }
        // At least the newest stays: an event over the whole bound was refused as too large.
        while kept.bytes > self.bytes_max && kept.events.len() > 1 {
            let Some((_, oldest)) = kept.events.pop_lru() else { break };
            kept.bytes -= oldest.event.bytes();
        }
    }

    /// The event of a channel and how long it will still be kept.
    pub fn find(
        &self,
        app_id: &str,
        channel: &ChannelName,
        now: Instant,
    ) -> Option<(Cached, Duration)> {
        let key = (Arc::from(app_id), channel.clone());
        let mut kept = self.kept.lock();
        let entry = kept.events.get(&key)?;
        if entry.expires > now {
            return Some((entry.event.clone(), entry.expires - now));
        }
        if let Some(expired) = kept.events.pop(&key) {
            kept.bytes -= expired.event.bytes();
        }
        None
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
}
