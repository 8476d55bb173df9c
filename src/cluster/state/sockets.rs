//! The sockets of this node in one channel, and which of their joins the directory has not decided.
//!
//! Each join is decided by the outcome of the request that was made after it. While a comparison will still return
//! events from before that outcome, the join is left to a later request: it must not receive them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use indexmap::IndexMap;

use crate::cluster::directory::message::Outcome;
use crate::protocol::{Frame, SocketId};

/// The sockets of this node in one channel.
#[derive(Default)]
pub(super) struct ChannelSockets {
    /// All of them, those with an undecided join included.
    all: HashSet<SocketId>,
    /// In order of arrival.
    pending: IndexMap<SocketId, PendingJoin>,
    /// Redis has left it to this node to report that a join found no cached event, and the join is undecided.
    has_missed: bool,
}

/// The undecided join of one socket.
#[derive(Default)]
pub(super) struct PendingJoin {
    /// The user it joins as.
    pub(super) user_id: Option<Arc<str>>,
    /// The socket has left meanwhile; it is answered all the same.
    pub(super) has_left: bool,
    /// Further subscriptions of the socket, each answered with the first.
    pub(super) repeats: u32,
    /// Client events of the socket, published once the join is accepted.
    pub(super) held: Vec<HeldEvent>,
    /// The request whose outcome decides it.
    request: Option<u64>,
}

/// A client event that waits for the join of its socket.
pub(super) struct HeldEvent {
    pub(super) socket: SocketId,
    pub(super) frame: Frame,
    pub(super) since: Instant,
}

/// What a leave changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// The socket was not in the channel, or its join was refused.
    Absent,
    /// Its join is undecided.
    Pending,
    /// It was a subscriber.
    Subscribed,
}

/// Joins that an outcome decides.
#[derive(Default)]
pub(super) struct DecidedJoins {
    pub(super) accepted: Vec<(SocketId, PendingJoin)>,
    /// The user is `None` if the socket has left meanwhile.
    pub(super) refused: Vec<(SocketId, Option<Arc<str>>)>,
    /// Others are left to the next request.
    pub(super) any_postponed: bool,
}

impl ChannelSockets {
    pub(super) fn join(&mut self, socket: SocketId, user_id: Option<Arc<str>>) {
        self.all.insert(socket);
        let before = self.pending.insert(socket, PendingJoin { user_id, ..PendingJoin::default() });
        // The socket left and joined again before it was answered: both joins are answered now.
        if let (Some(before), Some(join)) = (before, self.pending.get_mut(&socket)) {
            (join.repeats, join.held) = (before.repeats + 1, before.held);
        }
    }

    pub(super) fn leave(&mut self, socket: SocketId) -> Leave {
        if !self.all.remove(&socket) {
            return Leave::Absent;
        }
        let Some(join) = self.pending.get_mut(&socket) else { return Leave::Subscribed };
        join.has_left = true;
        Leave::Pending
    }

    /// A socket subscribes again. Returns false if its join is decided, so that it is answered at once.
    pub(super) fn repeat(&mut self, socket: SocketId) -> bool {
        self.pending.get_mut(&socket).map(|join| join.repeats += 1).is_some()
    }

