//! Requests on their way to Redis: those that wait for a batch, and those whose answers are due.
//!
//! The state of a channel is read when its request leaves the queue, so all that happens on a channel until
//! then takes one request: a thousand joins within one round trip are one.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::effect::PublishScope;
use crate::cluster::directory::NodeId;
use crate::cluster::directory::reply::QueryAnswer;
use crate::cluster::directory::request::{DirectoryQuery, Request};

/// Requests of one batch: what one write and one round trip carry.
const BATCH_REQUESTS: usize = 512;

/// Bytes that the answers to one batch may have, estimated. Redis disconnects a subscriber for whom 32 MB
/// wait, and some may wait already.
const BATCH_REPLY_BYTES: usize = 4 << 20;

/// Channels a second that all nodes together send again when Redis is back, each its share: a Redis that runs the
/// scripts of 40 000 events a second has time for events then, however many nodes come back at once.
const RESUMED_PER_SECOND: u32 = 25_000;

/// The share of a node at least: 10 000 channels take ten seconds then.
const RESUMED_PER_SECOND_MIN: u32 = 1_000;

/// Channels that are sent again at once.
const RESUMED_AT_ONCE: u32 = 512;

/// A request that waits for a batch.
pub(super) enum QueuedRequest {
    /// A request that is complete.
    Ready(Request, SentRequest),
    /// The state of the channel with this topic, read when it is sent.
    State(Arc<str>),
    /// The event with this serial.
    Publish(u64),
    /// The open sockets of an app, counted when the request is sent.
    Connections(usize),
}

/// What the answer to a sent request belongs to.
pub(super) enum SentRequest {
    /// The answer carries nothing, or all that is needed to use it.
    Plain,
    Publish(u64),
    Reap(Reap),
    Connections(usize),
    Broadcast(oneshot::Sender<PublishScope>),
    Query(oneshot::Sender<QueryAnswer>),
}

/// The removal of a node from the channels it is in, a few at a time.
#[derive(Clone, Copy)]
pub(super) struct Reap {
    pub(super) node: NodeId,
    /// It is this node, which leaves. Otherwise the node is removed only if it is dead.
    pub(super) leaving: bool,
}

/// The requests of one node, in order.
pub(super) struct RequestQueue {
    queue: VecDeque<QueuedRequest>,
    /// Channels whose whole state is sent again after the link was lost.
    backlog: VecDeque<Arc<str>>,
    /// So many of them may be sent now.
    allowance: u32,
    /// Since when no further ones were allowed.
    allowed_at: Option<Instant>,
    sent: VecDeque<SentRequest>,
    /// The topics of sent states, by the number of the request. Their outcomes arrive on this node's topic.
    states: HashMap<u64, Arc<str>>,
    next_state: u64,
}

/// Requests that are sent in one write.
#[derive(Default)]
pub(super) struct Batch {
    requests: Vec<Request>,
    reply_bytes: usize,
}

impl RequestQueue {
    /// An empty queue. `first_state` is the number of the first state.
    pub(super) fn new(first_state: u64) -> Self {
        let (queue, backlog, sent, states) = Default::default();
        Self {
            queue,
            backlog,
            allowance: RESUMED_AT_ONCE,
            allowed_at: None,
            sent,
            states,
            next_state: first_state,
        }
    }

    pub(super) fn push(&mut self, request: QueuedRequest) {
        self.queue.push_back(request);
    }

    /// Queues a request whose answer carries nothing, or all that is needed to use it.
    pub(super) fn push_plain(&mut self, request: Request) {
        self.push(QueuedRequest::Ready(request, SentRequest::Plain));
    }

    /// Queues a query.
    pub(super) fn push_query(
        &mut self,
        query: DirectoryQuery,
        waiter: oneshot::Sender<QueryAnswer>,
    ) {
        self.push(QueuedRequest::Ready(Request::Query(query), SentRequest::Query(waiter)));
    }

    /// Queues a message for every node.
    pub(super) fn push_broadcast(
        &mut self,
        message: Vec<u8>,
        waiter: oneshot::Sender<PublishScope>,
    ) {
        let sent = SentRequest::Broadcast(waiter);
        self.push(QueuedRequest::Ready(Request::Broadcast(message), sent));
    }

    /// Queues the removal of a node from some of its channels.
    pub(super) fn push_reap(&mut self, reap: Reap) {
        let Reap { node, leaving } = reap;
        self.push(QueuedRequest::Ready(Request::Reap { node, leaving }, SentRequest::Reap(reap)));
    }

    pub(super) fn push_backlog(&mut self, topic: Arc<str>) {
        self.backlog.push_back(topic);
    }

    /// The next request for a batch. The backlog fills the second half: 100 000 channels take seconds, in
    /// which events go on.
    pub(super) fn pop_for(&mut self, batch: &Batch) -> Option<QueuedRequest> {
        if batch.is_full() {
            return None;
        }
        let backlog = |queue: &mut Self| {
            queue.allowance = queue.allowance.checked_sub(1)?;
            queue.backlog.pop_front().map(QueuedRequest::State)
        };
        if batch.requests.len() < BATCH_REQUESTS / 2 {
            self.queue.pop_front().or_else(|| backlog(self))
        } else {
            backlog(self).or_else(|| self.queue.pop_front())
        }
    }

    /// Allows the share of the backlog that the time since the last call has for one of so many nodes.
    pub(super) fn allow_backlog(&mut self, nodes: u32, now: Instant) {
        let since = self.allowed_at.replace(now);
        let elapsed = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let share = (RESUMED_PER_SECOND / nodes.max(1)).max(RESUMED_PER_SECOND_MIN);
        let millis = u32::try_from(elapsed.as_millis()).unwrap_or(u32::MAX).min(1000);
        // At most a batch more than what one tick has: a node that stood still sends no herd.
        let most = RESUMED_AT_ONCE.max(share / 20);
        self.allowance = (self.allowance + share * millis / 1000).min(most);
    }

