//! Closing a listener without resetting a connection.
//!
//! A client's connection is open as soon as the kernel has answered the first packet, and a proxy
//! sends its request then. Connections that are not accepted when the listener is closed are reset,
//! and a proxy does not send a POST again that was reset. So new TCP handshakes are dropped first,
//! those under way complete, and their connections are accepted before the listener is closed.

use std::time::Duration;

use super::listen::SocketFile;
use crate::stream::{ByteStream, Listener, Peer};

/// The time for handshakes under way: the round trip to a proxy in another data centre. A client that
/// connects within it gets no answer, sends its first packet again a second later, and is refused then.
const HANDSHAKES: Duration = Duration::from_millis(5);

/// Closes a listener; returns the connections that were waiting in its backlog. A unix socket has no
/// handshake: without its `file`, clients are refused at once.
pub(super) async fn close(
    listener: Listener,
    file: Option<&SocketFile>,
) -> Vec<(ByteStream, Peer)> {
    match &listener {
        Listener::Tcp(listener) => {
            drop_handshakes(listener);
            tokio::time::sleep(HANDSHAKES).await;
        }
        Listener::Unix(_) => file.into_iter().for_each(SocketFile::remove),
    }
    // Without the runtime, whose readiness may lag behind the kernel's backlog.
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    std::iter::from_fn(|| listener.accept().ok()).collect()
}

/// Makes the kernel drop packets that begin a connection. Without the filter, a handshake that is
/// under way when the listener is closed is reset.
#[cfg(target_os = "linux")]
fn drop_handshakes(listener: &tokio::net::TcpListener) {
    use socket2::{SockFilter, SockRef};

    // Instructions of classic BPF: load the byte at `k`, keep the bits of `k`, continue if it equals
    // `k`, return `k`.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    // The offset of the flags in a TCP header, and two of them.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;

    let filter = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    if let Err(error) = SockRef::from(listener).attach_filter(&filter) {
        tracing::debug!(%error, "handshakes under way may be reset");
    }
}

/// Other kernels have no such filter.
#[cfg(not(target_os = "linux"))]
fn drop_handshakes(_: &tokio::net::TcpListener) {}
