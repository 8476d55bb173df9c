//! How many sockets an app has on this node, and how many it may have where the app has a bound.
//!
//! Pure. A node says how many it has and how many wait; what it is granted is a number of places, so
//! that the bound holds over all nodes and nobody asks them.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::effect::Effect;

/// The sockets of one app on this node.
#[derive(Default)]
pub(super) struct ConnectionQuota {
    open: u32,
    waiting: VecDeque<oneshot::Sender<bool>>,
    /// Of those that wait, how many the request under way speaks of.
    asked: usize,
    /// A request stands in the queue.
    pub(super) queued: bool,
}

/// Whether a socket may open.
#[derive(Debug)]
pub enum PermitDecision {
    /// It may.
    Granted,
    /// The app has all it may have.
    Refused,
    /// The directory will tell.
    Pending(oneshot::Receiver<bool>),
}

impl ConnectionQuota {
    /// One more, if there is room: asked of the directory where the app has a bound and Redis is
    /// there, decided by what this node has where it is not.
    pub(super) fn take(&mut self, most: Option<u32>, away: bool) -> PermitDecision {
        match most {
            Some(most) if away && self.open >= most => PermitDecision::Refused,
            Some(_) if !away => {
                let (waiter, place) = oneshot::channel();
                self.waiting.push_back(waiter);
                PermitDecision::Pending(place)
            }
            _ => {
                self.open += 1;
                PermitDecision::Granted
            }
        }
    }

    /// One less.
    pub(super) fn release(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// How many are open, and how many with those that wait.
    pub(super) fn request(&mut self) -> (u32, u32) {
        self.asked = self.waiting.len();
        (self.open, self.open + self.asked as u32)
    }

    /// So many may be open here. Returns whether the directory is to be told again.
    pub(super) fn granted(&mut self, granted: u32, effects: &mut Vec<Effect>) -> bool {
        for _ in 0..std::mem::take(&mut self.asked).min(self.waiting.len()) {
            let Some(waiter) = self.waiting.pop_front() else { break };
            // Whoever is gone meanwhile takes nothing.
            let takes = self.open < granted && !waiter.is_closed();
            self.open += u32::from(takes);
            effects.push(Effect::Permit(waiter, takes));
        }
        self.open != granted || !self.waiting.is_empty()
    }

    /// Redis is gone: decided by what this node has.
    pub(super) fn lost(&mut self, most: Option<u32>, effects: &mut Vec<Effect>) {
        (self.asked, self.queued) = (0, false);
        for waiter in std::mem::take(&mut self.waiting) {
            // Whoever is gone meanwhile takes nothing.
            let takes = !waiter.is_closed() && most.is_none_or(|most| self.open < most);
            self.open += u32::from(takes);
            effects.push(Effect::Permit(waiter, takes));
        }
    }

    pub(super) fn open(&self) -> u32 {
        self.open
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectionQuota, Effect, PermitDecision};

    #[test]
    fn of_those_that_wait_as_many_come_in_as_are_granted() {
        let mut connections = ConnectionQuota::default();
        let places: Vec<_> = (0..3).map(|_| connections.take(Some(9), false)).collect();
        assert!(places.iter().all(|place| matches!(place, PermitDecision::Pending(_))));
        assert_eq!(connections.request(), (0, 3));
        let mut effects = Vec::new();
        assert!(!connections.granted(2, &mut effects));
        let taken: Vec<bool> =
            effects.iter().map(|effect| matches!(effect, Effect::Permit(_, true))).collect();
        assert_eq!(taken, [true, true, false]);
        connections.release();
        assert_eq!(connections.request(), (1, 1));
    }

    #[test]
    fn without_redis_the_node_counts_its_own() {
        let mut connections = ConnectionQuota::default();
        assert!(matches!(connections.take(Some(1), true), PermitDecision::Granted));
        assert!(matches!(connections.take(Some(1), true), PermitDecision::Refused));
        assert!(matches!(connections.take(None, true), PermitDecision::Granted));
    }
}
