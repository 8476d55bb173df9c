//! Which sockets of this node are listed, and in which order.

pub use crate::hub::SocketOrder;

/// One look at all sockets at a time.
#[derive(Debug, Default)]
pub(super) struct SocketLooks(pub(super) tokio::sync::Mutex<()>);

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
