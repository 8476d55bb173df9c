//! The frames that wait for one socket, bounded in bytes and written in as few calls as possible.
//!
//! There are two bounds. What others publish to a socket has a limit, above which the socket is closed.
//! Answers to the socket's own messages never close it: above [`ANSWER_BYTES_MAX`] no further message
//! is read from it, so it cannot request more than it takes. How bytes are written is left to the
//! [`Transport`].

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use super::sighting::LineFacts;
use crate::protocol::Frame;

/// The write side of one connection, used by its shard only.
pub trait Transport: Send + Sync {
    /// Writes what the transport takes right now; `WouldBlock` when it takes nothing.
    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Whether the peer reads deflated messages; called once, when the socket opens.
    fn reads_deflated(&self) -> bool;

    /// Passes the connection task a change of the write side.
    fn signal(&self, signal: Signal);

    /// Ends the stream: the last frame has been written.
    fn finish(&self);

    /// What is known of its client and its traffic; asked by lists alone.
    fn line(&self) -> LineFacts {
        LineFacts::default()
    }
}

/// A change of the write side that the connection task acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The transport is full: call [`Shards::writable`](super::Shards::writable) when it is not.
    AwaitWritable,
    /// Too many answers wait: read no further message.
    StopReading,
    /// Enough answers have been written: read on.
    ReadOn,
    /// The socket is closed, or its peer is gone: nothing more will be queued.
    Ending,
    /// A viewer asks for the session of the socket: answer through [`SketchRequests`](super::SketchRequests).
    Describe,
}

/// Frames joined into one write. Linux takes 1024; beyond 64 the call itself no longer dominates.
const JOINED_MAX: usize = 64;

/// The same where no more wait: a list of [`JOINED_MAX`] takes 100 instructions more to set up.
const JOINED_FEW: usize = 16;

/// What a frame costs beyond its bytes while it waits: its count of references, its slot in a
/// queue that doubles, what the allocator rounds up and cannot use around it. Counted with 64, 1 MiB
/// of 4 KB frames made the process grow by 1 044 KB.
const FRAME_OVERHEAD_BYTES: usize = 192;

/// Capacity kept after a burst: the memory of an idle socket must not remember its busiest moment. A batch of ten, the
/// most that a request has, leaves nine behind the first: with less each batch would let the queue grow and shrink, an
/// eighth of its instructions.
const IDLE_CAPACITY: usize = 16;

/// Answers that may wait before reading stops: one 16th of the default bound of what is published.
/// The answer that exceeds it is queued whole; a roster may be larger.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Frames not yet written, oldest first.
#[derive(Default)]
pub(super) struct Outbox {
    /// Mostly the only one, and inline: the shard reads this memory anyway.
    first: Option<Frame>,
    more: VecDeque<Frame>,
    /// How much of the first frame has been written.
    written: usize,
    /// The cost of all waiting frames.
    bytes: usize,
    /// An upper bound on the part of `bytes` that is answers: the queue does not distinguish them. Exact
    /// whenever the queue is empty.
    answer_bytes: usize,
}

/// What a flush did.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flushed {
    pub(super) end: FlushEnd,
    /// Bytes that the transport took.
    pub(super) written: usize,
}

/// How a flush ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FlushEnd {
    /// Everything has been written.
    Done,
    /// The transport is full; the rest waits.
    Blocked,
    /// The transport is gone.
    Broken,
}

impl Outbox {
    /// Whether one more published frame fits beside those that wait. An empty outbox takes any frame;
    /// one above the bound could otherwise never be delivered.
    pub(super) fn takes(&self, frame: &Frame, bytes_max: usize) -> bool {
        self.first.is_none() || self.bytes - self.answer_bytes + cost(frame) <= bytes_max
    }

    /// The cost of all frames that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends an answer to one of the socket's own messages. Returns its cost.
    pub(super) fn push_answer(&mut self, frame: Frame) -> usize {
        self.answer_bytes += cost(&frame);
        self.push(frame)
    }

    /// Whether the answers are above their bound.
    pub(super) fn is_full_of_answers(&self) -> bool {
        self.answer_bytes > ANSWER_BYTES_MAX
    }

    /// Whether enough answers have been written to read on: half of the bound, so that reading does not
    /// stop and start with each frame.
    pub(super) fn has_room_for_answers(&self) -> bool {
        self.answer_bytes <= ANSWER_BYTES_MAX / 2
    }

    /// Appends a frame. Returns its cost.
    pub(super) fn push(&mut self, frame: Frame) -> usize {
        let cost = cost(&frame);
        self.bytes += cost;
        match self.first {
            None => self.first = Some(frame),
            Some(_) => self.more.push_back(frame),
        }
        cost
    }

