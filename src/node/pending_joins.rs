//! The wait of one socket for the cluster's decisions on its joins.

use tokio::sync::oneshot;

use crate::cluster::{Cluster, DirectoryQuery, QueryAnswer};

/// Resolves once every join that was requested before it is decided.
pub struct PendingJoins(oneshot::Receiver<QueryAnswer>);

impl PendingJoins {
    /// Sends a small query behind the joins. Redis answers in order, and outcomes precede the answers on
    /// the one connection, so this answer means that the joins are decided. `None` without Redis: the
    /// node has decided them itself.
    pub(super) fn request(cluster: &Cluster, app_id: String) -> Option<Self> {
        let (waiter, answer) = oneshot::channel();
        let query = DirectoryQuery::Connections(app_id);
        cluster.act(|core| core.query(query, waiter)).then_some(Self(answer))
    }

    /// Waits. A link that breaks ends the wait too: the node then decides what was pending.
    pub async fn decided(&mut self) {
        let _ = (&mut self.0).await;
    }
}
