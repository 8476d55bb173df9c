//! A socket as those who operate the server see it: the form that the internal API documents.

use std::time::{SystemTime, UNIX_EPOCH};

use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::socket_query::SocketQuery;
use crate::hub::{ClosedSocket, SessionSketch, SocketSighting};

/// An open socket, or one that ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SocketRow {
    /// Its id.
    pub socket: String,
    /// Its app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The node of a cluster that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// When it opened: milliseconds since the Unix epoch, to the tenth of a second.
    pub opened_at_ms: u64,
    /// For how long it is open, or was.
    pub open_for_ms: u64,
    /// The address of the client, behind proxies that are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The client library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version of the protocol that it asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Its origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Its user agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Whether this server decrypts the connection.
    pub tls: bool,
    /// Whether it negotiated permessage-deflate.
    pub deflate: bool,
    /// Bytes that the kernel took for it.
    pub sent_bytes: u64,
    /// Bytes that it sent behind its handshake.
    pub received_bytes: u64,
    /// Memory of the frames that wait for it.
    pub outbox_bytes: usize,
    /// The user that it is signed in as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// How many channels it is in; absent where its session did not answer in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_count: Option<usize>,
    /// The first hundred of them, in order of name; of one socket only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<JoinedChannel>>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<SocketEnd>,
}

/// The sockets that were found.
#[derive(Debug, Default)]
pub struct SocketList {
    /// The first of them.
    pub sockets: Vec<SocketRow>,
    /// How many there are.
    pub matched: usize,
}

/// A channel of a socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JoinedChannel {
    /// Its name.
    pub channel: String,
    /// The member that it joined as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

/// How a socket ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SocketEnd {
    /// `server`, `client`, or `network` without a close frame.
    pub by: &'static str,
    /// The code of the close frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The reason of the server, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// How long ago.
    pub ago_ms: u64,
}

impl SocketRow {
    pub(super) fn of(seen: &SocketSighting, app: Option<String>, node: Option<String>) -> Self {
        let open_for_ms = seen.age().as_millis() as u64;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let client = seen.line.client.as_deref().cloned().unwrap_or_default();
        let parameter = |text: Option<Box<str>>| {
            text.map(|text| percent_decode_str(&text).decode_utf8_lossy().into_owned())
        };
        Self {
            socket: seen.socket.to_string(),
            app,
            node,
            opened_at_ms: (now.as_millis() as u64).saturating_sub(open_for_ms),
            open_for_ms,
            address: seen.address.map(|address| address.to_string()),
            library: parameter(client.library),
            version: parameter(client.version),
            protocol: parameter(client.protocol),
            origin: client.origin.map(String::from),
            user_agent: client.user_agent.map(String::from),
            tls: seen.line.is_tls,
            deflate: seen.is_deflated,
            sent_bytes: seen.line.sent_bytes,
            received_bytes: seen.line.received_bytes,
            outbox_bytes: seen.outbox_bytes,
            ..Self::default()
        }
    }

    pub(super) fn without_channels(self, sketch: Option<SessionSketch>) -> Self {
        let Some(sketch) = sketch else { return self };
        // A member of a presence channel need not have signed in.
        let member = sketch.channels.iter().find_map(|(_, user_id)| user_id.clone());
        let user_id = sketch.user_id.or(member).map(|id| id.to_string());
        Self { user_id, channel_count: Some(sketch.channel_count), ..self }
    }

    pub(super) fn with_channels(self, sketch: Option<SessionSketch>) -> Self {
        let channels = sketch.as_ref().map(|sketch| {
            let joined = sketch.channels.iter().map(|(channel, user_id)| JoinedChannel {
                channel: channel.as_str().to_owned(),
                user_id: user_id.as_ref().map(|id| id.to_string()),
            });
            joined.collect()
        });
        Self { channels, ..self.without_channels(sketch) }
    }

    pub(super) fn ended(self, closed: &ClosedSocket) -> Self {
        let (by, code, reason) = closed.by.parts();
        let ago_ms = closed.at.elapsed().as_millis() as u64;
        let end = SocketEnd { by, code, reason, ago_ms };
        let open_for_ms = self.open_for_ms.saturating_sub(ago_ms);
        Self { open_for_ms, outbox_bytes: 0, closed: Some(end), ..self }
    }

    pub(super) fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// Whether a socket that ended fits; its user and its channels are not known any more.
    pub(super) fn fits(&self, query: &SocketQuery) -> bool {
        let has = |part: &Option<String>, text: &str| {
            part.as_ref().is_some_and(|part| part.to_lowercase().contains(&text.to_lowercase()))
        };
        let client = |text: &str| {
            [&self.library, &self.version, &self.origin, &self.user_agent]
                .into_iter()
                .any(|part| has(part, text))
        };
        let address =
            |text: &str| self.address.as_ref().is_some_and(|address| address.starts_with(text));
        let search = |text: &String| self.socket.starts_with(text) || address(text) || client(text);
        query.user.is_none()
            && query.channel.is_none()
            && query.app.as_ref().is_none_or(|app| self.app.as_ref() == Some(app))
            && query.address.as_deref().is_none_or(address)
            && query.client.as_deref().is_none_or(client)
            && query.search.as_ref().is_none_or(search)
    }
}
