//! The signals of the process: which of them begin a drain, which cut it short, which change
//! nothing.
//!
//! SIGPIPE has no handler: Rust ignores it at the start, and a write to a connection that is gone
//! must not wake the process.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// From the first signal until a second one counts. A terminal and a wrapper each pass one Ctrl-C
/// on, systemd sends SIGHUP right behind SIGTERM; a person needs longer to press it twice.
const ONE_INTENTION: Duration = Duration::from_millis(500);

/// What a signal of this process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A request to stop, which can be repeated.
    Stop,
    /// The terminal is gone, which stops the process too and is no repetition.
    HangUp,
    /// Not used. Without a handler it would kill the process.
    Unused,
}

/// What to do about a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Response {
    /// Begin the drain.
    Drain,
    /// Do not wait for the end of the drain.
    CutShort,
    /// Nothing, for this reason.
    Ignore(&'static str),
}

/// The signals that would end the process, received.
pub(super) struct Signals {
    received: Vec<(&'static str, Purpose, Signal)>,
    draining_since: Option<Instant>,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        let mut wanted = vec![
            ("SIGTERM", Purpose::Stop, SignalKind::terminate()),
            ("SIGINT", Purpose::Stop, SignalKind::interrupt()),
            ("SIGQUIT", Purpose::Stop, SignalKind::quit()),
            ("SIGUSR1", Purpose::Unused, SignalKind::user_defined1()),
            ("SIGUSR2", Purpose::Unused, SignalKind::user_defined2()),
        ];
        // nohup starts a process that is to survive its terminal.
        if !is_ignored(SignalKind::hangup()) {
            wanted.push(("SIGHUP", Purpose::HangUp, SignalKind::hangup()));
        }
        let received = wanted
            .into_iter()
            .map(|(name, purpose, kind)| signal(kind).map(|signal| (name, purpose, signal)));
        Ok(Self { received: received.collect::<io::Result<_>>()?, draining_since: None })
    }

    /// The next signal, and what to do about it.
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
        let response = respond(purpose, self.draining_since.map(|since| now - since));
        if response == Response::Drain {
            self.draining_since = Some(now);
        }
        (name, response)
    }
}

/// What a signal means when the drain has lasted this long, or has not begun.
fn respond(purpose: Purpose, draining: Option<Duration>) -> Response {
    match (purpose, draining) {
        (Purpose::Unused, _) => Response::Ignore("Resound has no use for it"),
        (_, None) => Response::Drain,
        (Purpose::HangUp, Some(_)) => Response::Ignore("the server is stopping already"),
        (Purpose::Stop, Some(draining)) if draining < ONE_INTENTION => {
            Response::Ignore("it came less than half a second after the first")
        }
        (Purpose::Stop, Some(_)) => Response::CutShort,
    }
}

/// Whether the process was started with this signal ignored. Only Linux tells without unsafe code;
/// elsewhere no signal counts as ignored.
fn is_ignored(kind: SignalKind) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (kind.as_raw_value() - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::{Duration, ONE_INTENTION, Purpose, Response, respond};

    #[test]
    fn a_second_signal_counts_after_half_a_second() {
        let at_once = Some(Duration::from_millis(5));
        for (purpose, draining, response) in [
            (Purpose::Stop, None, Some(Response::Drain)),
            (Purpose::Stop, at_once, None),
            (Purpose::Stop, Some(ONE_INTENTION), Some(Response::CutShort)),
            (Purpose::HangUp, None, Some(Response::Drain)),
            (Purpose::HangUp, at_once, None),
            (Purpose::HangUp, Some(ONE_INTENTION), None),
            (Purpose::Unused, None, None),
            (Purpose::Unused, Some(ONE_INTENTION), None),
        ] {
            let responded = Some(respond(purpose, draining));
            let responded = responded.filter(|it| !matches!(it, Response::Ignore(_)));
            assert_eq!(responded, response, "{purpose:?} {draining:?} into the drain");
        }
    }
}
