//! Sockets that have joined a channel and were not answered yet: the directory does not know them.
//!
//! Pure. Each is answered by the outcome of the request that was made after it came.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::protocol::SocketId;

/// Those of one channel, in order of arrival.
#[derive(Default)]
pub(super) struct PendingJoins(IndexMap<SocketId, PendingJoin>);

/// One of them.
#[derive(Default)]
pub(super) struct PendingJoin {
    /// As whom it joined.
    pub(super) user_id: Option<Arc<str>>,
    /// It has left meanwhile, and is answered all the same.
    pub(super) left: bool,
    /// It subscribed again meanwhile, so often.
    pub(super) again: u32,
    /// The request whose outcome answers it.
    request: Option<u64>,
}

impl PendingJoins {
    pub(super) fn add(&mut self, socket: SocketId, user_id: Option<Arc<str>>) {
        let before = self.0.insert(socket, PendingJoin { user_id, ..PendingJoin::default() });
        // It left and came back before it was answered: both are answered now.
        if let (Some(before), Some(waiting)) = (before, self.0.get_mut(&socket)) {
            waiting.again = before.again + 1;
        }
    }

    /// One that waits, if it does.
    pub(super) fn get_mut(&mut self, socket: SocketId) -> Option<&mut PendingJoin> {
        self.0.get_mut(&socket)
    }

    /// How many wait and have not left.
    pub(super) fn present(&self) -> usize {
        self.0.values().filter(|waiting| !waiting.left).count()
    }

    /// Whether so many sockets are all newcomers of whom nothing was told yet.
    pub(super) fn are_unasked(&self, sockets: usize) -> bool {
        let is_unasked = |waiting: &&PendingJoin| waiting.request.is_none() && !waiting.left;
        self.0.len() >= sockets && self.0.values().filter(is_unasked).count() >= sockets
    }

    /// Whoever waits for no request yet waits for this one; false if that is nobody.
    pub(super) fn ask(&mut self, request: u64) -> bool {
        let mut some = false;
        for waiting in self.0.values_mut().filter(|waiting| waiting.request.is_none()) {
            waiting.request = Some(request);
            some = true;
        }
        some
    }

    /// Takes those who waited for this request, and whoever came later as a user who is refused: the
    /// row that was refused is theirs too.
    pub(super) fn answered(
        &mut self,
        request: u64,
        refused: &[&str],
    ) -> Vec<(SocketId, PendingJoin)> {
        let is_answered = |_: &SocketId, waiting: &mut PendingJoin| {
            let user_id = waiting.user_id.as_deref();
            let is_refused = user_id.is_some_and(|user_id| refused.contains(&user_id));
            waiting.request == Some(request) || is_refused
        };
        self.0.extract_if(.., is_answered).collect()
    }

    /// Takes all.
    pub(super) fn take(&mut self) -> Vec<(SocketId, PendingJoin)> {
        std::mem::take(&mut self.0).into_iter().collect()
    }
}
