//! How many sockets each app has on this node, and how many it may have where it has a bound.
//!
//! A node reports how many are open and how many wait; the directory grants a number to each node, so that the
//! bound holds over all of them without a request to any.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::effect::Effect;
use crate::app::App;
use crate::cluster::directory::request::Request;

/// The sockets of one app on this node.
pub(super) struct ConnectionQuota {
    app: Arc<App>,
    open: u32,
    waiting: VecDeque<oneshot::Sender<bool>>,
    /// How many of the waiting sockets the report under way counts.
    reported: usize,
    /// A report waits in the queue.
    is_queued: bool,
}

/// Whether a socket may open.
#[derive(Debug)]
pub enum PermitDecision {
    /// It may.
    Granted,
    /// The app has all its sockets.
    Refused,
    /// The directory decides; the receiver resolves to the decision.
    Pending(oneshot::Receiver<bool>),
}

impl ConnectionQuota {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app, open: 0, waiting: VecDeque::new(), reported: 0, is_queued: false }
    }

    /// The app has new settings.
    pub(super) fn set_app(&mut self, app: Arc<App>) {
        self.app = app;
    }

    /// One more socket. The directory decides where the app has a bound.
    pub(super) fn request_permit(&mut self) -> PermitDecision {
        if self.app.limits.connections.is_none() {
            return self.permit_alone();
        }
        let (waiter, decision) = oneshot::channel();
        self.waiting.push_back(waiter);
        PermitDecision::Pending(decision)
    }

    /// One more socket while Redis is away: decided by the sockets of this node.
    pub(super) fn permit_alone(&mut self) -> PermitDecision {
        if self.is_full() {
            return PermitDecision::Refused;
        }
        self.open += 1;
        PermitDecision::Granted
    }

    /// A socket is closed.
    pub(super) fn release(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// Queues a report. Returns false if one waits already.
    pub(super) fn queue(&mut self) -> bool {
        !std::mem::replace(&mut self.is_queued, true)
    }

    /// The report: open sockets, and open and waiting ones.
    pub(super) fn report(&mut self) -> Request {
        (self.reported, self.is_queued) = (self.waiting.len(), false);
        Request::Connections {
            app_id: self.app.id.clone(),
            open: self.open,
            wanted: self.open + self.reported as u32,
            most: self.app.limits.connections,
        }
    }

    /// This node may have so many open. Returns whether it has to report again.
    pub(super) fn granted(&mut self, granted: u32, effects: &mut Vec<Effect>) -> bool {
        for _ in 0..std::mem::take(&mut self.reported).min(self.waiting.len()) {
            let Some(waiter) = self.waiting.pop_front() else { break };
            let is_granted = self.open < granted;
            self.decide(waiter, is_granted, effects);
        }
        self.open != granted || !self.waiting.is_empty()
    }

    /// The link is lost: this node decides for the sockets that wait.
    pub(super) fn link_lost(&mut self, effects: &mut Vec<Effect>) {
        (self.reported, self.is_queued) = (0, false);
        for waiter in std::mem::take(&mut self.waiting) {
            let is_granted = !self.is_full();
            self.decide(waiter, is_granted, effects);
        }
    }

    pub(super) fn open(&self) -> u32 {
        self.open
    }

    /// Sockets that wait for a decision.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn is_full(&self) -> bool {
        self.app.limits.connections.is_some_and(|bound| self.open >= bound)
    }

    /// A connection that was closed meanwhile takes no permit.
    fn decide(&mut self, waiter: oneshot::Sender<bool>, granted: bool, effects: &mut Vec<Effect>) {
        let is_granted = granted && !waiter.is_closed();
        self.open += u32::from(is_granted);
        effects.push(Effect::Permit(waiter, is_granted));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{ConnectionQuota, Effect, PermitDecision};
    use crate::app::tests::app;
    use crate::cluster::directory::request::Request;

    fn quota(bound: Option<u32>) -> ConnectionQuota {
        let mut app = app();
        app.limits.connections = bound;
        ConnectionQuota::new(Arc::new(app))
    }

    fn report(quota: &mut ConnectionQuota) -> (u32, u32) {
        let Request::Connections { open, wanted, .. } = quota.report() else { unreachable!() };
        (open, wanted)
    }

    #[test]
    fn as_many_waiting_sockets_open_as_are_granted() {
        let mut quota = quota(Some(9));
        let decisions: Vec<_> = (0..3).map(|_| quota.request_permit()).collect();
        assert!(decisions.iter().all(|decision| matches!(decision, PermitDecision::Pending(_))));
        assert_eq!(report(&mut quota), (0, 3));
        let mut effects = Vec::new();
        assert!(!quota.granted(2, &mut effects));
        let granted = effects.iter().map(|effect| matches!(effect, Effect::Permit(_, true)));
        assert_eq!(granted.collect::<Vec<_>>(), [true, true, false]);
        quota.release();
        assert_eq!(report(&mut quota), (1, 1));
    }

    #[test]
    fn without_redis_a_node_counts_its_own_sockets() {
        let mut bounded = quota(Some(1));
        assert!(matches!(bounded.permit_alone(), PermitDecision::Granted));
        assert!(matches!(bounded.permit_alone(), PermitDecision::Refused));
        assert!(matches!(quota(None).request_permit(), PermitDecision::Granted));
    }
}
