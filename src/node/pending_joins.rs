//! The wait of one socket for the decisions on its joins: those of the cluster, and those of the inputs whose topics
//! come first.

use std::pin::Pin;

use tokio::sync::oneshot;

use crate::cluster::{Cluster, DirectoryQuery};

/// Resolves once every join that was requested before it is decided. Each connection has room for one, so it is
/// two words.
pub struct PendingJoins(Pin<Box<dyn Future<Output = ()> + Send>>);

impl PendingJoins {
    /// Sends a small query behind the joins. Redis answers in order, and outcomes precede the answers on
    /// the one connection, so this answer means that the joins are decided. `None` without Redis: the
    /// node has decided them itself.
    pub(super) fn request(cluster: &Cluster, app_id: String) -> Option<Self> {
        let (waiter, answer) = oneshot::channel();
        let query = DirectoryQuery::Connections(app_id);
        let is_sent = cluster.act(|core| core.query(query, waiter));
        is_sent.then(|| Self(Box::pin(async { drop(answer.await) })))
    }

    /// Waits for subscriptions of an input before anything else.
    pub(super) fn behind(
        topics: impl Future<Output = ()> + Send + 'static,
        then: Option<Self>,
    ) -> Self {
        Self(Box::pin(async {
            topics.await;
            if let Some(then) = then {
                then.0.await;
            }
        }))
    }

    /// Waits. A link that breaks ends the wait too: the node then decides what was pending. Not to be called
    /// again once it has resolved.
    pub async fn decided(&mut self) {
        self.0.as_mut().await;
    }
}
