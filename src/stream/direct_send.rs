//! Sending past the runtime.

use std::io::{self, IoSlice};

use socket2::SockRef;

/// Sends what the kernel takes right now; `WouldBlock` when it takes nothing.
///
/// Calls send(2) directly: tokio first loads its readiness word, memory that a delivery touches for
/// nothing else. After `WouldBlock` it writes `through_tokio`, which then waits for readiness again.
pub(super) fn direct_send(
    socket: &SockRef<'_>,
    bytes: &[IoSlice<'_>],
    through_tokio: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<usize> {
    let sent = match bytes {
        [one] => socket.send(one),
        many => socket.send_vectored(many),
    };
    match sent {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => through_tokio(bytes),
        sent => sent,
    }
}
