//! What stands in line for Redis, and what the answers belong to.
//!
//! A state is written down when its turn comes, so whatever happens on a channel until then is said
//! at once: a thousand joins within one round trip are one request.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Core;
use crate::cluster::directory::NodeId;
use crate::cluster::directory::request::{
    DataProof, DirectoryQuery, PublishRequest, QueryAnswer, Request,
};
use crate::cluster::state::channel::{ClusterChannel, Subscription};
use crate::cluster::state::effect::PublishScope;

/// Requests of one batch: what one write and one round trip carry.
const BATCH: usize = 512;

/// DisagreementKind how many bytes a batch may make Redis send back to this node, rosters and events of its own.
/// It cuts off a subscriber for whom 32 MB wait, and it may have some waiting already.
const BATCH_BYTES: usize = 4 << 20;

/// What is taken for the events of one channel that were missed: at most 64 KB and one event come
/// back, nearly always none.
const MISSED_BYTES: usize = 16 << 10;

/// One thing to be asked.
pub(super) enum QueuedRequest {
    Listen(Arc<str>),
    Unsubscribe(Arc<str>),
    State(Arc<str>),
    Publish(u64),
    Heartbeat(Option<DataProof>),
    Reap { node: NodeId, leaving: bool },
    References,
    Connections(usize),
    Broadcast(Vec<u8>, Option<oneshot::Sender<PublishScope>>),
    Query(DirectoryQuery, oneshot::Sender<QueryAnswer>),
}

/// What an answer belongs to.
pub(super) enum SentRequest {
    Nothing,
    Publish(u64),
    Reap { node: NodeId, leaving: bool },
    Connections(usize),
    Broadcast(Option<oneshot::Sender<PublishScope>>),
    Query(oneshot::Sender<QueryAnswer>),
}

impl Core {
    /// Takes the next requests, in order; their answers come to [`replied`](Self::replied). What is
    /// told again after a loss fills the second half of a batch: 100 000 channels take seconds, in
    /// which events go on.
    pub fn requests(&mut self) -> Vec<Request> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let first_half = batch.len() < BATCH / 2;
            let backlog = |core: &mut Self| Some(QueuedRequest::State(core.backlog.pop_front()?));
            let next = match first_half {
                true => self.queue.pop_front().or_else(|| backlog(self)),
                false => backlog(self).or_else(|| self.queue.pop_front()),
            };
            let Some(next) = next else { break };
            bytes += self.make(next, &mut batch);
        }
        batch
    }

    /// Adds a request to a batch; returns about how many bytes come back to this node.
    fn make(&mut self, queued: QueuedRequest, batch: &mut Vec<Request>) -> usize {
        let mut bytes = 0;
        let (request, sent) = match queued {
            QueuedRequest::Listen(topic) => (Request::Subscribe(topic), SentRequest::Nothing),
            QueuedRequest::Unsubscribe(topic) => {
                (Request::Unsubscribe(topic), SentRequest::Nothing)
            }
            QueuedRequest::State(topic) => return self.make_state(&topic, batch),
            QueuedRequest::Publish(serial) => match self.make_publish(serial) {
                Some(publish) => {
                    bytes = publish.frame.len();
                    (Request::Publish(publish), SentRequest::Publish(serial))
                }
                None => return 0,
            },
            QueuedRequest::Heartbeat(proof) => {
                let tells = self.apps.iter().any(|app| !app.webhooks.is_empty());
                let lease = self.settings.beat_holds();
                (Request::Heartbeat { lease, tells, proof }, SentRequest::Nothing)
            }
            QueuedRequest::Reap { node, leaving } => {
                (Request::Reap { node, leaving }, SentRequest::Reap { node, leaving })
            }
            QueuedRequest::References => (Request::References, SentRequest::Nothing),
            QueuedRequest::Connections(app) => {
                self.connections[app].queued = false;
                let (open, wanted) = self.connections[app].request();
                let (app_id, most) = (self.apps[app].id.clone(), self.apps[app].limits.connections);
                (Request::Connections { app_id, open, wanted, most }, SentRequest::Connections(app))
            }
            QueuedRequest::Broadcast(message, waiter) => {
                (Request::Broadcast(message), SentRequest::Broadcast(waiter))
            }
            QueuedRequest::Query(query, waiter) => {
                (Request::Query(query), SentRequest::Query(waiter))
            }
        };
        batch.push(request);
        self.sent.push_back(sent);
        bytes
    }

    /// Whether an event comes back is decided by what was sent before it: the answer comes when the
    /// whole batch is done, and by then its topic may be heard that was not heard yet.
    fn make_publish(&mut self, serial: u64) -> Option<PublishRequest> {
        let topic = self.publishing.topic(serial)?;
        let comes_back = self.channels.get(&topic).is_some_and(ClusterChannel::hears_back);
        if !comes_back {
            self.deliver_unheard(&topic, serial);
        }
        self.publishing.request(serial, comes_back)
    }

    fn make_state(&mut self, topic: &Arc<str>, batch: &mut Vec<Request>) -> usize {
        let Some(channel) = self.channels.get_mut(topic) else { return 0 };
        channel.queued = false;
        if channel.service == Subscription::None {
            channel.service = Subscription::Pending;
            batch.push(Request::Subscribe(topic.clone()));
            self.sent.push_back(SentRequest::Nothing);
        }
        let request = self.next_request;
        self.next_request += 1;
        let members_max = self.apps[channel.key.app].limits.presence_members;
        let state = channel.state(request, topic.clone(), members_max);
        self.asked.insert(request, topic.clone());
        let roster = if state.asked.roster { channel.roster_bytes() } else { 0 };
        let bytes = roster + if state.asked.missed { MISSED_BYTES } else { 0 };
        batch.push(Request::State(Box::new(state)));
        self.sent.push_back(SentRequest::Nothing);
        bytes
    }
}
