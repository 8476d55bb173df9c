//! Inflates the messages of `permessage-deflate` without context take-over.
//!
//! Owns one decompressor and one buffer for all sockets of a worker, which the lack of context
//! allows. Refuses to know frames.

use flate2::{Decompress, FlushDecompress, Status};

/// What RFC 7692 takes off the end of every message.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// More is a bomb, not a message.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One for all sockets of a worker.
#[derive(Debug)]
pub(super) struct Inflater {
    decompress: Decompress,
    message: Vec<u8>,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self { decompress: Decompress::new(false), message: Vec::with_capacity(16 * 1024) }
    }

    /// The message, or `None` if these bytes are none.
    pub(super) fn inflate(&mut self, payload: &[u8]) -> Option<&[u8]> {
        self.decompress.reset(false);
        self.message.clear();
        for part in [payload, &TAIL] {
            let start = self.decompress.total_in();
            loop {
                let taken = (self.decompress.total_in() - start) as usize;
                if self.message.len() == self.message.capacity() {
                    self.message.reserve(16 * 1024);
                }
                let rest = part.get(taken..)?;
                let done =
                    self.decompress.decompress_vec(rest, &mut self.message, FlushDecompress::Sync);
                let status = done.ok()?;
                let taken = (self.decompress.total_in() - start) as usize;
                let has_room = self.message.len() < self.message.capacity();
                if status == Status::StreamEnd || (taken == part.len() && has_room) {
                    break;
                }
                if self.message.len() > MESSAGE_BYTES_MAX
                    || (status == Status::BufError && has_room)
                {
                    return None;
                }
            }
        }
        Some(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::Inflater;

    fn deflated(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 1024);
        let mut compress = Compress::new(Compression::fast(), false);
        compress.compress_vec(text, &mut out, FlushCompress::Sync).unwrap();
        out.truncate(out.len() - 4);
        out
    }

    #[test]
    fn messages_of_all_sizes_come_back_one_after_another() {
        let mut inflater = Inflater::new();
        for length in [0, 1, 100, 16 * 1024, 1_000_000] {
            let text: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            assert_eq!(inflater.inflate(&deflated(&text)), Some(&text[..]), "{length}");
        }
    }

    #[test]
    fn garbage_is_none() {
        assert_eq!(Inflater::new().inflate(&[0xff; 20]), None);
    }
}
