//! How much one connection may do before the worker goes on to the next one.
//!
//! Pure. Without it a client that sends as fast as it can keeps its worker for as long as bytes
//! arrive: 128 reads of 64 KB, some 900 000 messages, and every other socket of the worker waits.

use std::cell::Cell;

/// Frames of one turn. A message costs 1 to 10 µs, so a hundred flooding clients delay the others
/// by some 3 ms; a page that subscribes to 16 channels at once still gets one write with the answers.
const FRAMES: u32 = 16;

/// Bytes read in one turn: more would only wait in the memory of the connection.
pub(super) const READ_BYTES: usize = 16 * 1024;

/// Bytes of answers that one turn may cause: a roster or a cached event ends the turn, so that the
/// shard can stop the reading before the next one is made.
const ANSWER_BYTES: u32 = 64 * 1024;

/// What is left of one turn. Shared by the decoder, which takes frames, and the receiver of the
/// messages, which causes answers.
#[derive(Debug)]
pub(super) struct Turn {
    frames: Cell<u32>,
    read_bytes: Cell<u32>,
    answer_bytes: Cell<u32>,
}

impl Turn {
    pub(super) fn new() -> Self {
        Self {
            frames: Cell::new(FRAMES),
            read_bytes: Cell::new(READ_BYTES as u32),
            answer_bytes: Cell::new(ANSWER_BYTES),
        }
    }

    /// Whether the next frame belongs to the next turn.
    pub(super) fn is_over(&self) -> bool {
        self.frames.get() == 0 || self.answer_bytes.get() == 0
    }

    /// Whether the next read belongs to the next turn.
    pub(super) fn has_read_all(&self) -> bool {
        self.is_over() || self.read_bytes.get() == 0
    }

    /// One more frame was taken.
    pub(super) fn take_frame(&self) {
        self.frames.set(self.frames.get().saturating_sub(1));
    }

    /// So many bytes were read.
    pub(super) fn read(&self, bytes: usize) {
        self.read_bytes.set(less(self.read_bytes.get(), bytes));
    }

    /// A message caused so many bytes of answers.
    pub(super) fn answered(&self, bytes: usize) {
        self.answer_bytes.set(less(self.answer_bytes.get(), bytes));
    }

    /// The worker has served others: everything is allowed again.
    pub(super) fn renew(&self) {
        let Self { frames, read_bytes, answer_bytes } = Self::new();
        self.frames.set(frames.get());
        self.read_bytes.set(read_bytes.get());
        self.answer_bytes.set(answer_bytes.get());
    }
}

fn less(left: u32, bytes: usize) -> u32 {
    left.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::{ANSWER_BYTES, FRAMES, READ_BYTES, Turn};

    #[test]
    fn frames_answers_and_bytes_end_a_turn() {
        let turn = Turn::new();
        (0..FRAMES).for_each(|_| {
            assert!(!turn.is_over());
            turn.take_frame();
        });
        assert!(turn.is_over() && turn.has_read_all());
        turn.renew();
        assert!(!turn.is_over());
        turn.answered(ANSWER_BYTES as usize - 1);
        assert!(!turn.is_over());
        turn.answered(100);
        assert!(turn.is_over(), "an answer may be larger than what is left");
        turn.renew();
        turn.read(READ_BYTES);
        assert!(turn.has_read_all() && !turn.is_over(), "what was read is taken in this turn");
    }
}
