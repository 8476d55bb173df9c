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

/// The sockets of all apps on this node.
pub(super) struct ConnectionQuotas(Vec<(Arc<App>, ConnectionQuota)>);

impl ConnectionQuotas {
    pub(super) fn new(apps: &[Arc<App>]) -> Self {
        Self(apps.iter().map(|app| (app.clone(), ConnectionQuota::default())).collect())
    }

    /// One more socket of an app. The directory decides where the app has a bound.
    pub(super) fn request_permit(&mut self, app: usize) -> PermitDecision {
        let (app, quota) = &mut self.0[app];
        quota.request_permit(app.limits.connections)
    }

    /// One more socket of an app while Redis is away.
    pub(super) fn permit_alone(&mut self, app: usize) -> PermitDecision {
        let (app, quota) = &mut self.0[app];
        quota.permit_alone(app.limits.connections)
    }

    /// A socket of an app is closed.
    pub(super) fn release(&mut self, app: usize) {
        let (_, quota) = &mut self.0[app];
        quota.open = quota.open.saturating_sub(1);
    }

    /// The report of an app is to be sent. Returns false if one waits already.
    pub(super) fn queue(&mut self, app: usize) -> bool {
        !std::mem::replace(&mut self.0[app].1.is_queued, true)
    }

    /// The report of an app: its open sockets, and those that wait.
    pub(super) fn report(&mut self, app: usize) -> Request {
        let (app, quota) = &mut self.0[app];
        let (open, wanted) = quota.report();
        Request::Connections { app_id: app.id.clone(), open, wanted, most: app.limits.connections }
    }

    /// This node may have so many sockets of an app open. Returns whether it has to report again.
    pub(super) fn granted(&mut self, app: usize, granted: u32, effects: &mut Vec<Effect>) -> bool {
        self.0[app].1.granted(granted, effects)
    }

    /// The link is lost: this node decides for the sockets that wait.
    pub(super) fn link_lost(&mut self, effects: &mut Vec<Effect>) {
        for (app, quota) in &mut self.0 {
            quota.link_lost(app.limits.connections, effects);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Open sockets of an app.
    pub(super) fn open(&self, app: usize) -> u32 {
        self.0[app].1.open
    }

    /// Sockets that wait for a decision.
    pub(super) fn waiting(&self) -> usize {
        self.0.iter().map(|(_, quota)| quota.waiting.len()).sum()
    }
}

/// The sockets of one app on this node.
#[derive(Default)]
struct ConnectionQuota {
    open: u32,
    waiting: VecDeque<oneshot::Sender<bool>>,
    /// How many of the waiting sockets the request under way counts.
    requested: usize,
    /// A request waits in the queue.
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
    /// One more socket. The directory decides where it has a bound.
    fn request_permit(&mut self, bound: Option<u32>) -> PermitDecision {
        if bound.is_none() {
            return self.permit_alone(bound);
        }
        let (waiter, decision) = oneshot::channel();
        self.waiting.push_back(waiter);
        PermitDecision::Pending(decision)
    }

    /// One more socket while Redis is away: this node decides by its own.
    fn permit_alone(&mut self, bound: Option<u32>) -> PermitDecision {
        if bound.is_some_and(|bound| self.open >= bound) {
            return PermitDecision::Refused;
        }
        self.open += 1;
        PermitDecision::Granted
    }

    /// The report: open sockets, and open and waiting ones.
    fn report(&mut self) -> (u32, u32) {
        (self.requested, self.is_queued) = (self.waiting.len(), false);
        (self.open, self.open + self.requested as u32)
    }

    /// This node may have so many open. Returns whether it has to report again.
    fn granted(&mut self, granted: u32, effects: &mut Vec<Effect>) -> bool {
        for _ in 0..std::mem::take(&mut self.requested).min(self.waiting.len()) {
            let Some(waiter) = self.waiting.pop_front() else { break };
            let is_granted = self.open < granted;
            self.decide(waiter, is_granted, effects);
        }
        self.open != granted || !self.waiting.is_empty()
    }

    /// The link is lost: this node decides for those that wait.
    fn link_lost(&mut self, bound: Option<u32>, effects: &mut Vec<Effect>) {
        (self.requested, self.is_queued) = (0, false);
        for waiter in std::mem::take(&mut self.waiting) {
            let is_granted = bound.is_none_or(|bound| self.open < bound);
            self.decide(waiter, is_granted, effects);
        }
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
    use super::{ConnectionQuota, Effect, PermitDecision};

    #[test]
    fn as_many_waiting_sockets_open_as_are_granted() {
        let mut quota = ConnectionQuota::default();
        let decisions: Vec<_> = (0..3).map(|_| quota.request_permit(Some(9))).collect();
        assert!(decisions.iter().all(|decision| matches!(decision, PermitDecision::Pending(_))));
        assert_eq!(quota.report(), (0, 3));
        let mut effects = Vec::new();
        assert!(!quota.granted(2, &mut effects));
        let taken: Vec<bool> =
            effects.iter().map(|effect| matches!(effect, Effect::Permit(_, true))).collect();
        assert_eq!(taken, [true, true, false]);
        quota.open -= 1;
        assert_eq!(quota.report(), (1, 1));
    }

    #[test]
    fn without_redis_a_node_counts_its_own_sockets() {
        let mut quota = ConnectionQuota::default();
        assert!(matches!(quota.permit_alone(Some(1)), PermitDecision::Granted));
        assert!(matches!(quota.permit_alone(Some(1)), PermitDecision::Refused));
        assert!(matches!(quota.permit_alone(None), PermitDecision::Granted));
    }
}
