//! The wait of one socket for the decisions on its joins: those of the cluster, and those of the inputs whose topics
//! come first.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::cluster::{Cluster, DirectoryQuery};

/// Resolves once every join that was requested before it is decided. Each connection has room for one, so it is
/// two words.
pub struct PendingJoins(Pin<Box<dyn Future<Output = ()> + Send>>);

impl PendingJoins {
    /// Sends a small query behind the joins of each partition. Redis answers in order, and outcomes precede the answers on
    /// the one connection, so this answer means that the joins are decided. `None` without Redis: the
    /// node has decided them itself.
    pub(super) fn request(partitions: &[Arc<Cluster>], app_id: &str) -> Option<Self> {
        let ask = |cluster: &Arc<Cluster>| {
            let (waiter, answer) = oneshot::channel();
            let query = DirectoryQuery::Connections(app_id.to_owned());
            cluster.act(|core| core.query(query, waiter)).then_some(answer)
        };
        if let [cluster] = partitions {
            return ask(cluster).map(|answer| Self(Box::pin(async { drop(answer.await) })));
        }
        let answers: Vec<_> = partitions.iter().filter_map(ask).collect();
        (!answers.is_empty()).then(|| {
            Self(Box::pin(async {
                for answer in answers {
                    drop(answer.await);
                }
            }))
        })
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
