//! Whether the client of one socket is alive: when the server pings it, and when it closes the socket.
//!
//! The time is an argument; the session sends the ping.

use std::time::{Duration, Instant};

use super::{Frame, server_message};

/// When a client was last active, and whether a ping is unanswered.
#[derive(Debug)]
pub(super) struct Liveness {
    last_activity: Instant,
    pinged_at: Option<Instant>,
    /// A client that sent a control frame is pinged with one; all others get `pusher:ping`.
    uses_control_frames: bool,
}

impl Liveness {
    pub(super) fn new(now: Instant) -> Self {
        Self { last_activity: now, pinged_at: None, uses_control_frames: false }
    }

    /// The client sent something, which also answers a ping.
    pub(super) fn record_activity(&mut self, now: Instant) {
        self.last_activity = now;
        self.pinged_at = None;
    }

    /// The client sent a ping or pong frame.
    pub(super) fn record_control_frame(&mut self, now: Instant) {
        self.record_activity(now);
        self.uses_control_frames = true;
    }

    /// When the client has to be pinged, or, after a ping, when its answer is overdue.
    pub(super) fn deadline(&self, ping_interval: Duration, pong_timeout: Duration) -> Instant {
        match self.pinged_at {
            Some(pinged_at) => pinged_at + pong_timeout,
            None => self.last_activity + ping_interval,
        }
    }

    /// The ping to send at the deadline; `None` if the last one was not answered.
    pub(super) fn ping(&mut self, now: Instant) -> Option<Frame> {
        if self.pinged_at.is_some() {
            return None;
        }
        self.pinged_at = Some(now);
        Some(if self.uses_control_frames { Frame::ping() } else { server_message::ping() })
    }
}
