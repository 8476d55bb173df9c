//! Requests on their way to Redis: those that wait for a batch, those that wait for the other nodes, and those whose
//! answers are due.
//!
//! The state of a channel is read when its request leaves the queue, so all that happens on a channel until
//! then takes one request: a thousand joins within one round trip are one.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::effect::PublishScope;
use super::health::NODES_RETURN;
use super::publish_queue::Unsent;
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

/// How long events are held at most where this node has so many channels that they are not all sent again within
/// [`NODES_RETURN`]: the other nodes need about as long for theirs.
const HELD_AT_MOST: Duration = Duration::from_secs(2);

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
    /// The answer to a heartbeat, with leaves that webhooks report.
    Leaves,
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

/// The state of a channel whose outcome has not arrived.
struct SentState {
    topic: Arc<str>,
    /// The outcome may have events that this node sends to webhooks.
    may_report: bool,
}

/// The requests of one node, in order.
pub(super) struct RequestQueue {
    queue: VecDeque<QueuedRequest>,
    held: HeldPublishes,
    /// Channels whose whole state is sent again after the link was lost.
    backlog: VecDeque<Arc<str>>,
    /// So many of them may be sent now.
    allowance: u32,
    /// Since when no further ones were allowed.
    allowed_at: Option<Instant>,
    sent: VecDeque<SentRequest>,
    /// Sent states, by the number of the request. Their outcomes arrive on this node's topic.
    states: HashMap<u64, SentState>,
    next_state: u64,
    /// Answers that did not arrive and may have had events that this node sends to webhooks.
    reports_lost: u64,
}

/// Events that this node kept while Redis was away, and what follows on their channels, by serial and in order. Over pub/sub
/// a node receives nothing that was published before it subscribed, and the nodes do not find a Redis that is back in
/// one moment.
struct HeldPublishes {
    /// False where the directory keeps events: a node that comes late reads them.
    is_needed: bool,
    /// When the first one was held on this link.
    since: Option<Instant>,
    serials: Vec<u64>,
    topics: HashSet<Arc<str>>,
}

/// Requests that are sent in one write.
#[derive(Default)]
pub(super) struct Batch {
    requests: Vec<Request>,
    reply_bytes: usize,
}

impl RequestQueue {
    /// An empty queue. `first_state` is the number of the first state; events that were kept are held if they have to be.
    pub(super) fn new(first_state: u64, holds_publishes: bool) -> Self {
        let (queue, backlog, sent, states) = Default::default();
        Self {
            queue,
            held: HeldPublishes::new(holds_publishes),
            backlog,
            allowance: RESUMED_AT_ONCE,
            allowed_at: None,
            sent,
            states,
            next_state: first_state,
            reports_lost: 0,
        }
    }

    pub(super) fn push(&mut self, request: QueuedRequest) {
        self.queue.push_back(request);
    }

    /// Queues an event that Redis may lack, now that it is back, or holds it. Events of cache channels are not held: a
    /// socket that joins reads the last one from the directory.
    pub(super) fn push_again(&mut self, unsent: Unsent, now: Instant) {
        let Unsent { serial, topic, is_of_cache_channel } = unsent;
        if self.held.is_needed && !is_of_cache_channel {
            self.held.begin(serial, topic, now);
        } else {
            self.push(QueuedRequest::Publish(serial));
        }
    }

    /// Whether events of a channel are held, so that a later one waits behind them.
    pub(super) fn holds(&self, topic: &str) -> bool {
        !self.held.topics.is_empty() && self.held.topics.contains(topic)
    }

    /// Queues an event, or holds it behind others. Returns false if it is held.
    pub(super) fn push_publish(&mut self, serial: u64, is_held: bool) -> bool {
        match is_held {
            true => self.held.serials.push(serial),
            false => self.push(QueuedRequest::Publish(serial)),
        }
        !is_held
    }

    /// Queues what is held if that is due, or if there is no room for more.
    pub(super) fn release_due(&mut self, is_full: bool, now: Instant) {
        if is_full || self.held.is_due(!self.backlog.is_empty(), now) {
            self.release_held();
        }
    }

    /// Queues what is held.
    pub(super) fn release_held(&mut self) {
        self.queue.extend(self.held.take().into_iter().map(QueuedRequest::Publish));
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

    /// The number of a new state.
    pub(super) fn next_number(&mut self) -> u64 {
        let number = self.next_state;
        self.next_state = number.wrapping_add(1);
        number
    }

    /// A state of this topic is sent under this number. Its outcome may have events that this node sends to webhooks, or not.
    pub(super) fn begin_state(&mut self, number: u64, topic: &Arc<str>, may_report: bool) {
        self.states.insert(number, SentState { topic: topic.clone(), may_report });
    }

    /// Answers that are due and may have events that this node sends to webhooks.
    pub(super) fn reports_due(&self) -> u64 {
        let of_states = self.states.values().filter(|state| state.may_report).count();
        let leaves = self.sent.iter().filter(|sent| matches!(sent, SentRequest::Leaves)).count();
        (of_states + leaves) as u64
    }

    /// Counts these answers as lost, also if they still arrive.
    pub(super) fn give_up_reports(&mut self) {
        self.reports_lost += self.reports_due();
        self.states.values_mut().for_each(|state| state.may_report = false);
        let leaves = self.sent.iter_mut().filter(|sent| matches!(sent, SentRequest::Leaves));
        leaves.for_each(|sent| *sent = SentRequest::Plain);
    }

    /// Such answers that were lost since the last call.
    pub(super) fn take_reports_lost(&mut self) -> u64 {
        std::mem::take(&mut self.reports_lost)
    }

    /// The topic of a state whose outcome has arrived; `None` for a number that was not sent.
    pub(super) fn end_state(&mut self, number: u64) -> Option<Arc<str>> {
        self.states.remove(&number).map(|state| state.topic)
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
        self.give_up_reports();
        self.queue.clear();
        self.held.take();
        self.allowance = RESUMED_AT_ONCE;
        self.backlog.clear();
        self.sent.clear();
        self.states.clear();
    }
}

impl HeldPublishes {
    fn new(is_needed: bool) -> Self {
        Self { is_needed, since: None, serials: Vec::new(), topics: HashSet::new() }
    }

    fn begin(&mut self, serial: u64, topic: Arc<str>, now: Instant) {
        self.since.get_or_insert(now);
        self.topics.insert(topic);
        self.serials.push(serial);
    }

    /// Whether the other nodes have had their time: [`NODES_RETURN`], and as long as this node still sends its channels
    /// again (`is_behind`), up to [`HELD_AT_MOST`].
    fn is_due(&self, is_behind: bool, now: Instant) -> bool {
        let time = if is_behind { HELD_AT_MOST } else { NODES_RETURN };
        self.since.is_some_and(|since| now.saturating_duration_since(since) >= time)
    }

    fn take(&mut self) -> Vec<u64> {
        (self.since, self.topics) = Default::default();
        std::mem::take(&mut self.serials)
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
mod tests;
