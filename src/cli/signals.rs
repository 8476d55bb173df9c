//! Receives the signals of the process: which of them begin a drain, which cut it short, which hand over to
//! another process, and which are ignored.
//!
//! SIGPIPE has no handler: Rust ignores it from the start, and a write to a closed connection must not
//! wake the process.

use std::future::poll_fn;
use std::io::{self, IsTerminal};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The time after the first signal in which others count as the same request. A terminal and a wrapper
/// each forward one Ctrl-C, systemd sends SIGHUP right after SIGTERM; a person needs longer to press it
/// twice.
const REPEAT_AFTER: Duration = Duration::from_millis(500);

/// The purpose of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A request to stop; repeating it cuts the drain short.
    Stop,
    /// The terminal was closed, which stops the process too. Never a repetition.
    HangUp,
    /// A request to hand over to the program as it is on disk.
    Upgrade,
    /// A request to read the configuration again: SIGHUP that no closed terminal caused.
    Reload,
    /// Has no effect. Without a handler it would kill the process.
    Unused,
}

/// The reaction to a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Response {
    /// Begin the drain.
    Drain,
    /// Read the configuration again.
    Reload,
    /// End the drain now.
    CutShort,
    /// Start the process that takes over.
    Upgrade,
    /// Log this reason.
    Ignore(&'static str),
}

/// Receives every signal that would end the process.
pub(super) struct Signals {
    received: Vec<(&'static str, Purpose, Signal)>,
    draining_since: Option<Instant>,
    /// The process has a terminal whose end stops it.
    has_terminal: bool,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        let handled = [
            ("SIGTERM", Purpose::Stop, SignalKind::terminate()),
            ("SIGINT", Purpose::Stop, SignalKind::interrupt()),
            ("SIGQUIT", Purpose::Stop, SignalKind::quit()),
            ("SIGUSR1", Purpose::Unused, SignalKind::user_defined1()),
            ("SIGUSR2", Purpose::Upgrade, SignalKind::user_defined2()),
            ("SIGHUP", Purpose::HangUp, SignalKind::hangup()),
        ];
        // nohup starts a process with SIGHUP ignored, so that it outlives its terminal.
        let has_terminal = is_on_terminal() && !is_ignored(SignalKind::hangup());
        let received = handled
            .into_iter()
            .map(|(name, purpose, kind)| signal(kind).map(|signal| (name, purpose, signal)));
        Ok(Self {
            received: received.collect::<io::Result<_>>()?,
            draining_since: None,
            has_terminal,
        })
    }

    /// Waits for the next signal; returns its name and the reaction to it.
    pub(super) async fn next(&mut self) -> (&'static str, Response) {
        let (name, purpose) = poll_fn(|cx| {
            let mut received = self.received.iter_mut();
            let next = received.find_map(|(name, purpose, signal)| {
                signal.poll_recv(cx).is_ready().then_some((*name, *purpose))
            });
            next.map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        let now = Instant::now();
        let has_lost_terminal = self.has_terminal && !is_on_terminal();
        let purpose = match purpose {
            Purpose::HangUp if !has_lost_terminal => Purpose::Reload,
            other => other,
        };
        let response = respond(purpose, self.draining_since.map(|since| now - since));
        if response == Response::Drain {
            self.draining_since = Some(now);
        }
        (name, response)
    }
}

/// The reaction to a signal while the drain has lasted this long, or has not begun.
fn respond(purpose: Purpose, draining: Option<Duration>) -> Response {
    match (purpose, draining) {
        (Purpose::Reload, None) => Response::Reload,
        (Purpose::Unused, _) => Response::Ignore("Resound has no use for it"),
        (Purpose::Upgrade, None) => Response::Upgrade,
        (_, None) => Response::Drain,
        (Purpose::HangUp | Purpose::Upgrade | Purpose::Reload, Some(_)) => {
            Response::Ignore("the server is stopping already")
        }
        (Purpose::Stop, Some(draining)) if draining < REPEAT_AFTER => {
            Response::Ignore("it came less than half a second after the first")
        }
        (Purpose::Stop, Some(_)) => Response::CutShort,
    }
}

/// Whether a standard stream is a terminal; none is any more once it was closed.
fn is_on_terminal() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}

/// Whether the process was started with this signal ignored. Only Linux shows it to safe code;
/// elsewhere no signal counts as ignored.
fn is_ignored(kind: SignalKind) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (kind.as_raw_value() - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::{Duration, Purpose, REPEAT_AFTER, Response, respond};

    #[test]
    fn a_second_signal_cuts_the_drain_short_after_half_a_second() {
        let immediately = Some(Duration::from_millis(5));
        for (purpose, draining, response) in [
            (Purpose::Stop, None, Some(Response::Drain)),
            (Purpose::Stop, immediately, None),
            (Purpose::Stop, Some(REPEAT_AFTER), Some(Response::CutShort)),
            (Purpose::HangUp, None, Some(Response::Drain)),
            (Purpose::HangUp, immediately, None),
            (Purpose::HangUp, Some(REPEAT_AFTER), None),
            (Purpose::Upgrade, None, Some(Response::Upgrade)),
            (Purpose::Upgrade, Some(REPEAT_AFTER), None),
            (Purpose::Reload, None, Some(Response::Reload)),
            (Purpose::Reload, immediately, None),
            (Purpose::Unused, None, None),
            (Purpose::Unused, Some(REPEAT_AFTER), None),
        ] {
            let responded = Some(respond(purpose, draining));
            let responded = responded.filter(|response| !matches!(response, Response::Ignore(_)));
            assert_eq!(responded, response, "{purpose:?} {draining:?} into the drain");
        }
    }
}
