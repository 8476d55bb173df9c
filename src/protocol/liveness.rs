//! Whether the client of one socket is alive: when the server pings it, and when it closes the socket.
//!
//! The time is an argument; the session sends the ping.

use std::time::{Duration, Instant};

use super::{Frame, server_message};

/// A worker looks within half a second of a deadline. One that looks later than this stood still itself, as a process in SIGSTOP
/// or a virtual machine that is moved does: what clients sent meanwhile may not have been read yet.
const STOOD_STILL: Duration = Duration::from_secs(1);

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

    /// The ping to send at the deadline; `None` if the last one was not answered. A client is pinged again where this server
    /// noticed the end of its time so late that the silence may be the server's own.
    pub(super) fn ping(&mut self, now: Instant, pong_timeout: Duration) -> Option<Frame> {
        if self.pinged_at.is_some_and(|pinged_at| now < pinged_at + pong_timeout + STOOD_STILL) {
            return None;
        }
        self.pinged_at = Some(now);
        Some(if self.uses_control_frames { Frame::ping() } else { server_message::ping() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: Duration = Duration::from_secs(50);
    const PONG: Duration = Duration::from_secs(30);

    /// A client that was pinged at its deadline, and the time of that.
    fn pinged() -> (Liveness, Instant) {
        let begin = Instant::now();
        let mut liveness = Liveness::new(begin);
        assert!(liveness.ping(begin + PING, PONG).is_some());
        (liveness, begin + PING)
    }

    #[test]
    fn a_ping_that_is_not_answered_in_time_is_the_last() {
        for late in [Duration::ZERO, Duration::from_millis(500)] {
            let (mut liveness, at) = pinged();
            assert_eq!(liveness.deadline(PING, PONG), at + PONG);
            assert!(liveness.ping(at + PONG + late, PONG).is_none(), "{late:?} late");
        }
    }

    #[test]
    fn a_client_is_pinged_again_where_the_server_itself_stood_still() {
        let (mut liveness, at) = pinged();
        let woken = at + PONG + Duration::from_secs(5);
        assert!(liveness.ping(woken, PONG).is_some());
        assert_eq!(liveness.deadline(PING, PONG), woken + PONG, "with the whole time to answer");
        assert!(liveness.ping(woken + PONG, PONG).is_none(), "once, if the server goes on");
    }
}
