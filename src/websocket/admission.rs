//! Which handshakes may open a socket, and when: limits on each client address, and a rate for all.
//!
//! When every client of a node reconnects at once, their sockets open one after the other in the order of
//! arrival, so that the sockets that are open do not notice. A start is a time and no place in a queue:
//! what waits is bounded by the rate and the longest wait.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::address_limits::{AddressLimits, AddressPermit};
use crate::config::AdmissionConfig;
use crate::protocol::CloseCode;

/// Handshakes that come together without waiting: those of a tenth of a second, so that a quiet server
/// sets no timer.
const BURST: Duration = Duration::from_millis(100);

/// The limits on the handshakes of all workers.
#[derive(Debug)]
pub struct Admission {
    addresses: Option<Arc<AddressLimits>>,
    rate: Option<Rate>,
}

/// The rate of all handshakes.
#[derive(Debug)]
struct Rate {
    interval: Duration,
    longest_wait: Duration,
    /// When the next socket may open.
    next: Mutex<Instant>,
}

/// When the socket of a handshake may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Now,
    At(Instant),
    /// Too many wait.
    Never,
}

impl Admission {
    /// The limits of the configuration.
    pub fn new(config: AdmissionConfig, now: Instant) -> Self {
        let rate = config.handshakes.map(|rate| Rate {
            interval: Duration::from_secs(1) / rate.get(),
            longest_wait: config.wait,
            next: Mutex::new(now),
        });
        let addresses =
            AddressLimits::new(config.sockets_per_address, config.handshakes_per_address);
        Self { addresses, rate }
    }

    /// Counts a handshake of an address; fails if too many came in the last second.
    pub fn admit(&self, address: Option<IpAddr>, now: Instant) -> Result<(), CloseCode> {
        match self.addresses.as_ref().zip(address) {
            Some((addresses, address)) => addresses.admit(address, now),
            None => Ok(()),
        }
    }

    /// Counts a socket of an address until the permit is dropped; `None` without a limit.
    pub(super) fn open(&self, address: Option<IpAddr>) -> Result<Option<AddressPermit>, CloseCode> {
        match self.addresses.as_ref().zip(address) {
            Some((addresses, address)) => addresses.open(address),
            None => Ok(None),
        }
    }

    /// Takes the next start of a socket.
    pub(super) fn take_start(&self, now: Instant) -> Start {
        self.rate.as_ref().map_or(Start::Now, |rate| rate.take_start(now))
    }
}

impl Rate {
    fn take_start(&self, now: Instant) -> Start {
        let mut next = self.next.lock();
        let start = (*next).max(now.checked_sub(BURST).unwrap_or(now));
        if start.saturating_duration_since(now) > self.longest_wait {
            return Start::Never;
        }
        *next = start + self.interval;
        if start <= now { Start::Now } else { Start::At(start) }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;
    use std::time::{Duration, Instant};

    use super::{Admission, AdmissionConfig, Start};

    fn admission(rate: u32, now: Instant) -> Admission {
        let config = AdmissionConfig {
            auth_requests_per_address: None,
            sockets_per_address: None,
            handshakes_per_address: None,
            handshakes: NonZero::new(rate),
            wait: Duration::from_secs(2),
        };
        Admission::new(config, now)
    }

    #[test]
    fn handshakes_start_in_the_order_of_their_arrival() {
        let start = Instant::now();
        let now = start + Duration::from_secs(60);
        let admission = admission(100, start);
        let starts: Vec<Start> = (0..300).map(|_| admission.take_start(now)).collect();
        // A tenth of a second's at once, and the one whose start is now.
        assert!(starts[..11].iter().all(|start| *start == Start::Now), "{:?}", &starts[..11]);
        for (index, start) in starts[11..211].iter().enumerate() {
            assert_eq!(*start, Start::At(now + Duration::from_millis(10) * (index as u32 + 1)));
        }
        assert!(
            starts[211..].iter().all(|start| *start == Start::Never),
            "beyond the longest wait"
        );
        // What was refused has taken no start.
        let later = now + Duration::from_secs(2);
        assert_eq!(admission.take_start(later), Start::At(later + Duration::from_millis(10)));
        assert_eq!(admission.take_start(later + Duration::from_secs(1)), Start::Now);
    }

    #[test]
    fn without_limits_every_handshake_starts_at_once() {
        let admission = admission(0, Instant::now());
        let address = Some("192.0.2.1".parse().unwrap());
        for _ in 0..10_000 {
            assert_eq!(admission.take_start(Instant::now()), Start::Now);
            assert_eq!(admission.admit(address, Instant::now()), Ok(()));
            assert!(admission.open(address).unwrap().is_none());
        }
    }
}
