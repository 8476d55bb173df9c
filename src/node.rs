//! This node as the doors see it: every app's hub, and sockets as the rules see them.
//!
//! The one place where the pure rules meet the hub. With several nodes it is also where the
//! cluster joins in; `websocket` and `http` will not notice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::app::Apps;
use crate::hub::{EventCache, Hub, Shards, Witness};
use crate::metrics::Metrics;

mod message_log;
mod socket;

pub use message_log::readable;
pub use socket::{Place, Socket};

/// All apps of this process, served.
pub struct Node {
    by_id: HashMap<String, Arc<Hub>>,
    by_key: HashMap<String, Arc<Hub>>,
    shards: Arc<Shards>,
    metrics: Arc<Metrics>,
}

impl Node {
    /// A hub for every app, on shared shards and with one cache; `witnesses` are told what happens
    /// on the channels of the apps they stand beside, by id.
    pub fn new(
        apps: &Apps,
        shards: &Arc<Shards>,
        cache: EventCache,
        metrics: Arc<Metrics>,
        mut witnesses: HashMap<String, Arc<dyn Witness>>,
    ) -> Self {
        let cache = Arc::new(cache);
        let (mut by_id, mut by_key) = (HashMap::new(), HashMap::new());
        for app in apps.iter() {
            let witness = witnesses.remove(&app.id);
            let hub = Hub::new(app.clone(), shards.clone(), cache.clone(), witness);
            let hub = Arc::new(hub);
            by_id.insert(app.id.clone(), hub.clone());
            by_key.insert(app.key.clone(), hub);
        }
        Self { by_id, by_key, shards: shards.clone(), metrics }
    }

    /// The hub of the app a back end names.
    pub fn hub_by_id(&self, app_id: &str) -> Option<&Arc<Hub>> {
        self.by_id.get(app_id)
    }

    /// The hub of the app a client names.
    pub fn hub_by_key(&self, key: &str) -> Option<&Arc<Hub>> {
        self.by_key.get(key)
    }

    /// Does what was put off until now, on every hub.
    pub fn tick(&self, now: Instant) {
        self.by_id.values().for_each(|hub| hub.tick(now));
    }

    /// The shards that own the sockets of all apps.
    pub fn shards(&self) -> &Arc<Shards> {
        &self.shards
    }

    /// What the node counts.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
}
