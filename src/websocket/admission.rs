//! Which handshakes may open a socket, and when: limits on each client address, and a rate for all.
//!
//! When every client of a node reconnects at once, their handshakes take turns in the order of their
//! arrival, so that the sockets that are open do not notice. A turn is a time and no place in a queue:
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
    turns: Option<Turns>,
}

/// The rate of all handshakes.
#[derive(Debug)]
struct Turns {
    interval: Duration,
    longest_wait: Duration,
    /// When the next handshake has its turn.
    next: Mutex<Instant>,
}

/// When a handshake may open its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    At(Instant),
    /// Too many wait.
    Never,
}

impl Admission {
    /// The limits of the configuration.
    pub fn new(config: AdmissionConfig, now: Instant) -> Self {
        let turns = config.handshakes.map(|rate| Turns {
            interval: Duration::from_secs(1) / rate.get(),
            longest_wait: config.wait,
            next: Mutex::new(now),
        });
        let addresses =
            AddressLimits::new(config.sockets_per_address, config.handshakes_per_address);
        Self { addresses, turns }
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

    /// Takes the next turn.
    pub(super) fn take_turn(&self, now: Instant) -> Turn {
        self.turns.as_ref().map_or(Turn::Now, |turns| turns.take(now))
    }
}

impl Turns {
    fn take(&self, now: Instant) -> Turn {
        let mut next = self.next.lock();
        let turn = (*next).max(now.checked_sub(BURST).unwrap_or(now));
        if turn.saturating_duration_since(now) > self.longest_wait {
            return Turn::Never;
        }
        *next = turn + self.interval;
        if turn <= now { Turn::Now } else { Turn::At(turn) }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;
    use std::time::{Duration, Instant};

    use super::{Admission, AdmissionConfig, Turn};

    fn admission(rate: u32, now: Instant) -> Admission {
        let config = AdmissionConfig {
            sockets_per_address: None,
            handshakes_per_address: None,
            handshakes: NonZero::new(rate),
            wait: Duration::from_secs(2),
        };
        Admission::new(config, now)
    }

    #[test]
    fn handshakes_take_turns_in_the_order_of_their_arrival() {
        let start = Instant::now();
        let now = start + Duration::from_secs(60);
        let admission = admission(100, start);
        let turns: Vec<Turn> = (0..300).map(|_| admission.take_turn(now)).collect();
        // A tenth of a second's at once, and the one whose turn is now.
        assert!(turns[..11].iter().all(|turn| *turn == Turn::Now), "{:?}", &turns[..11]);
        for (index, turn) in turns[11..211].iter().enumerate() {
            assert_eq!(*turn, Turn::At(now + Duration::from_millis(10) * (index as u32 + 1)));
        }
        assert!(turns[211..].iter().all(|turn| *turn == Turn::Never), "beyond the longest wait");
        // What was refused has taken no turn.
        let later = now + Duration::from_secs(2);
        assert_eq!(admission.take_turn(later), Turn::At(later + Duration::from_millis(10)));
        assert_eq!(admission.take_turn(later + Duration::from_secs(1)), Turn::Now);
    }

    #[test]
    fn without_limits_every_handshake_has_its_turn() {
        let admission = admission(0, Instant::now());
        let address = Some("192.0.2.1".parse().unwrap());
        for _ in 0..10_000 {
            assert_eq!(admission.take_turn(Instant::now()), Turn::Now);
            assert_eq!(admission.admit(address, Instant::now()), Ok(()));
            assert!(admission.open(address).unwrap().is_none());
        }
    }
}
