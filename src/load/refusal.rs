//! Why a crowd does not connect, or an event is not confirmed: the cause, and what to change.

use std::error::Error;
use std::io::{self, ErrorKind};

use super::Target;
use crate::network_fault::NetworkFault;

/// An answer that is no Pusher server's may be a page of HTML.
const ANSWER_CHARACTERS_SHOWN: usize = 200;

/// What a server that expects TLS does, like many a service that is not HTTP.
const CLOSED: &str = "it closed the connection; is it another service, or does it expect TLS?";

/// The first thing that went wrong while a crowd connected or an event was sent.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nothing listens there, or the name has no address.
    #[error("{target} cannot be reached: {}", unreachable(.cause))]
    Unreachable {
        /// Where.
        target: Target,
        /// The error of the system.
        cause: io::Error,
    },
    /// An answer, but not 200.
    #[error("{target} did not confirm the event: it answered {status}{}", shown(.answer))]
    Unconfirmed {
        /// Where.
        target: Target,
        /// The status of the answer.
        status: u16,
        /// Its body.
        answer: String,
    },
    /// No answer that HTTP allows.
    #[error("{target} did not confirm the event: {}", unanswered(&**.cause))]
    Unanswered {
        /// Where.
        target: Target,
        /// The error of the HTTP client.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// An answer, but not 101.
    #[error(
        "{target} does not open a WebSocket at {path}: it answered {answer:?}; is there a path prefix, or another service?"
    )]
    NoWebSocket {
        /// Where.
        target: Target,
        /// What was asked for.
        path: String,
        /// The first line of the answer.
        answer: String,
    },
    /// A close frame, or an end without one (1006), before the last subscription.
    #[error("{target} closed a socket with {code} {reason:?} while it connected{}", advice(*.code))]
    Closed {
        /// Where.
        target: Target,
        /// Pusher's number.
        code: u16,
        /// The server's text.
        reason: String,
    },
    /// `pusher:error` or `pusher:subscription_error`.
    #[error(
        "{target} refused to subscribe to {channels}: {message}; check the app's key and secret, and the channel's name"
    )]
    Subscription {
        /// Where.
        target: Target,
        /// What the socket asked for.
        channels: String,
        /// The server's text.
        message: String,
    },
    /// Silence.
    #[error("{target} left a socket waiting for {what} for {seconds} s; {ready} others were ready")]
    Silence {
        /// Where.
        target: Target,
        /// The step that did not happen.
        what: &'static str,
        /// How long.
        seconds: u64,
        /// How far it had come.
        ready: usize,
    },
    /// Our own machine.
    #[error(
        "this machine cannot open more sockets ({cause}); raise the limit of open files (ulimit -n) or ask for fewer connections"
    )]
    Descriptors {
        /// The error of the system.
        cause: io::Error,
    },
    /// Threads, polls.
    #[error("cannot start the load generator: {0}")]
    Start(io::Error),
}

fn unreachable(cause: &io::Error) -> String {
    let Some(fault) = NetworkFault::of(cause) else {
        return match cause.kind() {
            ErrorKind::AddrNotAvailable => {
                "this machine has no local port left for it; ask for fewer connections".to_owned()
            }
            _ => format!("this machine does not take the address ({cause})"),
        };
    };
    let advice = match fault {
        NetworkFault::Refused => "start the server, or give the address it listens on",
        NetworkFault::UnknownHost => "check its spelling",
        NetworkFault::TimedOut => "check the address, and the firewalls on the way",
        _ => "check the address",
    };
    format!("{fault}; {advice}")
}

fn unanswered(cause: &(dyn Error + 'static)) -> String {
    let http = cause.downcast_ref::<hyper::Error>();
    let system = cause.downcast_ref::<io::Error>().map(io::Error::kind);
    if http.is_some_and(hyper::Error::is_parse) || system == Some(ErrorKind::InvalidData) {
        return "its answer is not HTTP; another service listens there".to_owned();
    }
    // A blocking socket reports its time-out so.
    if system == Some(ErrorKind::WouldBlock) {
        return NetworkFault::TimedOut.to_string();
    }
    let is_cut = http.is_some_and(|error| error.is_incomplete_message() || error.is_canceled());
    match NetworkFault::of(cause) {
        Some(NetworkFault::Closed) => CLOSED.to_owned(),
        None if is_cut => CLOSED.to_owned(),
        Some(fault) => fault.to_string(),
        None => cause.to_string(),
    }
}

/// The first line, as text that cannot move the cursor of a terminal.
fn shown(answer: &str) -> String {
    let line = answer.trim_start().lines().next().unwrap_or_default();
    if line.is_empty() || line.starts_with('<') {
        return "; is there a path prefix, or another service?".to_owned();
    }
    let text = line.chars().filter(|character| !character.is_control());
    format!(": {}", text.take(ANSWER_CHARACTERS_SHOWN).collect::<String>())
}

fn advice(code: u16) -> &'static str {
    match code {
        4001 => "; check the app's key",
        4004 | 4100 => "; check the app's connection limit",
        4009 => "; check the allowed origins",
        1006 => "; the server's log may tell why",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::{Refusal, Target};

    fn target() -> Target {
        Target::parse("http://a:1/ws").unwrap()
    }

    #[test]
    fn an_address_out_of_reach_comes_with_what_to_change() {
        for (cause, expected) in [
            (
                ErrorKind::ConnectionRefused.into(),
                "nothing listens on that port; start the server, or give the address it listens on",
            ),
            (
                ErrorKind::TimedOut.into(),
                "no answer came in time; check the address, and the firewalls on the way",
            ),
            (ErrorKind::HostUnreachable.into(), "there is no route to the host; check the address"),
            (
                ErrorKind::AddrNotAvailable.into(),
                "this machine has no local port left for it; ask for fewer connections",
            ),
            (Error::other("odd"), "this machine does not take the address (odd)"),
        ] {
            let refusal = Refusal::Unreachable { target: target(), cause };
            let expected = format!("http://a:1/ws cannot be reached: {expected}");
            assert_eq!(refusal.to_string(), expected);
        }
    }

    #[test]
    fn the_errors_of_a_blocking_client_are_named_as_what_they_mean() {
        let closed = "it closed the connection; is it another service, or does it expect TLS?";
        for (cause, expected) in [
            (ErrorKind::WouldBlock.into(), "no answer came in time"),
            (ErrorKind::UnexpectedEof.into(), closed),
            (ErrorKind::ConnectionReset.into(), closed),
            (
                Error::new(ErrorKind::InvalidData, "it has no status"),
                "its answer is not HTTP; another service listens there",
            ),
        ] {
            let cause: Box<dyn std::error::Error + Send + Sync> = Box::<Error>::new(cause);
            let refusal = Refusal::Unanswered { target: target(), cause };
            let expected = format!("http://a:1/ws did not confirm the event: {expected}");
            assert_eq!(refusal.to_string(), expected);
        }
    }
}
