//! How often an address may bring a wrong token: ten times a minute.
//!
//! A token of 16 characters cannot be guessed in any case; this bounds what an attempt costs, and what it logs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Wrong tokens of one address within [`WINDOW`].
const FAILURES_MAX: u32 = 10;

const WINDOW: Duration = Duration::from_secs(60);

/// Addresses that are counted at once. Beyond them all others share one count.
const ADDRESSES_MAX: usize = 1024;

/// The wrong tokens of each address within the last minute.
#[derive(Debug, Default)]
pub(super) struct LoginThrottle(Mutex<HashMap<Option<IpAddr>, Failures>>);

#[derive(Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

impl LoginThrottle {
    /// Whether another token of this address is looked at.
    pub(super) fn admits(&self, client: Option<IpAddr>, now: Instant) -> bool {
        let mut all = self.0.lock();
        let client = counted_as(&mut all, client, now);
        all.get(&client).is_none_or(|it| it.count < FAILURES_MAX || it.is_over(now))
    }

    /// The token of this address was wrong.
    pub(super) fn failed(&self, client: Option<IpAddr>, now: Instant) {
        let mut all = self.0.lock();
        let client = counted_as(&mut all, client, now);
        let failures = all.entry(client).or_insert(Failures { count: 0, since: now });
        if failures.is_over(now) {
            *failures = Failures { count: 0, since: now };
        }
        failures.count += 1;
    }
}

impl Failures {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= WINDOW
    }
}

/// The address, or `None` for one that there is no place for.
fn counted_as(
    all: &mut HashMap<Option<IpAddr>, Failures>,
    client: Option<IpAddr>,
    now: Instant,
) -> Option<IpAddr> {
    if all.len() >= ADDRESSES_MAX && !all.contains_key(&client) {
        all.retain(|_, failures| !failures.is_over(now));
    }
    client.filter(|_| all.len() < ADDRESSES_MAX || all.contains_key(&client))
}

#[cfg(test)]
mod tests {
    use super::{ADDRESSES_MAX, Duration, FAILURES_MAX, Instant, IpAddr, LoginThrottle, WINDOW};

    fn address(number: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(number.into()))
    }

    #[test]
    fn an_address_is_held_back_for_a_minute_and_others_are_not() {
        let (throttle, start) = (LoginThrottle::default(), Instant::now());
        (0..FAILURES_MAX).for_each(|_| throttle.failed(address(1), start));
        assert!(!throttle.admits(address(1), start + WINDOW - Duration::from_millis(1)));
        assert!(throttle.admits(address(2), start));
        assert!(throttle.admits(address(1), start + WINDOW));
        throttle.failed(address(1), start + WINDOW);
        assert!(throttle.admits(address(1), start + WINDOW));
    }

    #[test]
    fn any_number_of_addresses_takes_bounded_memory() {
        let (throttle, start) = (LoginThrottle::default(), Instant::now());
        (0..100_000).for_each(|number| throttle.failed(address(number), start));
        assert!(throttle.0.lock().len() <= ADDRESSES_MAX + 1);
        assert!(!throttle.admits(address(99_999), start), "they share one count");
        assert!(throttle.admits(address(99_999), start + WINDOW));
    }
}
