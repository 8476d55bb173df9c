//! A refusal as a value: what was refused, to whom, and why.
//!
//! Texts of peers are cut here.

use serde::Serialize;

use super::socket_text::as_text;
use crate::protocol::SocketId;

/// Characters of a text that a peer chose and that nothing else bounds.
const TEXT_CHARS: usize = 300;

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedPart {
    /// A connection before its first request.
    Connection,
    /// A WebSocket handshake.
    Handshake,
    /// A request to the HTTP API.
    Request,
    /// A subscription.
    Subscription,
    /// A sign-in.
    SignIn,
    /// A message of a client.
    Message,
    /// An event that another program published in Redis.
    Input,
}

/// A refusal.
#[derive(Debug, Clone, Serialize)]
pub struct Refusal {
    /// What was refused.
    pub part: RefusedPart,
    /// The cause in one word, as metrics have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The close code, the code of the error, or the status of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The cause and what to change, as the peer got it.
    pub cause: String,
    /// The socket.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub socket: Option<SocketId>,
    /// The channel, as the client wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The client, and the proxy through which it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The origin of the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

impl RefusedPart {
    /// Its name in rows and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Handshake => "handshake",
            Self::Request => "request",
            Self::Subscription => "subscription",
            Self::SignIn => "sign_in",
            Self::Message => "message",
            Self::Input => "input",
        }
    }
}

impl Refusal {
    /// A refusal of which nothing else is known.
    pub fn new(part: RefusedPart, cause: &str) -> Self {
        Self {
            part,
            reason: None,
            code: None,
            cause: cut(cause),
            socket: None,
            channel: None,
            client: None,
            origin: None,
        }
    }

    /// The same with the code of the answer.
    pub fn with_code(self, code: u16) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The same with its cause in one word.
    pub fn with_reason(self, reason: Option<&'static str>) -> Self {
        Self { reason, ..self }
    }

    /// The same with the socket.
    pub fn of_socket(self, socket: SocketId) -> Self {
        Self { socket: Some(socket), ..self }
    }

    /// The same with the channel, as the client wrote it.
    pub fn of_channel(self, channel: &str) -> Self {
        Self { channel: Some(cut(channel)), ..self }
    }

    /// The same with who the client is.
    pub fn of_client(self, client: Option<String>) -> Self {
        Self { client, ..self }
    }

    /// The same with the origin of the page.
    pub fn of_origin(self, origin: Option<&str>) -> Self {
        Self { origin: origin.map(cut), ..self }
    }
}

/// The first characters of a text that a peer chose.
fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
