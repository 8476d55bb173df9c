//! Messages that a server deflated without context take-over (RFC 7692).
//!
//! Owns one inflater for all sockets of a worker.

use std::io::{self, Cursor, Read};

use flate2::bufread::DeflateDecoder;

/// An inflated message longer than this is a bomb.
const MESSAGE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The four bytes the sender left off, and an empty last block, so that the stream ends.
const TAIL: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

/// Inflates one message after another with the same 40 KB of state.
#[derive(Debug)]
pub(super) struct Inflater(DeflateDecoder<Cursor<Vec<u8>>>);

impl Default for Inflater {
    fn default() -> Self {
        Self(DeflateDecoder::new(Cursor::default()))
    }
}

impl Inflater {
    /// The message of a deflated payload.
    pub(super) fn inflate(&mut self, payload: &[u8]) -> io::Result<Vec<u8>> {
        let mut input = std::mem::take(self.0.get_mut()).into_inner();
        input.clear();
        input.extend_from_slice(payload);
        input.extend_from_slice(&TAIL);
        self.0.reset(Cursor::new(input));
        let mut message = Vec::new();
        (&mut self.0).take(MESSAGE_BYTES_MAX).read_to_end(&mut message)?;
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::Inflater;

    #[test]
    fn the_examples_of_the_rfc_are_inflated_one_after_another() {
        let hello: [&[u8]; 4] = [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            // Stored, a last block, two blocks.
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        ];
        let mut inflater = Inflater::default();
        for deflated in hello {
            assert_eq!(inflater.inflate(deflated).unwrap(), b"Hello", "{deflated:x?}");
        }
    }

    #[test]
    fn garbage_is_an_error_and_the_next_message_is_read() {
        let mut inflater = Inflater::default();
        assert!(inflater.inflate(&[0xff; 20]).is_err());
        assert_eq!(
            inflater.inflate(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]).unwrap(),
            b"Hello"
        );
    }
}
