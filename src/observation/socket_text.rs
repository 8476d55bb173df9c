//! How the id of a socket stands in JSON: as the text that clients and back ends have.

use serde::Serializer;

use crate::protocol::SocketId;

pub(super) fn one_as_text<S: Serializer>(
    socket: &SocketId,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(socket)
}

pub(super) fn as_text<S: Serializer>(
    socket: &Option<SocketId>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match socket {
        Some(socket) => one_as_text(socket, serializer),
        None => serializer.serialize_none(),
    }
}
