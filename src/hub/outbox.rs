//! What waits for one socket, bounded in bytes, and how it leaves: as few writes as possible.
//!
//! Knows no sockets: a transport is an [`Outlet`].

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use crate::protocol::Frame;

/// The write side of one connection, owned by a shard. Dropping it ends the stream.
pub trait Outlet: Send {
    /// Writes what the transport takes right now; `WouldBlock` when it takes nothing.
    fn write(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Whether the peer reads deflated messages; asked once, at the beginning.
    fn reads_deflated(&self) -> bool;

    /// The transport is full: call [`Shards::writable`](super::Shards::writable) when it is not.
    fn await_writable(&mut self);

    /// The server closes this socket: what is queued is the last it will get.
    fn ending(&mut self);
}

/// Frames joined into one write. Linux takes 1024; beyond 64 the call is no longer what costs.
const JOINED_MAX: usize = 64;

/// Capacity kept after a burst: the memory of an idle socket must not remember its busiest moment.
const IDLE_CAPACITY: usize = 8;

/// Frames not yet written, oldest first.
#[derive(Default)]
pub(super) struct Outbox {
    frames: VecDeque<Frame>,
    /// How much of the first frame is already out.
    written: usize,
    /// What waits in all.
    bytes: usize,
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
    /// Whether one more frame fits. An empty outbox takes any: a roster may be larger than the
    /// bound, and a frame that is refused always would never be delivered.
    pub(super) fn takes(&self, frame: &Frame, bytes_max: usize) -> bool {
        self.frames.is_empty() || self.bytes + frame.len() <= bytes_max
    }

    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// Drops what waits, but for the rest of a frame that is half out.
    pub(super) fn abandon(&mut self) {
        let half_out = self.frames.pop_front().filter(|_| self.written > 0);
        self.frames.clear();
        self.bytes = 0;
        if let Some(frame) = half_out {
            self.bytes = frame.len() - self.written;
            self.frames.push_back(frame);
        }
    }

    /// Writes until everything is out or the transport is full.
    pub(super) fn flush(&mut self, outlet: &mut dyn Outlet) -> Flush {
        while !self.frames.is_empty() {
            match self.write_once(outlet) {
                Ok(0) => return Flush::Broken,
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Flush::Blocked,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Flush::Broken,
            }
        }
        self.frames.shrink_to(IDLE_CAPACITY);
        Flush::Done
    }

    fn write_once(&self, outlet: &mut dyn Outlet) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); JOINED_MAX];
        let mut count = 0;
        for (slice, frame) in slices.iter_mut().zip(&self.frames) {
            let from = if count == 0 { self.written } else { 0 };
            *slice = IoSlice::new(&frame.as_bytes()[from..]);
            count += 1;
        }
        outlet.write(&slices[..count])
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(first) = self.frames.front() {
            let left = first.len() - self.written;
            if written < left {
                self.written += written;
                return;
            }
            written -= left;
            self.written = 0;
            self.frames.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, IoSlice};

    use proptest::prelude::*;

    use super::{Flush, Outbox, Outlet};
    use crate::protocol::Frame;

    /// Takes a given number of bytes at each write, then blocks.
    struct Narrow {
        takes: Vec<usize>,
        taken: Vec<u8>,
    }

    impl Outlet for Narrow {
        fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let Some(most) = self.takes.pop() else { return Err(io::ErrorKind::WouldBlock.into()) };
            let joined: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let count = joined.len().min(most);
            self.taken.extend_from_slice(&joined[..count]);
            Ok(count)
        }
        fn reads_deflated(&self) -> bool {
            false
        }
        fn await_writable(&mut self) {}
        fn ending(&mut self) {}
    }

    #[test]
    fn frames_that_wait_leave_in_one_write() {
        let mut outbox = Outbox::default();
        for text in ["a", "b", "c"] {
            outbox.push(Frame::text(text.as_bytes()));
        }
        let mut outlet = Narrow { takes: vec![usize::MAX], taken: vec![] };
        assert_eq!(outbox.flush(&mut outlet), Flush::Done);
        assert_eq!(outlet.taken, b"\x81\x01a\x81\x01b\x81\x01c");
    }

    #[test]
    fn abandoning_keeps_a_frame_that_is_half_out() {
        let mut outbox = Outbox::default();
        outbox.push(Frame::text(b"half"));
        outbox.push(Frame::text(b"whole"));
        let mut outlet = Narrow { takes: vec![3], taken: vec![] };
        assert_eq!(outbox.flush(&mut outlet), Flush::Blocked);
        outbox.abandon();
        outbox.push(Frame::text(b"last"));
        outlet.takes = vec![usize::MAX];
        assert_eq!(outbox.flush(&mut outlet), Flush::Done);
        assert_eq!(outlet.taken, b"\x81\x04half\x81\x04last");
        assert_eq!(outbox.bytes, 0);
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
            let mut outlet = Narrow { takes, taken: vec![] };
            let ended = outbox.flush(&mut outlet);
            prop_assert_eq!(outlet.taken.len() + outbox.bytes, expected.len());
            prop_assert!(expected.starts_with(&outlet.taken));
            prop_assert_eq!(ended == Flush::Done, outbox.bytes == 0);
        }
    }
}
