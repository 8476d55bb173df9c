//! The connection from a shard to a client: takes as many bytes as the world allows, and cuts them into frames again.

use std::io::{self, IoSlice};

use parking_lot::Mutex;
use resound::hub::{Signal, Transport};

/// The write side of a socket.
pub(crate) struct Wire(Mutex<Line>);

struct Line {
    /// Written and not read.
    bytes: Vec<u8>,
    /// So many more are taken.
    room: usize,
    is_full: bool,
    is_ending: bool,
}

/// One frame of a server.
#[derive(Debug)]
pub(crate) enum Sent {
    Text(Vec<u8>),
    Ping,
    Closed(u16),
}

impl Wire {
    pub(crate) fn new(room: usize) -> Self {
        Self(Mutex::new(Line { bytes: Vec::new(), room, is_full: false, is_ending: false }))
    }

    /// Takes so many bytes from now on.
    pub(crate) fn has_room(&self, room: usize) {
        let mut line = self.0.lock();
        (line.room, line.is_full) = (room, false);
    }

    /// The shard waits until there is room.
    pub(crate) fn is_full(&self) -> bool {
        self.0.lock().is_full
    }

    /// The server has ended the socket.
    pub(crate) fn is_ending(&self) -> bool {
        self.0.lock().is_ending
    }

    /// The frames that are whole. `Err` names what is none.
    pub(crate) fn take(&self) -> Result<Vec<Sent>, String> {
        let bytes = &mut self.0.lock().bytes;
        let mut all = Vec::new();
        while let Some((first, payload)) = next_frame(bytes) {
            all.push(match (first, payload.as_slice()) {
                (0x81, _) => Sent::Text(payload),
                (0x89, _) => Sent::Ping,
                (0x88, [high, low, ..]) => Sent::Closed(u16::from_be_bytes([*high, *low])),
                (other, _) => return Err(format!("a frame begins with {other:#x}")),
            });
        }
        Ok(all)
    }
}

/// Takes a frame off the beginning, if all of it is there: final and unmasked, as those of servers are.
fn next_frame(bytes: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (first, length) = (*bytes.first()?, *bytes.get(1)?);
    let (head, size) = match length {
        126 => (4, bytes.get(2..4)?),
        127 => (10, bytes.get(2..10)?),
        _ => (2, &bytes[1..2]),
    };
    let size = size.iter().fold(0, |sum, byte| sum * 256 + usize::from(*byte));
    let payload = bytes.get(head..head + size)?.to_vec();
    bytes.drain(..head + size);
    Some((first, payload))
}

impl Transport for Wire {
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut line = self.0.lock();
        if line.room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut written = 0;
        for slice in slices {
            let most = slice.len().min(line.room);
            line.bytes.extend_from_slice(&slice[..most]);
            (line.room, written) = (line.room - most, written + most);
        }
        Ok(written)
    }

    fn reads_deflated(&self) -> bool {
        false
    }

    fn signal(&self, signal: Signal) {
        let mut line = self.0.lock();
        match signal {
            Signal::AwaitWritable => line.is_full = true,
            Signal::Ending => line.is_ending = true,
            Signal::StopReading | Signal::ReadOn | Signal::Describe => {}
        }
    }

    fn finish(&self) {}
}
