//! What a link to Redis is like: where it leads, which server answers, since when, how fast, and why it is away.
//!
//! Owns these facts for operators. They are noted where the link is made or lost, and with one relaxed store for each
//! batch of requests; a request of an operator reads them. Who may read them is left to `internal`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::server_info::RedisPeer;

/// What is noted of one link.
#[derive(Debug)]
pub(crate) struct LinkStatus {
    facts: Mutex<LinkFacts>,
    /// Of the last batch; 0 before the first one.
    round_trip_nanos: AtomicU64,
}

/// A link to Redis as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkFacts {
    /// The place of the Redis in `cluster.urls`.
    pub url: usize,
    /// The configured address without its credentials, and the primary that a sentinel has named.
    pub address: String,
    /// Whether the link is up.
    pub is_up: bool,
    /// Since when it is up or away.
    pub since: Instant,
    /// How many times it was made.
    pub connects: u64,
    /// The server that answered last.
    pub peer: Option<RedisPeer>,
    /// Why it is away, and what to change; `None` while it is up, and before the first attempt has failed.
    pub cause: Option<String>,
    /// From sending the last batch of requests to its answer.
    pub round_trip: Option<Duration>,
}

impl LinkStatus {
    /// A link that is not made yet.
    pub(crate) fn new(now: Instant) -> Self {
        let facts = LinkFacts {
            url: 0,
            address: String::new(),
            is_up: false,
            since: now,
            connects: 0,
            peer: None,
            cause: None,
            round_trip: None,
        };
        Self { facts: Mutex::new(facts), round_trip_nanos: AtomicU64::new(0) }
    }

    /// The link will lead there.
    pub(crate) fn leads_to(&self, url: usize, address: String) {
        let mut facts = self.facts.lock();
        (facts.url, facts.address) = (url, address);
    }

    /// The link is up, and this server is at its end, as far as it may be asked.
    pub(crate) fn connected(
        &self,
        address: String,
        peer: impl Into<Option<RedisPeer>>,
        now: Instant,
    ) {
        let mut facts = self.facts.lock();
        let connects = facts.connects + 1;
        let (url, peer, cause, round_trip) = (facts.url, peer.into(), None, None);
        let since = now;
        *facts = LinkFacts { url, address, is_up: true, since, connects, peer, cause, round_trip };
    }

    /// The link is lost, or could not be made.
    pub(crate) fn away(&self, cause: &str, now: Instant) {
        let mut facts = self.facts.lock();
        if facts.is_up {
            (facts.is_up, facts.since) = (false, now);
        }
        facts.cause = Some(cause.to_owned());
    }

    /// Redis answered a batch of requests after this time.
    pub(crate) fn answered(&self, round_trip: Duration) {
        let nanos = u64::try_from(round_trip.as_nanos()).unwrap_or(u64::MAX);
        self.round_trip_nanos.store(nanos, Ordering::Relaxed);
    }

    /// The link as it is now.
    pub(crate) fn facts(&self) -> LinkFacts {
        let nanos = self.round_trip_nanos.load(Ordering::Relaxed);
        let round_trip = (nanos > 0).then(|| Duration::from_nanos(nanos));
        LinkFacts { round_trip, ..self.facts.lock().clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, LinkStatus, RedisPeer};

    fn peer() -> RedisPeer {
        let (software, version) = ("redis".to_owned(), "7.0.15".to_owned());
        RedisPeer { software, version, role: Some("primary".to_owned()), replicas: 0 }
    }

    #[test]
    fn a_link_is_away_until_it_is_made_and_since_it_was_lost() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let status = LinkStatus::new(at(1));
        status.leads_to(0, "redis://127.0.0.1:6379".to_owned());
        status.away("connection refused", at(2));
        let facts = status.facts();
        assert_eq!((facts.is_up, facts.since, facts.connects), (false, at(1), 0));
        assert_eq!(facts.cause.as_deref(), Some("connection refused"));
        assert_eq!((facts.address.as_str(), facts.round_trip), ("redis://127.0.0.1:6379", None));

        status.connected("redis://127.0.0.1:6379".to_owned(), peer(), at(3));
        status.answered(Duration::from_micros(250));
        let facts = status.facts();
        assert_eq!((facts.is_up, facts.since, facts.connects), (true, at(3), 1));
        assert_eq!((facts.cause, facts.peer), (None, Some(peer())));
        assert_eq!(facts.round_trip, Some(Duration::from_micros(250)));

        status.away("the connection was closed", at(4));
        status.away("connection refused", at(5));
        let facts = status.facts();
        assert_eq!((facts.is_up, facts.since, facts.connects), (false, at(4), 1));
        assert_eq!(facts.cause.as_deref(), Some("connection refused"));
        assert_eq!(facts.peer, Some(peer()), "what answered last");
    }
}
