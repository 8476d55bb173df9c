//! What waits for one socket, bounded in bytes, and how it leaves: as few writes as possible.
//!
//! Two bounds. What others publish to a socket has a limit, above which the socket is closed. Answers
//! to the socket's own messages have none that closes it: above [`ANSWER_BYTES_MAX`] no further
//! message is read from it, so it cannot ask for more than it takes.
//!
//! Knows no sockets: a transport is an [`Outlet`].

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use crate::protocol::Frame;

/// The write side of one connection, used by its shard only.
pub trait Outlet: Send + Sync {
    /// Writes what the transport takes right now; `WouldBlock` when it takes nothing.
    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Whether the peer reads deflated messages; asked once, at the beginning.
    fn reads_deflated(&self) -> bool;

    /// Passes the connection task a change of the write side.
    fn signal(&self, signal: Signal);

    /// The last is out: ends the stream.
    fn finish(&self);
}

/// A change of the write side that the connection task acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The transport is full: call [`Shards::writable`](super::Shards::writable) when it is not.
    AwaitWritable,
    /// Too many answers wait: read no further message.
    StopReading,
    /// The answers have gone out: read on.
    ReadOn,
    /// The socket is closed, or its peer is gone: nothing more will be queued.
    Ending,
}

/// Frames joined into one write. Linux takes 1024; beyond 64 the call is no longer what costs.
const JOINED_MAX: usize = 64;

/// What a frame costs beyond its bytes while it waits: its count of references, its place in a
/// queue that doubles, what the allocator rounds up and cannot use around it. Counted with 64, 1 MiB
/// of 4 KB frames made the process grow by 1 044 KB.
const FRAME_OVERHEAD_BYTES: usize = 192;

/// Capacity kept after a burst: the memory of an idle socket must not remember its busiest moment.
const IDLE_CAPACITY: usize = 8;

/// Answers that may wait before reading stops: one 16th of the default bound of what is published.
/// The answer that exceeds it is queued whole; a roster may be larger.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Frames not yet written, oldest first.
#[derive(Default)]
pub(super) struct Outbox {
    /// Most of the time the only one: it lies where the shard looks anyway.
    first: Option<Frame>,
    more: VecDeque<Frame>,
    /// How much of the first frame is already out.
    written: usize,
    /// What waits in all, with what holds it.
    bytes: usize,
    /// How much of `bytes` may be answers: never less than really are, since they are not told apart
    /// in the queue, and exact whenever it is empty.
    answer_bytes: usize,
}

/// How a flush ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flush {
    /// Everything is out.
    Done,
    /// The transport is full; the rest waits.
    Blocked,
    /// The transport is gone.
    Broken,
}

impl Outbox {
    /// Whether one more published frame fits beside those that wait. An empty outbox takes any: a
    /// frame above the bound would never be delivered.
    pub(super) fn takes(&self, frame: &Frame, bytes_max: usize) -> bool {
        self.first.is_none() || self.bytes - self.answer_bytes + cost(frame) <= bytes_max
    }

    /// Appends an answer to one of the socket's own messages.
    pub(super) fn push_answer(&mut self, frame: Frame) {
        self.answer_bytes += cost(&frame);
        self.push(frame);
    }

    /// Whether more answers wait than may.
    pub(super) fn is_full_of_answers(&self) -> bool {
        self.answer_bytes > ANSWER_BYTES_MAX
    }

    /// Whether enough answers have gone out to read on: half, so that a slow reader does not stop
    /// and start with each frame.
    pub(super) fn has_room_for_answers(&self) -> bool {
        self.answer_bytes <= ANSWER_BYTES_MAX / 2
    }

    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes += cost(&frame);
        match self.first {
            None => self.first = Some(frame),
            Some(_) => self.more.push_back(frame),
        }
    }

    /// Drops what waits, but for the rest of a frame that is half out.
    pub(super) fn abandon(&mut self) {
        self.more.clear();
        self.first.take_if(|_| self.written == 0);
        self.bytes = self.first.as_ref().map_or(0, cost);
        self.answer_bytes = self.answer_bytes.min(self.bytes);
    }

    /// Writes until everything is out or the transport is full.
    pub(super) fn flush(&mut self, outlet: &dyn Outlet) -> Flush {
        while let Some(first) = &self.first {
            match write_once(outlet, first, self.written, &self.more) {
                Ok(0) => return Flush::Broken,
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Flush::Blocked,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Flush::Broken,
            }
        }
        self.more.shrink_to(IDLE_CAPACITY);
        Flush::Done
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = &self.first {
            let left = first.len() - self.written;
            if written < left {
                self.written += written;
                return;
            }
            written -= left;
            self.bytes -= cost(first);
            self.written = 0;
            self.first = self.more.pop_front();
            self.answer_bytes = self.answer_bytes.min(self.bytes);
        }
    }
}

fn cost(frame: &Frame) -> usize {
    frame.len() + FRAME_OVERHEAD_BYTES
}

