//! The wait of one socket for the decisions on its joins: those of the cluster, and those of the inputs whose topics
//! come first.

use std::pin::Pin;

use tokio::sync::oneshot;

use crate::cluster::{Cluster, DirectoryQuery, QueryAnswer};

/// Resolves once every join that was requested before it is decided.
pub struct PendingJoins {
    /// The subscriptions to topics of inputs.
    topics: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>,
    cluster: Option<oneshot::Receiver<QueryAnswer>>,
}

impl PendingJoins {
    /// Sends a small query behind the joins. Redis answers in order, and outcomes precede the answers on
    /// the one connection, so this answer means that the joins are decided. `None` without Redis: the
    /// node has decided them itself.
    pub(super) fn request(cluster: &Cluster, app_id: String) -> Option<Self> {
        let (waiter, answer) = oneshot::channel();
        let query = DirectoryQuery::Connections(app_id);
        let is_sent = cluster.act(|core| core.query(query, waiter));
        is_sent.then_some(Self { topics: Vec::new(), cluster: Some(answer) })
    }

    /// Waits for subscriptions of an input before anything else.
    pub(super) fn behind(
        then: Option<Self>,
        topics: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let mut then = then.unwrap_or(Self { topics: Vec::new(), cluster: None });
        then.topics.push(Box::pin(topics));
        then
    }

    /// Waits. A link that breaks ends the wait too: the node then decides what was pending.
    pub async fn decided(&mut self) {
        while let Some(topics) = self.topics.last_mut() {
            topics.await;
            self.topics.pop();
        }
        if let Some(answer) = &mut self.cluster {
            let _ = answer.await;
            self.cluster = None;
        }
    }
}
