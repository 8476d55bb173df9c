//! How sockets end: each end is counted once, shown to those who look, and kept in a ring of the last ones.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::sighting::{ClosedSocket, SocketSighting};
use crate::metrics::{ClosedBy, Metrics};
use crate::observation::{Closing, Observation, OccurrenceKind, Outline, What};

/// The app of each hub, by the number of the hub.
pub(super) type HubApps = Arc<Mutex<Vec<String>>>;

/// Ends that a shard keeps: 128 bytes each, 16 KB a shard.
const KEPT: usize = 128;

/// Counts, shows and keeps how the sockets of a shard end.
pub(super) struct SocketEnds {
    pub(super) metrics: Arc<Metrics>,
    observation: Arc<Observation>,
    hub_apps: HubApps,
    /// The oldest first. Used by the thread of the shard alone.
    last: RefCell<VecDeque<ClosedSocket>>,
}

impl SocketEnds {
    pub(super) fn new(
        metrics: Arc<Metrics>,
        observation: Arc<Observation>,
        hub_apps: HubApps,
    ) -> Self {
        Self { metrics, observation, hub_apps, last: RefCell::default() }
    }

    /// The last ones.
    pub(super) fn closed(&self) -> Vec<ClosedSocket> {
        self.last.borrow().iter().cloned().collect()
    }

    pub(super) fn record(&self, socket: SocketSighting, by: ClosedBy) {
        self.metrics.sockets.closed(by);
        if self.observation.wants(OccurrenceKind::Closed) {
            self.show(&socket, by);
        }
        let mut last = self.last.borrow_mut();
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back(ClosedSocket { socket, by, at: Instant::now() });
    }

    fn show(&self, socket: &SocketSighting, by: ClosedBy) {
        let app = self.hub_apps.lock().get(socket.hub.0 as usize).cloned();
        let outline = Outline {
            app: app.as_deref(),
            socket: Some(socket.socket),
            ..Outline::of(OccurrenceKind::Closed)
        };
        self.observation.record(&outline, || {
            let (by, code, reason) = by.parts();
            What::Closed(Closing { socket: socket.socket, by, code, reason })
        });
    }
}