fn write_once(
    outlet: &dyn Outlet,
    first: &Frame,
    from: usize,
    more: &VecDeque<Frame>,
) -> io::Result<usize> {
    let first = IoSlice::new(&first.as_bytes()[from..]);
    if more.is_empty() {
        return outlet.write(&[first]);
    }
    let mut slices = [first; JOINED_MAX];
    let mut count = 1;
    for (slice, frame) in slices[1..].iter_mut().zip(more) {
        *slice = IoSlice::new(frame.as_bytes());
        count += 1;
    }
    outlet.write(&slices[..count])
}

#[cfg(test)]
mod tests {
    use std::io::{self, IoSlice};

    use parking_lot::Mutex;
    use proptest::prelude::*;

    use super::{ANSWER_BYTES_MAX, Flush, Outbox, Outlet, Signal};
    use crate::protocol::Frame;

    /// Takes a given number of bytes at each write, then blocks.
    #[derive(Default)]
    struct Narrow {
        takes: Mutex<Vec<usize>>,
        taken: Mutex<Vec<u8>>,
    }

    impl Outlet for Narrow {
        fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let takes = self.takes.lock().pop();
            let most = takes.ok_or(io::ErrorKind::WouldBlock)?;
            let joined: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let count = joined.len().min(most);
            self.taken.lock().extend_from_slice(&joined[..count]);
            Ok(count)
        }
        fn reads_deflated(&self) -> bool {
            false
        }
        fn signal(&self, _: Signal) {}
        fn finish(&self) {}
    }

    fn narrow(takes: Vec<usize>) -> Narrow {
        Narrow { takes: Mutex::new(takes), ..Narrow::default() }
    }

    #[test]
    fn frames_that_wait_leave_in_one_write() {
        let mut outbox = Outbox::default();
        for text in ["a", "b", "c"] {
            outbox.push(Frame::text(text.as_bytes()));
        }
        let outlet = narrow(vec![usize::MAX]);
        assert_eq!(outbox.flush(&outlet), Flush::Done);
        assert_eq!(*outlet.taken.lock(), b"\x81\x01a\x81\x01b\x81\x01c");
    }

    #[test]
    fn abandoning_keeps_a_frame_that_is_half_out() {
        let mut outbox = Outbox::default();
        outbox.push(Frame::text(b"half"));
        outbox.push(Frame::text(b"whole"));
        let outlet = narrow(vec![3]);
        assert_eq!(outbox.flush(&outlet), Flush::Blocked);
        outbox.abandon();
        outbox.push(Frame::text(b"last"));
        outlet.takes.lock().push(usize::MAX);
        assert_eq!(outbox.flush(&outlet), Flush::Done);
        assert_eq!(*outlet.taken.lock(), b"\x81\x04half\x81\x04last");
        assert_eq!(outbox.bytes, 0);
    }

    #[test]
    fn answers_leave_the_bound_to_what_is_published() {
        let mut outbox = Outbox::default();
        let (roster, event) = (Frame::text(&[b'r'; 600_000]), Frame::text(&[b'e'; 1000]));
        outbox.push_answer(roster.clone());
        assert!(outbox.takes(&event, 1200), "a roster of 600 KB waits, and nothing published");
        outbox.push(event.clone());
        assert!(!outbox.takes(&event, 1200), "one event waits");
        assert!(outbox.is_full_of_answers());
        let outlet = narrow(vec![roster.len()]);
        assert_eq!(outbox.flush(&outlet), Flush::Blocked);
        assert!(outbox.has_room_for_answers());
        outbox.abandon();
        assert_eq!((outbox.bytes, outbox.answer_bytes), (0, 0));
    }

    #[test]
    fn reading_goes_on_when_half_of_the_answers_are_out() {
        let mut outbox = Outbox::default();
        let answer = Frame::text(&[b'a'; ANSWER_BYTES_MAX / 4]);
        (0..4).for_each(|_| outbox.push_answer(answer.clone()));
        assert!(outbox.is_full_of_answers());
        let outlet = narrow(vec![answer.len(); 2]);
        outbox.flush(&outlet);
        assert!(!outbox.is_full_of_answers() && !outbox.has_room_for_answers());
        outlet.takes.lock().push(answer.len());
        outbox.flush(&outlet);
        assert!(outbox.has_room_for_answers());
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_bytes(
            texts in prop::collection::vec("[a-z]{0,300}", 0..150),
            takes in prop::collection::vec(1usize..500, 0..400),
        ) {
            let mut outbox = Outbox::default();
            let mut expected = Vec::new();
            for text in &texts {
                let frame = Frame::text(text.as_bytes());
                expected.extend_from_slice(frame.as_bytes());
                outbox.push(frame);
            }
            let outlet = narrow(takes);
            let ended = outbox.flush(&outlet);
            let taken = outlet.taken.lock();
            prop_assert!(expected.starts_with(&taken));
            prop_assert_eq!(ended == Flush::Done, taken.len() == expected.len());
            prop_assert_eq!(ended == Flush::Done, outbox.bytes == 0);
        }
    }
}
