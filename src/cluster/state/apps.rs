//! The apps as the core has them: one slot each, with its settings and the permits of its sockets.
//!
//! Slots are added and never removed, so that an index stays what it was. How many sockets an app may
//! have is left to [`ConnectionQuota`].

use std::sync::Arc;

use super::Core;
use super::connection_quota::{ConnectionQuota, PermitDecision};
use super::request_queue::QueuedRequest;
use crate::app::App;

impl Core {
    /// An app is added at the next slot, or the app of a slot has new settings.
    pub fn put_app(&mut self, slot: usize, app: &Arc<App>) {
        match self.quotas.get_mut(slot) {
            Some(quota) => quota.set_app(app.clone()),
            None => self.quotas.push(ConnectionQuota::new(app.clone())),
        }
        self.exchange.put_app(slot, app);
        self.sends_webhooks = self.exchange.channels.any_webhooks();
        self.report_connections(slot);
    }

    /// Requests a permit for one more socket of an app.
    pub fn request_permit(&mut self, app: usize) -> PermitDecision {
        let decision = match self.exchange.is_up() {
            true => self.quotas[app].request_permit(),
            false => self.quotas[app].permit_alone(),
        };
        self.report_connections(app);
        decision
    }

    /// Returns a permit.
    pub fn release_permit(&mut self, app: usize) {
        self.quotas[app].release();
        self.report_connections(app);
    }

    /// Sockets of an app on this node.
    pub fn open_sockets(&self, app: usize) -> u32 {
        self.quotas[app].open()
    }

    pub(super) fn connections_granted(&mut self, app: usize, granted: u32) {
        if self.quotas[app].granted(granted, &mut self.exchange.effects) {
            self.report_connections(app);
        }
    }

    pub(super) fn report_connections(&mut self, app: usize) {
        if self.exchange.is_up() && self.quotas[app].queue() {
            self.exchange.requests.push(QueuedRequest::Connections(app));
        }
    }
}
