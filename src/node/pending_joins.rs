//! The wait of one socket for the cluster's decisions about its joins.

use tokio::sync::oneshot;

use super::channels::Membership;
use crate::cluster::{DirectoryQuery, QueryAnswer};

/// Resolves once every join that was requested before it is decided.
pub struct PendingJoins(oneshot::Receiver<QueryAnswer>);

impl PendingJoins {
    /// Redis answers in order, and outcomes come before answers on the one connection: when this
    /// small look-up is answered, so are the joins before it. Without Redis the node has decided
    /// them itself, and there is nothing to wait for.
    pub(super) fn of(membership: &Membership, app_id: &str) -> Option<Self> {
        let (waiter, answer) = oneshot::channel();
        let query = DirectoryQuery::Connections(app_id.to_owned());
        membership.cluster.act(|core| core.query(query, waiter)).then_some(Self(answer))
    }

    /// Waits. A link that breaks ends the wait too: the node then decides what was pending.
    pub async fn decided(&mut self) {
        let _ = (&mut self.0).await;
    }
}
