//! permessage-deflate (RFC 7692) without context takeover: its negotiation, and both directions.
//!
//! No context is kept between messages, so one deflated event serves every socket that negotiated the
//! extension, and an idle socket costs no memory. Frames and sockets belong to others.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The answer to an offer that is accepted.
const ACCEPTED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// The answer to one that asks for the server's largest window, which has to be confirmed (RFC 7692, 7.1.2.1).
const ACCEPTED_WITH_WINDOW: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15";

/// The end of every deflated message, which is not sent (RFC 7692, 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Level 1 deflates 1 KB of JSON to 35 % in 5 µs, less than one send takes; level 6 to 27 % in 13 µs.
const LEVEL: Compression = Compression::fast();

/// More than the header of a block, its end and the tail take.
const BLOCK_BYTES: usize = 64;

/// How much the buffer of an inflated message grows at a time.
const GROWTH_BYTES: usize = 4096;

thread_local! {
    /// 40 KB, so there is one per reading thread and not one per socket.
    static INFLATER: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// The answer to the first of the offers in a `Sec-WebSocket-Extensions` header that can be accepted. An offer
/// that limits the server's window cannot, since all sockets get the same bytes.
pub fn accept(offers: &str) -> Option<&'static str> {
    offers.split(',').find_map(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        if parts.next() != Some("permessage-deflate") {
            return None;
        }
        let (mut seen, mut answer) = (Vec::new(), ACCEPTED);
        for parameter in parts {
            let (name, value) = match parameter.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
                None => (parameter, None),
            };
            if !is_supported(name, value) || seen.contains(&name) {
                return None;
            }
            seen.push(name);
            if name == "server_max_window_bits" {
                answer = ACCEPTED_WITH_WINDOW;
            }
        }
        Some(answer)
    })
}

