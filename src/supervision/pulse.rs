//! Signs of life: a thread beats as long as its runtime gets on, and the watchdog of the service manager
//! is satisfied as long as every thread beats.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Notifier;

/// Looks per time-out. Threads beat every half second, so a time-out of two seconds or more never passes
/// while all of them get on.
const LOOKS: u32 = 4;

/// The beats of one thread.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// The thread gets on.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The pulses of all threads, and what the last look found.
#[derive(Debug)]
struct LastLook(Vec<(Pulse, Option<u64>)>);

impl LastLook {
    /// Whether every thread has beaten since this was last true.
    fn are_all_alive(&mut self) -> bool {
        let are_alive = self.0.iter().all(|(pulse, seen)| Some(pulse.count()) != *seen);
        if are_alive {
            self.0.iter_mut().for_each(|(pulse, seen)| *seen = Some(pulse.count()));
        }
        are_alive
    }
}

/// Sends a sign of life whenever every thread has beaten since the one before; never ends. A thread that
/// hangs makes the signs stop, and the manager ends the process after `timeout`.
pub async fn watch(notifier: &Notifier, timeout: Duration, pulses: Vec<Pulse>) {
    let mut looks = tokio::time::interval((timeout / LOOKS).max(Duration::from_millis(1)));
    let mut last = LastLook(pulses.into_iter().map(|pulse| (pulse, None)).collect());
    loop {
        looks.tick().await;
        if last.are_all_alive() {
            notifier.alive();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LastLook, Pulse};

    #[test]
    fn the_signs_stop_while_one_thread_hangs() {
        let pulses = [Pulse::default(), Pulse::default()];
        let mut last = LastLook(pulses.iter().map(|pulse| (pulse.clone(), None)).collect());
        assert!(last.are_all_alive(), "the first look");
        assert!(!last.are_all_alive());
        pulses[0].beat();
        assert!(!last.are_all_alive(), "the other one hangs");
        pulses[1].beat();
        assert!(last.are_all_alive(), "it was only slow");
        assert!(!last.are_all_alive());
    }
}