    /// Drops what waits, except the rest of a frame that is partly written.
    pub(super) fn abandon(&mut self) {
        self.more.clear();
        self.first.take_if(|_| self.written == 0);
        self.bytes = self.first.as_ref().map_or(0, cost);
        self.answer_bytes = self.answer_bytes.min(self.bytes);
    }

    /// Writes until nothing waits or the transport is full.
    pub(super) fn flush(&mut self, transport: &dyn Transport) -> Flushed {
        let mut total = 0;
        let end = loop {
            let Some(first) = &self.first else {
                self.more.shrink_to(IDLE_CAPACITY);
                break FlushEnd::Done;
            };
            match write_once(transport, first, self.written, &self.more) {
                Ok(0) => break FlushEnd::Broken,
                Ok(written) => {
                    total += written;
                    self.advance(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break FlushEnd::Blocked,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break FlushEnd::Broken,
            }
        };
        Flushed { end, written: total }
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
    transport: &dyn Transport,
    first: &Frame,
    from: usize,
    more: &VecDeque<Frame>,
) -> io::Result<usize> {
    let first = IoSlice::new(&first.as_bytes()[from..]);
    match more.len() {
        0 => transport.write(&[first]),
        1..JOINED_FEW => write_joined::<JOINED_FEW>(transport, first, more),
        _ => write_joined::<JOINED_MAX>(transport, first, more),
    }
}

/// Writes the first of at most `N` frames in one call.
fn write_joined<'f, const N: usize>(
    transport: &dyn Transport,
    first: IoSlice<'f>,
    more: &'f VecDeque<Frame>,
) -> io::Result<usize> {
    let mut slices = [first; N];
    let mut count = 1;
    for (slice, frame) in slices[1..].iter_mut().zip(more) {
        *slice = IoSlice::new(frame.as_bytes());
        count += 1;
    }
    transport.write(&slices[..count])
}

#[cfg(test)]
mod tests {
    use std::io::{self, IoSlice};

    use parking_lot::Mutex;
    use proptest::prelude::*;

    use super::{ANSWER_BYTES_MAX, FlushEnd, Outbox, Signal, Transport};
    use crate::protocol::Frame;

    /// Takes a given number of bytes at each write, then blocks.
    #[derive(Default)]
    struct Narrow {
        takes: Mutex<Vec<usize>>,
        taken: Mutex<Vec<u8>>,
    }

    impl Transport for Narrow {
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
        let transport = narrow(vec![usize::MAX]);
        assert_eq!(outbox.flush(&transport).end, FlushEnd::Done);
        assert_eq!(*transport.taken.lock(), b"\x81\x01a\x81\x01b\x81\x01c");
    }

    #[test]
    fn abandoning_keeps_a_frame_that_is_half_out() {
        let mut outbox = Outbox::default();
        outbox.push(Frame::text(b"half"));
        outbox.push(Frame::text(b"whole"));
        let transport = narrow(vec![3]);
        assert_eq!(outbox.flush(&transport).end, FlushEnd::Blocked);
        outbox.abandon();
        outbox.push(Frame::text(b"last"));
        transport.takes.lock().push(usize::MAX);
        assert_eq!(outbox.flush(&transport).end, FlushEnd::Done);
        assert_eq!(*transport.taken.lock(), b"\x81\x04half\x81\x04last");
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
        let transport = narrow(vec![roster.len()]);
        assert_eq!(outbox.flush(&transport).end, FlushEnd::Blocked);
        assert!(outbox.has_room_for_answers());
        outbox.abandon();
        assert_eq!((outbox.bytes, outbox.answer_bytes), (0, 0));
    }

    #[test]
    fn reading_goes_on_when_half_of_the_answers_are_out() {
        let mut outbox = Outbox::default();
        let answer = Frame::text(&[b'a'; ANSWER_BYTES_MAX / 4]);
        for _ in 0..4 {
            outbox.push_answer(answer.clone());
        }
        assert!(outbox.is_full_of_answers());
        let transport = narrow(vec![answer.len(); 2]);
        outbox.flush(&transport);
        assert!(!outbox.is_full_of_answers() && !outbox.has_room_for_answers());
        transport.takes.lock().push(answer.len());
        outbox.flush(&transport);
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
            let transport = narrow(takes);
            let flushed = outbox.flush(&transport);
            let taken = transport.taken.lock();
            prop_assert!(expected.starts_with(&taken));
            prop_assert_eq!(flushed.written, taken.len());
            prop_assert_eq!(flushed.end == FlushEnd::Done, taken.len() == expected.len());
            prop_assert_eq!(flushed.end == FlushEnd::Done, outbox.bytes == 0);
        }
    }
}
