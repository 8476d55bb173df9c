//! How sockets end: each end is counted once, and shown to those who look.

use std::sync::Arc;

use parking_lot::Mutex;

use super::command::HubId;
use crate::metrics::{ClosedBy, Metrics};
use crate::observation::{Closing, Observation, OccurrenceKind, What};
use crate::protocol::SocketId;

/// The app of each hub, by the number of the hub.
pub(super) type HubApps = Arc<Mutex<Vec<String>>>;

/// Counts and shows how the sockets of a shard end.
pub(super) struct SocketEnds {
    pub(super) metrics: Arc<Metrics>,
    pub(super) observation: Arc<Observation>,
    pub(super) hub_apps: HubApps,
}

impl SocketEnds {
    pub(super) fn record(&self, (hub, socket): (HubId, SocketId), by: ClosedBy) {
        self.metrics.sockets.closed(by);
        self.observation.record(OccurrenceKind::Closed, || {
            let (by, code, reason) = match by {
                ClosedBy::Server(code) => ("server", Some(code.code()), Some(code.label())),
                ClosedBy::Client(code) => ("client", code, None),
                ClosedBy::Network => ("network", None, None),
            };
            let app = self.hub_apps.lock().get(hub.0 as usize).cloned();
            (app, What::Closed(Closing { socket, by, code, reason }))
        });
    }
}
