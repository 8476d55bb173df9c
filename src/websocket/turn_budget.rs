//! How much one connection may do before the worker runs its other tasks.
//!
//! Without this bound a client that sends as fast as it can keeps its worker for as long as bytes
//! arrive: 128 reads of 64 KB, some 900 000 messages, while every other socket of the worker waits.

use std::cell::Cell;

/// Frames of one turn. A message costs 1 to 10 µs, so a hundred flooding clients delay the others
/// by some 3 ms; the answers to a page that subscribes to 16 channels at once still leave in one write.
const FRAMES: u32 = 16;

/// Bytes read in one turn: more would only be buffered by the connection.
pub(super) const READ_BYTES: usize = 16 * 1024;

/// Bytes of answers that one turn may queue: a roster or a cached event ends the turn, so that the
/// shard can stop the reading before the next one is encoded.
const ANSWER_BYTES: u32 = 64 * 1024;

/// What is left of one turn. The decoder spends frames; the receiver of its messages spends answers.
#[derive(Debug)]
pub struct TurnBudget {
    frames: Cell<u32>,
    read_bytes: Cell<u32>,
    answer_bytes: Cell<u32>,
}

impl Default for TurnBudget {
    /// The budget of a whole turn.
    fn default() -> Self {
        Self {
            frames: Cell::new(FRAMES),
            read_bytes: Cell::new(READ_BYTES as u32),
            answer_bytes: Cell::new(ANSWER_BYTES),
        }
    }
}

impl TurnBudget {
    /// Whether no further frame may be decoded in this turn.
    pub(super) fn is_spent(&self) -> bool {
        self.frames.get() == 0 || self.answer_bytes.get() == 0
    }

    /// Whether no further bytes may be read in this turn.
    pub(super) fn is_read_spent(&self) -> bool {
        self.is_spent() || self.read_bytes.get() == 0
    }

    pub(super) fn spend_frame(&self) {
        self.frames.set(self.frames.get().saturating_sub(1));
    }

    pub(super) fn spend_read(&self, bytes: usize) {
        self.read_bytes.set(minus(self.read_bytes.get(), bytes));
    }

    pub(super) fn spend_answers(&self, bytes: usize) {
        self.answer_bytes.set(minus(self.answer_bytes.get(), bytes));
    }

    /// Begins the next turn.
    pub fn renew(&self) {
        let Self { frames, read_bytes, answer_bytes } = Self::default();
        self.frames.set(frames.get());
        self.read_bytes.set(read_bytes.get());
        self.answer_bytes.set(answer_bytes.get());
    }
}

fn minus(left: u32, bytes: usize) -> u32 {
    left.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::{ANSWER_BYTES, FRAMES, READ_BYTES, TurnBudget};

    #[test]
    fn frames_answers_and_bytes_end_a_turn() {
        let budget = TurnBudget::default();
        (0..FRAMES).for_each(|_| {
            assert!(!budget.is_spent());
            budget.spend_frame();
        });
        assert!(budget.is_spent() && budget.is_read_spent());
        budget.renew();
        assert!(!budget.is_spent());
        budget.spend_answers(ANSWER_BYTES as usize - 1);
        assert!(!budget.is_spent());
        budget.spend_answers(100);
        assert!(budget.is_spent(), "an answer may be larger than what is left");
        budget.renew();
        budget.spend_read(READ_BYTES);
        assert!(
            budget.is_read_spent() && !budget.is_spent(),
            "what was read is decoded in this turn"
        );
    }
}
