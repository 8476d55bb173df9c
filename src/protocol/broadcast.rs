//! One message for many sockets: its frame, and the same deflated once one of them can read that.
//!
//! Refuses to know who the receivers are.

use std::sync::{Arc, OnceLock};

use super::Frame;
use super::deflate::Deflater;

/// A frame on its way to the subscribers of a channel. Cloning costs one reference count.
#[derive(Debug, Clone)]
pub struct Broadcast(Arc<Encodings>);

#[derive(Debug)]
struct Encodings {
    plain: Frame,
    deflated: OnceLock<Frame>,
}

impl Broadcast {
    /// Of a text frame.
    pub fn new(plain: Frame) -> Self {
        Self(Arc::new(Encodings { plain, deflated: OnceLock::new() }))
    }

    /// The frame as everybody can read it.
    pub fn plain(&self) -> &Frame {
        &self.0.plain
    }

    /// The frame for those who negotiated permessage-deflate: deflated by whoever asks first, and
    /// the plain one if that is shorter.
    pub fn deflated(&self, deflater: &mut Deflater) -> &Frame {
        let plain = &self.0.plain;
        self.0.deflated.get_or_init(|| {
            let deflated = deflater.deflate(plain.payload());
            deflated.map_or_else(|| plain.clone(), |payload| Frame::deflated_text(&payload))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Broadcast, Deflater, Frame};
    use crate::protocol::deflate::inflate;

    #[test]
    fn the_deflated_frame_says_so_and_holds_the_same() {
        let mut deflater = Deflater::default();
        for length in [200, 40_000, 100_000] {
            let payload = b"{\"status\":\"running\"}".repeat(length / 20);
            let broadcast = Broadcast::new(Frame::text(&payload));
            let deflated = broadcast.deflated(&mut deflater);
            assert_eq!(deflated.as_bytes()[0], 0xc1, "final, RSV1, text");
            assert!(deflated.len() < broadcast.plain().len() / 2);
            assert_eq!(inflate(deflated.payload(), length).unwrap(), payload);
        }
    }

    #[test]
    fn a_message_that_does_not_shrink_stays_plain() {
        let broadcast = Broadcast::new(Frame::text(b"hi"));
        assert_eq!(broadcast.deflated(&mut Deflater::default()).as_bytes(), b"\x81\x02hi");
    }
}
