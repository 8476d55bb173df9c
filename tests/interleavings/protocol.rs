//! The names of `protocol` that the files of the server use: a name and an id, which are texts here.

/// The name of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelName(String);

/// The id of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketId(u64);

impl ChannelName {
    /// This name.
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl SocketId {
    /// The socket with this number.
    pub fn new(number: u64) -> Self {
        Self(number)
    }
}
