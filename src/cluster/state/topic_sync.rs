//! How far a channel's topic and state are in step with the directory: the subscription, and the requests that
//! are under way or due.

/// Whether requests reach Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkState {
    Away,
    Up,
    /// This node leaves: queued requests are sent, and no new ones accepted.
    Leaving,
}

/// The progress of one channel.
#[derive(Default)]
pub(super) struct TopicSync {
    pub(super) subscription: Subscription,
    /// A state request waits in the queue.
    pub(super) is_queued: bool,
    /// State requests whose outcome has not arrived.
    pub(super) unanswered: u32,
    /// The next request sends all rows and reads the whole roster.
    pub(super) compares: bool,
    /// A full comparison was requested on this link, so the directory holds no stale rows of this node.
    pub(super) has_compared: bool,
    pub(super) verification: Verification,
}

/// The subscription to the channel's topic.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subscription {
    #[default]
    None,
    /// Requested and not confirmed: what still arrives is from an earlier one.
    Pending,
    Active,
}

/// Whether the directory has confirmed what messages of other nodes changed.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verification {
    #[default]
    Done,
    /// A message has changed something.
    Due,
    /// The next request reads the roster.
    Next,
}

impl TopicSync {
    /// Queues a request. Returns false if one waits already.
    pub(super) fn queue(&mut self) -> bool {
        !std::mem::replace(&mut self.is_queued, true)
    }

    /// A request is made. Returns whether it compares everything, and whether it verifies.
    pub(super) fn begin_request(&mut self) -> (bool, bool) {
        let verifies = self.verification == Verification::Next;
        if verifies {
            self.verification = Verification::Done;
        }
        (self.is_queued, self.unanswered) = (false, self.unanswered + 1);
        (std::mem::take(&mut self.compares), verifies)
    }

    /// Whether a change goes to the directory: while this node leaves, only a request that waits takes it along. Applied
    /// alone, the change would be missing in that request, which says that nothing of this node is left.
    pub(super) fn takes_change(&self, link: LinkState) -> bool {
        link == LinkState::Up || (link == LinkState::Leaving && self.is_queued)
    }

    /// Whether no request waits or is under way.
    pub(super) fn is_settled(&self) -> bool {
        !self.is_queued && self.unanswered == 0
    }

    /// Whether the subscription was requested: what is published now returns through it.
    pub(super) fn is_subscribed(&self) -> bool {
        self.subscription != Subscription::None
    }

    /// Whether what arrives on the topic is from the present subscription.
    pub(super) fn is_active(&self) -> bool {
        self.subscription == Subscription::Active
    }

    /// The link is lost: what was under way counts as done.
    pub(super) fn link_lost(&mut self) {
        *self = Self { compares: self.compares, ..Self::default() };
    }
}
