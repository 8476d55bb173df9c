//! What the node does that is about no channel: its apps and the permits of their sockets, inquiries of operators, and the
//! answers that may have webhook events.
//!
//! An app has a slot for ever, so that an index stays what it was. How many sockets it may have is left to
//! [`ConnectionQuota`]. An inquiry changes nothing, no event waits for it, and it is lost with the link.

use std::sync::Arc;

use super::Core;
use super::connection_quota::{ConnectionQuota, PermitDecision};
use super::request_queue::QueuedRequest;
use crate::app::App;
use crate::cluster::directory::NodeId;
use crate::cluster::directory::message::{self, Inquiry, InquiryAnswer};
use crate::cluster::directory::request::Request;

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

    /// Answers that are due and may have events that this node sends to webhooks.
    pub fn reports_due(&self) -> u64 {
        self.exchange.requests.reports_due()
    }

    /// Counts these answers as lost: this node ends.
    pub fn give_up_reports(&mut self) {
        self.exchange.requests.give_up_reports();
    }

    /// Such answers that were lost since the last call.
    pub fn take_reports_lost(&mut self) -> u64 {
        self.exchange.requests.take_reports_lost()
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

    /// Asks all other nodes, for an operator; false if Redis is away.
    pub fn inquire(&mut self, inquiry: &Inquiry<'_>) -> bool {
        if self.exchange.is_up() {
            let message = message::inquiry(self.node, inquiry);
            self.exchange.requests.push_plain(Request::Broadcast(message));
        }
        self.exchange.is_up()
    }

    /// Sends a part of an answer to the node that asks.
    pub fn answer_inquiry(&mut self, node: NodeId, answer: &InquiryAnswer<'_>) {
        if self.exchange.is_up() {
            let message = message::answer(self.node, answer);
            self.exchange.requests.push_plain(Request::Send { node, message });
        }
    }
}
