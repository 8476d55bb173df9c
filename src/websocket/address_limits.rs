//! How many sockets clients of one address have open, and how fast they open them.
//!
//! Pure but for its lock: the time comes in. The table has a bound, whatever addresses clients have: an
//! address is kept while it has a socket, or while its handshakes are too recent to be forgotten.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::protocol::CloseCode;

/// Addresses whose rate is counted: 4 MB. Beyond it further ones are not limited until others are
/// forgotten, a second after their last handshake.
const ADDRESSES_MAX: usize = 65_536;

/// Handshakes may come together: those of one second at once.
const BURST: Duration = Duration::from_secs(1);

/// Between two searches for addresses to forget, each of which looks at all of them.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// The limits on each address, and what counts against them.
#[derive(Debug)]
pub(super) struct AddressLimits {
    sockets_max: Option<NonZero<u32>>,
    /// Between two handshakes of an address, on average.
    interval: Option<Duration>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    sockets: HashMap<AddressKey, u32>,
    /// When each address has used up its past handshakes.
    handshakes: HashMap<AddressKey, Instant>,
    swept: Option<Instant>,
}

/// What counts as one address: of IPv6 the first 64 bits, which a provider gives to one customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct AddressKey(u64, bool);

/// Counts one socket of an address until it is dropped.
#[derive(Debug)]
pub(super) struct AddressPermit {
    limits: Arc<AddressLimits>,
    key: AddressKey,
}

impl AddressLimits {
    /// `None` if neither limit is set.
    pub(super) fn new(
        sockets_max: Option<NonZero<u32>>,
        handshakes_per_second: Option<NonZero<u32>>,
    ) -> Option<Arc<Self>> {
        let interval = handshakes_per_second.map(|rate| Duration::from_secs(1) / rate.get());
        let limits = Self { sockets_max, interval, table: Mutex::default() };
        (sockets_max.is_some() || interval.is_some()).then(|| Arc::new(limits))
    }

    /// Counts a handshake; fails if too many came in the last second.
    pub(super) fn admit(&self, address: IpAddr, now: Instant) -> Result<(), CloseCode> {
        let Some(interval) = self.interval else { return Ok(()) };
        let mut table = self.table.lock();
        let key = AddressKey::of(address);
        table.sweep(now);
        let is_full = table.handshakes.len() >= ADDRESSES_MAX;
        match table.handshakes.entry(key) {
            Entry::Vacant(_) if is_full => Ok(()),
            entry => {
                let used_up = entry.or_insert(now);
                let next = (*used_up).max(now) + interval;
                // Half an interval more, so that a rate of one allows one and not none.
                if next.saturating_duration_since(now) > BURST + interval / 2 {
                    return Err(CloseCode::AddressTooFast);
                }
                *used_up = next;
                Ok(())
            }
        }
    }

    /// Counts a socket until the permit is dropped; fails if the address has too many. `None` without a
    /// limit on sockets.
    pub(super) fn open(
        self: &Arc<Self>,
        address: IpAddr,
    ) -> Result<Option<AddressPermit>, CloseCode> {
        let Some(sockets_max) = self.sockets_max else { return Ok(None) };
        let key = AddressKey::of(address);
        let mut table = self.table.lock();
        let sockets = table.sockets.entry(key).or_default();
        if *sockets >= sockets_max.get() {
            return Err(CloseCode::OverAddressLimit);
        }
        *sockets += 1;
        Ok(Some(AddressPermit { limits: self.clone(), key }))
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let mut table = self.limits.table.lock();
        if let Entry::Occupied(mut entry) = table.sockets.entry(self.key) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

impl Table {
    /// Forgets the addresses whose handshakes count no longer, if the table is full.
    fn sweep(&mut self, now: Instant) {
        let is_due = self.swept.is_none_or(|swept| now >= swept + SWEEP_INTERVAL);
        if self.handshakes.len() >= ADDRESSES_MAX && is_due {
            self.swept = Some(now);
            self.handshakes.retain(|_, used_up| *used_up > now);
        }
    }
}

impl AddressKey {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self(u32::from(address).into(), false),
            IpAddr::V6(address) => Self((u128::from(address) >> 64) as u64, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::num::NonZero;
    use std::time::{Duration, Instant};

    use super::{ADDRESSES_MAX, AddressLimits, CloseCode};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_as_many_sockets_as_it_may_have() {
        let limits = AddressLimits::new(NonZero::new(2), None).unwrap();
        let first = limits.open(ip("192.0.2.1")).unwrap();
        let _second = limits.open(ip("192.0.2.1")).unwrap();
        let refused = limits.open(ip("192.0.2.1")).unwrap_err();
        assert_eq!(refused, CloseCode::OverAddressLimit);
        let other = limits.open(ip("192.0.2.2")).unwrap();
        drop(first);
        let _third = limits.open(ip("192.0.2.1")).unwrap();
        drop(other);
        assert_eq!(limits.table.lock().sockets.len(), 1, "an address without sockets is forgotten");
    }

    #[test]
    fn the_first_half_of_an_ipv6_address_counts() {
        let limits = AddressLimits::new(NonZero::new(1), None).unwrap();
        let _first = limits.open(ip("2001:db8:0:1::1")).unwrap();
        assert!(limits.open(ip("2001:db8:0:1:ffff::2")).is_err());
        assert!(limits.open(ip("2001:db8:0:2::1")).is_ok());
        // The number of an IPv4 address is another one's half.
        assert!(limits.open(ip("0.0.0.1")).is_ok());
        let _of_ipv6 = limits.open(ip("0:0:0:1::")).unwrap();
        assert!(limits.open(ip("0.0.0.1")).is_ok());
    }

    #[test]
    fn an_address_that_shakes_hands_too_fast_is_refused_until_it_is_slower() {
        let limits = AddressLimits::new(None, NonZero::new(10)).unwrap();
        let (address, start) = (ip("192.0.2.1"), Instant::now());
        let admitted = |now| (0..100).filter(|_| limits.admit(address, now).is_ok()).count();
        assert_eq!(admitted(start), 10);
        assert_eq!(admitted(start + Duration::from_millis(40)), 0);
        assert_eq!(admitted(start + Duration::from_millis(100)), 1);
        assert_eq!(admitted(start + Duration::from_millis(600)), 5);
        assert!(limits.admit(ip("192.0.2.2"), start).is_ok());
        assert_eq!(admitted(start + Duration::from_secs(60)), 10);
        let one = AddressLimits::new(None, NonZero::new(1)).unwrap();
        assert!(one.admit(address, start).is_ok());
        assert!(one.admit(address, start).is_err());
    }

    #[test]
    fn the_table_has_a_bound() {
        let limits = AddressLimits::new(None, NonZero::new(10)).unwrap();
        let start = Instant::now();
        let address = |number: u32| IpAddr::from(number.to_be_bytes());
        for number in 0..2 * ADDRESSES_MAX as u32 {
            assert!(limits.admit(address(number), start).is_ok());
        }
        assert_eq!(limits.table.lock().handshakes.len(), ADDRESSES_MAX);
        let later = start + Duration::from_secs(1);
        assert!(limits.admit(address(u32::MAX), later).is_ok());
        assert_eq!(limits.table.lock().handshakes.len(), 1, "the others are forgotten");
    }
}
