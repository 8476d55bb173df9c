//! Why clients cannot connect, or an event is not confirmed.
//!
//! Owns the causes and their text. Advice about the network is left to the program that prints them.

use std::io;

use super::target::Target;

/// An answer that is no Pusher server's may be a page of HTML.
const ANSWER_CHARACTERS_SHOWN: usize = 200;

/// The first failure while clients connected or an event was sent.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No connection could be opened.
    #[error("{target} cannot be reached")]
    Unreachable {
        /// The node.
        target: Target,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// An answer other than 2xx.
    #[error("{target} did not confirm the event: it answered {status}{}", shown(.answer))]
    Unconfirmed {
        /// The URL of the node.
        target: String,
        /// The status of the answer.
        status: u16,
        /// Its body.
        answer: String,
    },
    /// The answer cannot be parsed.
    #[error(
        "{target} did not confirm the event: its answer is not HTTP; another service listens there"
    )]
    NotHttp {
        /// The node.
        target: Target,
    },
    /// The connection ended before the answer, as that of a server that expects TLS.
    #[error(
        "{target} did not confirm the event: it closed the connection; is it another service{}?",
        if .target.tls.is_none() { ", or does it expect TLS" } else { "" }
    )]
    ConnectionClosed {
        /// The node.
        target: Target,
    },
    /// No answer for another reason.
    #[error("{target} did not confirm the event")]
    Unanswered {
        /// The node.
        target: Target,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// The upgrade was answered with something other than 101.
    #[error(
        "{target} does not open a WebSocket at {path}: it answered {answer:?}; is there a path prefix, or another service?"
    )]
    NoWebSocket {
        /// The node.
        target: Target,
        /// The path of the request.
        path: String,
        /// The first line of the answer.
        answer: String,
    },
    /// A close frame, or an end without one (1006), before the last subscription.
    #[error("{target} closed a socket with {code} {reason:?} while it connected{}", advice(*.code))]
    Closed {
        /// The node.
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
        /// The node.
        target: Target,
        /// The channels of the socket.
        channels: String,
        /// The server's text.
        message: String,
    },
    /// A step of the connection did not happen in time.
    #[error("{target} left a socket waiting for {what} for {seconds} s; {ready} others were ready")]
    Silence {
        /// The node.
        target: Target,
        /// The step.
        what: &'static str,
        /// The time that was allowed.
        seconds: u64,
        /// Sockets that had all their subscriptions.
        ready: usize,
    },
    /// This machine's limit on descriptors.
    #[error(
        "this machine cannot open more sockets ({cause}); raise the limit of open files (ulimit -n) or ask for fewer connections"
    )]
    Descriptors {
        /// The error of the system.
        cause: io::Error,
    },
    /// A thread or a poll could not be started.
    #[error("cannot start the load generator: {0}")]
    Start(io::Error),
}

/// The first line, without characters that move the cursor of a terminal.
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
