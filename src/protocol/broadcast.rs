//! One message for many sockets: its frame, and the deflated frame, made when the first receiver
//! needs it.
//!
//! The receivers belong to the hub.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::Frame;
use super::deflate::Deflater;

/// A frame on its way to the subscribers of a channel. Cloning costs one reference count.
#[derive(Debug, Clone)]
pub struct Broadcast(Arc<Encodings>);

#[derive(Debug)]
struct Encodings {
    plain: Frame,
    deflated: OnceLock<Frame>,
    triggered_at: Option<Instant>,
}

impl Broadcast {
    /// A broadcast of a text frame.
    pub fn new(plain: Frame) -> Self {
        Self::triggered(plain, None)
    }

    /// A broadcast of an event, with the time at which its trigger arrived, if a back end triggered it.
    pub fn triggered(plain: Frame, triggered_at: Option<Instant>) -> Self {
        Self(Arc::new(Encodings { plain, deflated: OnceLock::new(), triggered_at }))
    }

    /// When the trigger of the event arrived at this node.
    pub fn triggered_at(&self) -> Option<Instant> {
        self.0.triggered_at
    }

    /// The frame for sockets without permessage-deflate.
    pub fn plain(&self) -> &Frame {
        &self.0.plain
    }

    /// The frame for sockets that negotiated permessage-deflate. The first call deflates it; if that
    /// does not make it shorter, it is the plain frame.
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
    fn a_deflated_frame_has_rsv1_and_the_same_payload() {
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
