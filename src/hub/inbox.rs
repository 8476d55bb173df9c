//! The inbox of one shard: commands in the order of pushing, and the wake-ups of the shard and of those who wait for room.
//!
//! Pushing never waits. The shard is woken once for all that is pushed until it looks. What the commands are is left to
//! [`command`](super::command); `tests/interleavings` plays this file in every order of threads.

use super::sync::{AtomicUsize, Mutex, Notify, Ordering};

/// What waits in an inbox.
pub(super) trait Weighed {
    /// The bytes of its frames, which count against the bound of the inbox.
    fn frame_bytes(&self) -> usize;
}

/// The commands that wait for one shard.
pub(super) struct Inbox<C> {
    /// Sockets of the shard that were opened and not forgotten.
    pub(super) sockets: AtomicUsize,
    commands: Mutex<Vec<C>>,
    /// Bytes of the frames in `commands`. Changed under their lock: added after it, those of a command that was taken
    /// meanwhile would count for ever.
    bytes: AtomicUsize,
    filled: Notify,
    emptied: Notify,
}

impl<C> Default for Inbox<C> {
    fn default() -> Self {
        let (sockets, bytes, filled, emptied) = Default::default();
        Self { sockets, commands: Mutex::new(Vec::new()), bytes, filled, emptied }
    }
}

impl<C: Weighed> Inbox<C> {
    pub(super) fn push(&self, command: C) {
        let bytes = command.frame_bytes();
        let mut commands = self.commands.lock();
        let was_empty = commands.is_empty();
        commands.push(command);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        drop(commands);
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Swaps the waiting commands with `batch`, which is empty and whose memory the inbox reuses.
    pub(super) fn take(&self, batch: &mut Vec<C>) {
        let mut commands = self.commands.lock();
        std::mem::swap(&mut *commands, batch);
        self.bytes.store(0, Ordering::Relaxed);
        drop(commands);
        self.emptied.notify_waiters();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commands.lock().is_empty()
    }

    /// Resolves once a command waits. For the shard alone: what is pushed wakes one task.
    pub(super) async fn wait(&self) {
        while self.is_empty() {
            self.filled.notified().await;
        }
    }

    /// Resolves once the frames that wait have `bytes_max` bytes at most.
    pub(super) async fn room(&self, bytes_max: usize) {
        while self.bytes.load(Ordering::Relaxed) > bytes_max {
            // Asked for before the second look: a take between the look and the wait would be missed.
            let emptied = self.emptied.notified();
            if self.bytes.load(Ordering::Relaxed) > bytes_max {
                emptied.await;
            }
        }
    }
}
