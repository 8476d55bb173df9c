//! The settings of all apps that are served now, for what is explained across apps.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::app::App;

/// Every app that is served, replaced whole.
#[derive(Default)]
pub(super) struct ServedApps(ArcSwap<Vec<Arc<App>>>);

impl ServedApps {
    /// These from now on.
    pub(super) fn set(&self, apps: Vec<Arc<App>>) {
        self.0.store(Arc::new(apps));
    }

    /// All of them. Not to be held while waiting.
    pub(super) fn all(&self) -> Guard<Arc<Vec<Arc<App>>>> {
        self.0.load()
    }
}
