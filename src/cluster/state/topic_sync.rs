//! How far a channel's topic and state are in step with the directory: the subscription, and the requests that
//! are under way or due.

use super::members::Members;

/// The progress of one channel.
#[derive(Default)]
pub(super) struct TopicSync {
    subscription: Subscription,
    is_queued: bool,
    /// State requests whose outcome has not arrived.
    unanswered: u32,
    /// The next request sends all rows and reads the whole roster.
    compares: bool,
    /// A full comparison was requested on this link, so the directory holds no stale rows of this node.
    has_compared: bool,
    verification: Verification,
}

/// The subscription to the channel's topic.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Subscription {
    #[default]
    None,
    /// Requested and not confirmed: what still arrives is from an earlier one.
    Pending,
    Active,
}

/// Whether the directory has confirmed what messages of other nodes changed.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Verification {
    #[default]
    Done,
    /// A message has changed something.
    Due,
    /// The next request reads the roster.
    Next,
}

/// What the request that is made now has to do.
#[derive(Clone, Copy)]
pub(super) struct RequestScope {
    /// It sends all rows, and others of this node are stale.
    pub(super) all_rows: bool,
    /// It reads the roster.
    pub(super) roster: bool,
}

impl TopicSync {
    /// A request is to be queued. Returns false if one waits already.
    pub(super) fn queue(&mut self) -> bool {
        !std::mem::replace(&mut self.is_queued, true)
    }

    /// A request is made now.
    pub(super) fn begin(&mut self, members: &Members) -> RequestScope {
        let all_rows = std::mem::take(&mut self.compares);
        let verifies = self.verification == Verification::Next;
        if verifies {
            self.verification = Verification::Done;
        }
        self.is_queued = false;
        self.unanswered += 1;
        RequestScope { all_rows, roster: all_rows || verifies || !members.is_current() }
    }

    /// An outcome arrived. Returns whether it was the last that was due.
    pub(super) fn end(&mut self) -> bool {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.unanswered == 0
    }

    /// Whether no request waits or is under way.
    pub(super) fn is_settled(&self) -> bool {
        !self.is_queued && self.unanswered == 0
    }

    /// The subscription is requested. Returns false if it was before.
    pub(super) fn subscribe(&mut self) -> bool {
        let is_new = self.subscription == Subscription::None;
        if is_new {
            self.subscription = Subscription::Pending;
        }
        is_new
    }

    /// Redis confirmed the subscription.
    pub(super) fn subscribed(&mut self) {
        if self.subscription == Subscription::Pending {
            self.subscription = Subscription::Active;
        }
    }

    /// Whether the subscription was requested: what is published now returns through it.
    pub(super) fn is_subscribed(&self) -> bool {
        self.subscription != Subscription::None
    }

    /// Whether what arrives on the topic is from the present subscription.
    pub(super) fn is_active(&self) -> bool {
        self.subscription == Subscription::Active
    }

    /// The next request compares everything; the first on a link does so for the stale rows too.
    pub(super) fn compare(&mut self) {
        (self.compares, self.has_compared) = (true, true);
    }

    /// The next request compares the members once more.
    pub(super) fn compare_again(&mut self) {
        self.compares = true;
    }

    pub(super) fn has_compared(&self) -> bool {
        self.has_compared
    }

    /// A message of another node changed something. Returns whether that makes a verification due.
    pub(super) fn changed_by_message(&mut self) -> bool {
        let is_new = self.verification == Verification::Done;
        if is_new {
            self.verification = Verification::Due;
        }
        is_new
    }

    pub(super) fn is_verification_due(&self) -> bool {
        self.verification == Verification::Due
    }

    /// The next request verifies.
    pub(super) fn verify_next(&mut self) {
        self.verification = Verification::Next;
    }

    /// No request has to verify: the next one reads the roster anyway.
    pub(super) fn skip_verification(&mut self) {
        self.verification = Verification::Done;
    }

    /// The link is lost: what was under way counts as done.
    pub(super) fn link_lost(&mut self) {
        *self = Self { compares: self.compares, ..Self::default() };
    }
}
