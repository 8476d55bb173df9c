//! Whether the directory may have forgotten something, and until when.
//!
//! Another Redis process may lack the last writes (a failover) or all of them; an epoch that has
//! changed says that all is gone. Until every node has spoken again, for which a lease is enough, who is
//! missing there is not gone.

use std::time::{Duration, Instant};

/// Which Redis it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisIdentity {
    /// Its process.
    pub run: String,
    /// Its data: drawn by the first node that found none.
    pub epoch: String,
}

/// How far the directory can be relied on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::cluster) struct DirectoryTrust {
    /// It may lack what other nodes have.
    pub(in crate::cluster) incomplete: bool,
    /// It takes for new what is told again.
    pub(in crate::cluster) forgetful: bool,
}

/// What a node remembers of the directory.
pub(super) struct DirectoryHealth {
    lease: Duration,
    known: Option<RedisIdentity>,
    incomplete_until: Option<Instant>,
    forgetful_until: Option<Instant>,
    /// Another process than before, of which nobody has seen yet that it has what that one had.
    unproven: bool,
}

impl DirectoryHealth {
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, known: None, incomplete_until: None, forgetful_until: None, unproven: false }
    }

    /// A link is there; true if data was lost since the last.
    pub(super) fn met(&mut self, identity: RedisIdentity, now: Instant) -> bool {
        let mut lost = false;
        if let Some(known) = &self.known {
            let until = Some(now + self.lease);
            lost = known.epoch != identity.epoch;
            if known.run != identity.run {
                (self.incomplete_until, self.unproven) = (until, true);
            }
            if lost {
                (self.incomplete_until, self.forgetful_until) = (until, until);
                self.unproven = false;
            }
        }
        self.known = Some(identity);
        lost
    }

    /// The epoch of which it is to be seen that nothing is missing from it.
    pub(super) fn unproven(&self) -> Option<&str> {
        self.known.as_ref().filter(|_| self.unproven).map(|known| &*known.epoch)
    }

    /// The epoch while the link is there; true if data was lost.
    pub(super) fn heard(&mut self, epoch: &str, now: Instant) -> bool {
        self.unproven = false;
        let Some(known) = self.known.as_mut().filter(|known| known.epoch != epoch) else {
            return false;
        };
        epoch.clone_into(&mut known.epoch);
        let until = Some(now + self.lease);
        (self.incomplete_until, self.forgetful_until) = (until, until);
        true
    }

    pub(super) fn reliance(&self, now: Instant) -> DirectoryTrust {
        let is_before = |until: Option<Instant>| until.is_some_and(|until| now < until);
        DirectoryTrust {
            incomplete: is_before(self.incomplete_until),
            forgetful: is_before(self.forgetful_until),
        }
    }

    /// True once, when every node has spoken.
    pub(super) fn is_complete_again(&mut self, now: Instant) -> bool {
        self.incomplete_until.take_if(|until| *until <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{DirectoryHealth, DirectoryTrust, RedisIdentity};

    const LEASE: Duration = Duration::from_secs(5);

    fn identity(run: &str, epoch: &str) -> RedisIdentity {
        RedisIdentity { run: run.into(), epoch: epoch.into() }
    }

    fn met_again(run: &str, epoch: &str, relied: (bool, bool)) {
        let (mut memory, now) = (DirectoryHealth::new(LEASE), Instant::now());
        memory.met(identity("a", "1"), now);
        assert_eq!(memory.reliance(now), DirectoryTrust::default());
        memory.met(identity(run, epoch), now);
        let (incomplete, forgetful) = relied;
        assert_eq!(memory.reliance(now), DirectoryTrust { incomplete, forgetful }, "{run} {epoch}");
        assert_eq!(memory.reliance(now + LEASE), DirectoryTrust::default());
        assert_eq!(memory.is_complete_again(now + LEASE), incomplete);
        assert!(!memory.is_complete_again(now + LEASE), "once");
    }

    #[test]
    fn another_process_may_lack_something_and_another_epoch_lacks_all() {
        met_again("a", "1", (false, false));
        met_again("b", "1", (true, false));
        met_again("b", "2", (true, true));
        met_again("a", "2", (true, true));
    }

    #[test]
    fn another_process_is_to_prove_that_it_has_the_data() {
        let (mut memory, now) = (DirectoryHealth::new(LEASE), Instant::now());
        assert!(!memory.met(identity("a", "1"), now), "the first has lost nothing");
        assert_eq!(memory.unproven(), None);
        assert!(!memory.met(identity("b", "1"), now));
        assert!(!memory.met(identity("b", "1"), now), "the link broke before it could");
        assert_eq!(memory.unproven(), Some("1"));
        memory.heard("1", now);
        assert_eq!(memory.unproven(), None);
        assert!(memory.met(identity("c", "2"), now));
        assert_eq!(memory.unproven(), None, "it is other data anyway");
    }

    #[test]
    fn what_is_forgotten_under_way_is_noticed_once() {
        let (mut memory, now) = (DirectoryHealth::new(LEASE), Instant::now());
        memory.met(identity("a", "1"), now);
        assert!(!memory.heard("1", now));
        assert!(memory.heard("2", now));
        assert!(!memory.heard("2", now));
        assert!(memory.reliance(now).forgetful);
    }
}