    /// Adds a request to a batch. Answers come in the order of the requests.
    pub(super) fn send(&mut self, batch: &mut Batch, request: Request, sent: SentRequest) {
        batch.requests.push(request);
        self.sent.push_back(sent);
    }

    /// What the next answer belongs to.
    pub(super) fn pop_sent(&mut self) -> Option<SentRequest> {
        self.sent.pop_front()
    }

    /// The number of a new state of this topic.
    pub(super) fn begin_state(&mut self, topic: &Arc<str>) -> u64 {
        let number = self.next_state;
        self.next_state = number.wrapping_add(1);
        self.states.insert(number, topic.clone());
        number
    }

    /// The topic of a state whose outcome has arrived; `None` for a number that was not sent.
    pub(super) fn end_state(&mut self, number: u64) -> Option<Arc<str>> {
        self.states.remove(&number)
    }

    /// Whether a request may be sent now.
    pub(super) fn has_due(&self) -> bool {
        !self.queue.is_empty() || (self.allowance > 0 && !self.backlog.is_empty())
    }

    /// Requests that wait or whose answer is due.
    pub(super) fn len(&self) -> usize {
        self.queue.len() + self.backlog.len() + self.sent.len() + self.states.len()
    }

    /// Drops everything: the link is lost.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.allowance = RESUMED_AT_ONCE;
        self.backlog.clear();
        self.sent.clear();
        self.states.clear();
    }
}

impl Batch {
    fn is_full(&self) -> bool {
        self.requests.len() >= BATCH_REQUESTS || self.reply_bytes >= BATCH_REPLY_BYTES
    }

    /// Counts the bytes that a request of the batch makes Redis send to this node.
    pub(super) fn expect_bytes(&mut self, bytes: usize) {
        self.reply_bytes += bytes;
    }

    pub(super) fn into_requests(self) -> Vec<Request> {
        self.requests
    }
}

#[cfg(test)]
mod tests {
    use super::{
        BATCH_REPLY_BYTES, BATCH_REQUESTS, Batch, Duration, Instant, QueuedRequest, RequestQueue,
        SentRequest,
    };
    use crate::cluster::directory::request::Request;

    fn fill(queue: &mut RequestQueue) -> Vec<&'static str> {
        let mut batch = Batch::default();
        let mut kinds = Vec::new();
        while let Some(request) = queue.pop_for(&batch) {
            kinds.push(match request {
                QueuedRequest::State(_) => "backlog",
                _ => "queue",
            });
            queue.send(&mut batch, Request::ListChannels, SentRequest::Plain);
        }
        kinds
    }

    #[test]
    fn the_backlog_fills_the_second_half_of_a_batch() {
        let mut queue = RequestQueue::new(0);
        for _ in 0..BATCH_REQUESTS {
            queue.push_plain(Request::ListChannels);
            queue.push_backlog("topic".into());
        }
        let kinds = fill(&mut queue);
        let (first, second) = kinds.split_at(BATCH_REQUESTS / 2);
        assert!(first.iter().all(|kind| *kind == "queue"));
        assert!(second.iter().all(|kind| *kind == "backlog"));
        assert_eq!(kinds.len(), BATCH_REQUESTS);
    }

    #[test]
    fn a_batch_ends_with_the_bytes_that_its_answers_have() {
        let (mut queue, mut batch) = (RequestQueue::new(0), Batch::default());
        queue.push_plain(Request::ListChannels);
        batch.expect_bytes(BATCH_REPLY_BYTES);
        assert!(queue.pop_for(&batch).is_none());
        assert!(queue.has_due());
    }

    #[test]
    fn channels_are_sent_again_at_a_bounded_rate_and_events_do_not_wait() {
        let (mut queue, mut now) = (RequestQueue::new(0), Instant::now());
        (0..10_000).for_each(|_| queue.push_backlog("topic".into()));
        queue.allow_backlog(2, now);
        let (mut batches, mut millis, mut most) = (0, 0, 0);
        while queue.len() > 0 {
            while queue.has_due() {
                queue.push_plain(Request::ListChannels);
                let kinds = fill(&mut queue);
                queue.sent.clear();
                assert_eq!(
                    kinds[0], "queue",
                    "what comes meanwhile is the first of the next batch"
                );
                (batches, most) = (batches + 1, most.max(kinds.len()));
            }
            (now, millis) = (now + Duration::from_millis(25), millis + 25);
            queue.allow_backlog(2, now);
        }
        assert!((725..=825).contains(&millis), "{millis} ms with the share of two nodes");
        assert!(batches < 80 && most <= BATCH_REQUESTS, "{batches} batches, {most} requests");
        // A share has a lower bound.
        (0..10_000).for_each(|_| queue.push_backlog("topic".into()));
        queue.allowance = 0;
        queue.allow_backlog(1_000, now + Duration::from_millis(25));
        assert_eq!(fill(&mut queue).len(), 25);
        assert!(!queue.has_due() && queue.len() > 0);
    }

    #[test]
    fn an_outcome_belongs_to_the_state_with_its_number_once() {
        let mut queue = RequestQueue::new(7);
        let topic = "topic".into();
        let number = queue.begin_state(&topic);
        assert_eq!(number, 7);
        assert_eq!(queue.end_state(9), None);
        assert_eq!(queue.end_state(number), Some(topic));
        assert_eq!(queue.end_state(number), None);
    }
}
