//! What a shard gives up when the process is short of memory: the outboxes of the sockets that read most slowly.
//!
//! When that is, and how much is to be freed, is decided by `server`.

use super::super::subscriber_slots::Slot;
use super::Sockets;
use crate::protocol::CloseCode;

/// The key of the limit that these sockets are closed for, as it is counted.
const LIMIT: &str = "limits.memory_bytes";

impl Sockets {
    /// Closes sockets whose transport is full, the one for which most waits first, until what waited for them is the
    /// share of `bytes` that this shard has of the `of` bytes of all shards.
    pub(super) fn end_slowest(&mut self, bytes: u64, of: u64) {
        let own = self.tally.outbox_bytes as u128;
        let mut goal =
            usize::try_from(own * u128::from(bytes) / u128::from(of.max(1))).unwrap_or(0);
        let blocked = self.slab.iter().filter(|(_, state)| state.blocked && !state.ending);
        let mut waiting: Vec<(usize, Slot)> =
            blocked.map(|(slot, state)| (state.outbox.bytes(), slot as Slot)).collect();
        waiting.sort_unstable_by(|left, right| right.cmp(left));
        for (bytes, slot) in waiting {
            if goal == 0 {
                return;
            }
            goal = goal.saturating_sub(bytes);
            self.ends.metrics.sockets.limit_hit(LIMIT);
            self.end(slot, CloseCode::TooSlow);
        }
    }
}
