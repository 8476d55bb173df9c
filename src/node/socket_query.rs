//! Which sockets of this node are listed, and in which order.

use crate::hub::SocketSighting;
use crate::protocol::SocketId;

/// One look at all sockets at a time.
#[derive(Debug, Default)]
pub(super) struct SocketLooks(pub(super) tokio::sync::Mutex<()>);

/// In which order sockets are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SocketOrder {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// Those with the fullest outbox first.
    Outbox,
    /// Those that were sent most bytes first.
    Sent,
    /// Those that sent most bytes first.
    Received,
}

/// Which sockets are looked for; a part that is absent excludes nothing.
#[derive(Debug, Clone, Default)]
pub struct SocketQuery {
    /// The id of their app.
    pub app: Option<String>,
    /// The id or the address begins with this, the client contains it, or the user or a channel is this.
    pub search: Option<String>,
    /// Signed in as this user, or a member of a presence channel as this user.
    pub user: Option<String>,
    /// How the address begins.
    pub address: Option<String>,
    /// In this channel.
    pub channel: Option<String>,
    /// What library, version, origin or user agent contain.
    pub client: Option<String>,
    /// The order.
    pub order: SocketOrder,
}

impl SocketOrder {
    /// All of them, by name.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("newest", Self::Newest),
        ("oldest", Self::Oldest),
        ("outbox", Self::Outbox),
        ("sent", Self::Sent),
        ("received", Self::Received),
    ];

    pub(super) fn key(self, found: &SocketSighting) -> (u64, SocketId) {
        let key = match self {
            Self::Newest => u64::from(u32::MAX - found.opened),
            Self::Oldest => found.opened.into(),
            Self::Outbox => u64::MAX - found.outbox_bytes as u64,
            Self::Sent => u64::MAX - found.line.sent_bytes,
            Self::Received => u64::MAX - found.line.received_bytes,
        };
        (key, found.socket)
    }
}
