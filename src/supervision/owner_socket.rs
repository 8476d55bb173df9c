//! The socket of the internal listener for the user of a server process and root: commands find it by the id of
//! the process.
//!
//! It needs no port, no path and no configuration, so it is always there, and several servers of one machine do
//! not meet. What is served there is left to the server.

use std::io;

use super::abstract_socket::{listen, name_of};
use crate::stream::StdListener;

/// The listening socket of this process.
#[derive(Debug)]
pub struct OwnerSocket(StdListener);

impl OwnerSocket {
    /// Listens. A server is whole without it, so one that cannot be had is a line in the log.
    pub fn listen() -> Option<Self> {
        let listener = owner_socket_name(std::process::id()).and_then(|name| listen(&name));
        match listener.and_then(tokio::net::UnixListener::into_std) {
            Ok(listener) => Some(Self(StdListener::Unix(listener))),
            Err(error) => {
                tracing::info!(%error, "no socket for commands: they need internal.listen and --url");
                None
            }
        }
    }

    /// The socket itself.
    pub fn into_listener(self) -> StdListener {
        self.0
    }
}

/// The abstract name of the socket of a process.
pub fn owner_socket_name(pid: u32) -> io::Result<String> {
    Ok(format!("{}/internal", name_of(pid)?))
}