    /// Holds a client event back until the join of its socket is decided. Returns false if it is.
    pub(super) fn hold(&mut self, socket: SocketId, frame: &Frame, now: Instant) -> bool {
        let event = || HeldEvent { socket, frame: frame.clone(), since: now };
        self.pending.get_mut(&socket).map(|join| join.held.push(event())).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether the join of some socket is decided.
    pub(super) fn have_subscribers(&self) -> bool {
        let present = self.pending.values().filter(|join| !join.has_left).count();
        self.all.len() > present
    }

    /// Whether all sockets are joins for which no request was made.
    pub(super) fn are_unrequested(&self) -> bool {
        let is_unrequested = |join: &&PendingJoin| join.request.is_none() && !join.has_left;
        self.pending.len() >= self.all.len()
            && self.pending.values().filter(is_unrequested).count() >= self.all.len()
    }

    /// Assigns the joins without a request to this one, or `all` that are undecided; returns whether there are any.
    pub(super) fn assign(&mut self, request: u64, all: bool) -> bool {
        let mut any = false;
        for join in self.pending.values_mut().filter(|join| all || join.request.is_none()) {
            join.request = Some(request);
            any = true;
        }
        any
    }

    /// Takes the joins that this request decides, and later joins as a user whom it refuses: the refused row is
    /// theirs too. With `postpones`, it decides those alone that it refuses.
    pub(super) fn decide(
        &mut self,
        request: u64,
        refused: &[&str],
        postpones: bool,
    ) -> DecidedJoins {
        let is_refused = |join: &PendingJoin| {
            join.user_id.as_ref().is_some_and(|user_id| refused.contains(&&**user_id))
        };
        let decided = |_: &SocketId, join: &mut PendingJoin| {
            (join.request == Some(request) && !postpones) || is_refused(join)
        };
        let mut joins = DecidedJoins::default();
        for (socket, join) in self.pending.extract_if(.., decided) {
            if !is_refused(&join) {
                joins.accepted.push((socket, join));
                continue;
            }
            let user_id = join.user_id.filter(|_| !join.has_left);
            if user_id.is_some() {
                self.all.remove(&socket);
            }
            joins.refused.push((socket, user_id));
        }
        // None of them is left unless they are postponed.
        for join in self.pending.values_mut().filter(|join| join.request == Some(request)) {
            (join.request, joins.any_postponed) = (None, true);
        }
        joins
    }

    /// Whether webhooks report now that a join found no cached event: once, with its answer, however often its request is made
    /// again. The outcome decides these joins.
    pub(super) fn reports_miss(&mut self, joins: &DecidedJoins, outcome: &Outcome<'_>) -> bool {
        self.has_missed |= outcome.report_miss;
        !joins.accepted.is_empty() && self.take_miss() && outcome.cached.is_none()
    }

    /// Whether a miss is to be reported that waits for the answer of its join.
    pub(super) fn take_miss(&mut self) -> bool {
        std::mem::take(&mut self.has_missed)
    }

    /// Takes all undecided joins.
    pub(super) fn take_pending(&mut self) -> Vec<(SocketId, PendingJoin)> {
        std::mem::take(&mut self.pending).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{ChannelSockets, Leave};
    use crate::protocol::{Frame, SocketId};
    use std::time::Instant;

    fn socket(id: &str) -> SocketId {
        SocketId::parse(id).unwrap()
    }

    #[test]
    fn a_refused_user_is_refused_on_every_socket_that_waits() {
        let mut sockets = ChannelSockets::default();
        let (ann, bob, ann_again) = (socket("1.1"), socket("1.2"), socket("1.3"));
        sockets.join(ann, Some("ann".into()));
        sockets.join(bob, Some("bob".into()));
        sockets.assign(7, false);
        sockets.join(ann_again, Some("ann".into()));
        let joins = sockets.decide(7, &["ann"], false);
        assert_eq!(joins.refused.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ann, ann_again]);
        assert_eq!(joins.accepted.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [bob]);
        assert_eq!(sockets.leave(ann), Leave::Absent);
        assert_eq!(sockets.leave(bob), Leave::Subscribed);
    }

    #[test]
    fn one_refusal_answers_a_subscription_and_its_repetitions() {
        let (mut sockets, ann) = (ChannelSockets::default(), socket("1.1"));
        let join = |sockets: &mut ChannelSockets| sockets.join(ann, Some("ann".into()));
        join(&mut sockets);
        assert!(sockets.repeat(ann));
        sockets.assign(7, false);
        assert_eq!(sockets.decide(7, &["ann"], false).refused.len(), 1);
        assert!(!sockets.repeat(ann), "nothing waits");
        // What arrives behind the refusal is another one, and so is one behind a leave.
        join(&mut sockets);
        assert_eq!(sockets.leave(ann), Leave::Pending);
        join(&mut sockets);
        sockets.assign(8, false);
        assert_eq!(sockets.decide(8, &["ann"], false).refused, [(ann, Some("ann".into()))]);
        assert_eq!(sockets.leave(ann), Leave::Absent);
    }

    #[test]
    fn a_postponed_join_is_left_to_the_next_request_and_a_refused_one_is_not() {
        let mut sockets = ChannelSockets::default();
        let (ann, bob) = (socket("1.1"), socket("1.2"));
        sockets.join(ann, Some("ann".into()));
        sockets.join(bob, Some("bob".into()));
        sockets.assign(7, false);
        let joins = sockets.decide(7, &["ann"], true);
        assert!(joins.any_postponed && joins.accepted.is_empty());
        assert_eq!(joins.refused.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ann]);
        assert!(!sockets.have_subscribers(), "it has missed nothing");
        assert!(sockets.assign(8, false));
        assert!(sockets.decide(7, &[], false).accepted.is_empty());
        let joins = sockets.decide(8, &[], false);
        assert!(!joins.any_postponed && sockets.have_subscribers());
        assert_eq!(joins.accepted.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [bob]);
    }

    #[test]
    fn client_events_are_held_until_the_join_is_decided() {
        let (mut sockets, ann, now) = (ChannelSockets::default(), socket("1.1"), Instant::now());
        let frame = Frame::text(b"{}");
        sockets.join(ann, None);
        assert!(sockets.hold(ann, &frame, now));
        sockets.assign(7, false);
        let joins = sockets.decide(7, &[], false);
        assert_eq!(joins.accepted[0].1.held.len(), 1);
        assert!(!sockets.hold(ann, &frame, now), "decided");
    }
}
