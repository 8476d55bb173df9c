//! Why a crowd does not come about, told so that the reader knows what to change.

use super::Target;

/// The first thing that went wrong while a crowd connected.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nothing listens there, or the name has no address.
    #[error("no server answers at {target}: {cause}")]
    Unreachable {
        /// Where.
        target: Target,
        /// What the system said.
        cause: std::io::Error,
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
        /// What the system said.
        cause: std::io::Error,
    },
    /// Threads, polls.
    #[error("cannot start the load generator: {0}")]
    Start(std::io::Error),
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
