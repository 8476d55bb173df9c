//! Who received one event on this node: the subscribers of its moment where they are kept, otherwise those of now.

use serde::Serialize;
use tokio::sync::oneshot;

use super::channels::Channels;
use super::recent_deliveries::KeptDelivery;
pub use super::recent_deliveries::SoughtDelivery;
use super::recent_triggers::RECEIVERS_MAX;
use crate::protocol::SocketId;

/// Who received an event on this node.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct NodeReceivers {
    /// The sockets, 100 at most; none of a channel that has a pace.
    receivers: Vec<String>,
    /// Whether they are the subscribers of the event or of now.
    as_of: ListedAt,
}

/// Of which moment a list of sockets is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum ListedAt {
    Event,
    Now,
}

impl Channels {
    /// Which sockets of this node received an event; where that is not kept, which would now.
    pub async fn receivers(&self, sought: SoughtDelivery<'_>) -> NodeReceivers {
        let app_id = self.app().id.clone();
        let found = self.activity().deliveries().find(&app_id, sought);
        let (sockets, as_of) = match &found {
            Some(delivery) => (receivers_of(delivery).await.to_vec(), ListedAt::Event),
            None => {
                let listed = self.hub().list(sought.channel, RECEIVERS_MAX);
                (collect(listed).await, ListedAt::Now)
            }
        };
        let receivers = sockets.into_iter().filter(|socket| sought.except != Some(*socket));
        NodeReceivers { receivers: receivers.map(|socket| socket.to_string()).collect(), as_of }
    }
}

async fn receivers_of(delivery: &KeptDelivery) -> &[SocketId] {
    let listed = async {
        let answers = std::mem::take(&mut *delivery.listed.lock());
        collect(answers).await
    };
    delivery.receivers.get_or_init(|| listed).await
}

async fn collect(answers: Vec<oneshot::Receiver<Vec<SocketId>>>) -> Vec<SocketId> {
    let mut all = Vec::new();
    for answer in answers {
        all.extend(answer.await.unwrap_or_default());
    }
    all.truncate(RECEIVERS_MAX);
    all
}