fn is_supported(name: &str, value: Option<&str>) -> bool {
    match name {
        "server_no_context_takeover" | "client_no_context_takeover" => value.is_none(),
        "server_max_window_bits" => value == Some("15"),
        "client_max_window_bits" => value
            .is_none_or(|bits| matches!(bits, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")),
        _ => false,
    }
}

/// Deflates messages one at a time. 270 KB, so there is one per shard.
pub struct Deflater(Compress);

impl Default for Deflater {
    fn default() -> Self {
        Self(Compress::new(LEVEL, false))
    }
}

impl Deflater {
    /// The deflated message, without its tail; `None` if it would not be shorter.
    pub fn deflate(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        self.0.reset();
        // Room for whatever comes out, nine bits for a byte at most: a compression that stops for want of room leaves bytes in
        // the buffer of zlib-rs 0.6.8 which a reset does not give back, and a later message then panics there.
        let mut deflated = Vec::with_capacity(message.len() + message.len() / 8 + BLOCK_BYTES);
        let status = self.0.compress_vec(message, &mut deflated, FlushCompress::Sync);
        let all_read = self.0.total_in() == message.len() as u64;
        let all_out = matches!(status, Ok(Status::Ok)) && deflated.len() < deflated.capacity();
        if !(all_read && all_out && deflated.ends_with(&TAIL)) {
            *self = Self::default();
            return None;
        }
        deflated.truncate(deflated.len() - TAIL.len());
        (deflated.len() < message.len()).then_some(deflated)
    }
}

/// Why a deflated message cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InflateError {
    /// The message is larger than the limit.
    TooBig,
    /// The bytes are not deflated data.
    Corrupt,
}

/// Inflates a message of a peer. Stops beyond `bytes_max`, so that a small message cannot fill the memory.
pub fn inflate(deflated: &[u8], bytes_max: usize) -> Result<Vec<u8>, InflateError> {
    INFLATER.with_borrow_mut(|inflater| {
        inflater.reset(false);
        let mut message = Vec::new();
        if inflate_piece(inflater, deflated, &mut message, bytes_max)? {
            inflate_piece(inflater, &TAIL, &mut message, bytes_max)?;
        }
        Ok(message)
    })
}

/// Inflates `input` to its end; `false` if it contains the last block of the deflated data.
fn inflate_piece(
    inflater: &mut Decompress,
    mut input: &[u8],
    message: &mut Vec<u8>,
    bytes_max: usize,
) -> Result<bool, InflateError> {
    loop {
        // One byte beyond the limit shows whether there is more.
        let growth = (bytes_max + 1 - message.len()).min(GROWTH_BYTES);
        message.reserve_exact(growth);
        let (read_before, bytes_before) = (inflater.total_in(), message.len());
        let status = inflater.decompress_vec(input, message, FlushDecompress::Sync);
        let status = status.map_err(|_| InflateError::Corrupt)?;
        if message.len() > bytes_max {
            return Err(InflateError::TooBig);
        }
        input = &input[(inflater.total_in() - read_before) as usize..];
        match status {
            // After the last block, one byte may follow: the start of an empty block whose rest is the tail.
            Status::StreamEnd if matches!(input, [] | [0]) => return Ok(false),
            Status::StreamEnd => return Err(InflateError::Corrupt),
            Status::Ok | Status::BufError => {}
        }
        let is_stuck = read_before == inflater.total_in() && bytes_before == message.len();
        if input.is_empty() && message.len() < message.capacity() {
            return Ok(true);
        }
        if is_stuck {
            return Err(InflateError::Corrupt);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::RngExt;

    use super::{ACCEPTED, ACCEPTED_WITH_WINDOW, Deflater, InflateError, accept, inflate};

    #[test]
    fn offers_of_browsers_are_accepted() {
        for offers in [
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits=\"10\"",
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
        ] {
            assert_eq!(accept(offers), Some(ACCEPTED), "{offers}");
        }
        for offers in [
            "permessage-deflate; server_max_window_bits = 15",
            "permessage-deflate; server_max_window_bits=10, permessage-deflate;server_max_window_bits=\"15\"",
        ] {
            assert_eq!(accept(offers), Some(ACCEPTED_WITH_WINDOW), "{offers}");
        }
        for offers in [
            "",
            "permessage-bzip2",
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; something_new",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; client_max_window_bits=09",
            "permessage-deflate; client_max_window_bits=+9",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
            "permessage-deflate;",
        ] {
            assert_eq!(accept(offers), None, "{offers}");
        }
    }

    #[test]
    fn the_examples_of_the_rfc_inflate() {
        let hello: [&[u8]; 4] = [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            // Stored, a last block, two blocks.
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        ];
        for deflated in hello {
            assert_eq!(inflate(deflated, 5).unwrap(), b"Hello", "{deflated:x?}");
            assert_eq!(inflate(deflated, 4), Err(InflateError::TooBig));
        }
        assert_eq!(inflate(&[], 5).unwrap(), b"");
    }

    #[test]
    fn a_deflate_bomb_is_refused_at_the_limit() {
        let megabytes = vec![b'a'; 64 << 20];
        let bomb = Deflater::default().deflate(&megabytes).unwrap();
        assert!(bomb.len() < megabytes.len() / 100);
        assert_eq!(inflate(&bomb, 10_000), Err(InflateError::TooBig));
    }

    #[test]
    fn a_message_that_would_not_shrink_is_not_deflated() {
        let mut noise = [0; 2000];
        rand::rng().fill(&mut noise[..]);
        let mut deflater = Deflater::default();
        assert_eq!(deflater.deflate(&noise), None);
        assert_eq!(deflater.deflate(b"x"), None);
        assert!(deflater.deflate(&[b'x'; 100]).is_some());
    }

    /// What does not shrink is what encrypted channels carry, and it comes in a row.
    #[test]
    fn messages_that_do_not_shrink_change_nothing_for_those_behind_them() {
        let mut deflater = Deflater::default();
        let shrinks = "price".repeat(20_000);
        let mut sizes = vec![16_384, 32_768, 32_768, 60_000, 131_072, 131_072, 300];
        sizes.extend([1_000; 200]);
        sizes.extend([10_000; 20]);
        for (number, size) in sizes.into_iter().enumerate() {
            let mut noise = vec![0; size];
            rand::rng().fill(&mut noise[..]);
            assert_eq!(deflater.deflate(&noise), None, "{number}: {size} bytes");
            if number % 7 == 0 {
                let deflated = deflater.deflate(shrinks.as_bytes()).unwrap();
                assert_eq!(inflate(&deflated, shrinks.len()).unwrap(), shrinks.as_bytes());
            }
        }
    }

    proptest! {
        #[test]
        fn a_deflated_message_inflates_to_itself(message in "[a-f{}\":,]{0,3000}", again in "[a-c]{30,100}") {
            let mut deflater = Deflater::default();
            for message in [message.repeat(3), again.repeat(2)] {
                if let Some(deflated) = deflater.deflate(message.as_bytes()) {
                    prop_assert!(deflated.len() < message.len());
                    prop_assert_eq!(inflate(&deflated, message.len()).unwrap(), message.as_bytes());
                    prop_assert_eq!(inflate(&deflated, message.len() - 1), Err(InflateError::TooBig));
                }
            }
        }

        #[test]
        fn no_bytes_of_a_peer_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), max in 0usize..5000) {
            if let Ok(message) = inflate(&bytes, max) {
                prop_assert!(message.len() <= max);
            }
        }
    }
}
