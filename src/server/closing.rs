//! Closing a listener without resetting a connection.
//!
//! A client takes its connection for open as soon as the kernel has answered the first packet, and
//! a proxy sends its request then. Whatever is not accepted when the listener is closed is reset,
//! and a proxy does not send a POST again that was reset. So no new handshake begins, those that
//! have begun are finished, and what they made is accepted; only then the listener is closed.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// For handshakes that have begun: the round trip to a proxy that is not next door. A client that
/// connects within this time is not answered, sends its first packet again a second later, and is
/// refused then.
const HANDSHAKES: Duration = Duration::from_millis(5);

/// Closes a listener; returns the connections that it still had.
pub(super) async fn close(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    refuse_handshakes(&listener);
    tokio::time::sleep(HANDSHAKES).await;
    // Past the runtime, which may not know yet of what the kernel has.
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    let mut accepted = Vec::new();
    while let Ok((stream, peer)) = listener.accept() {
        if stream.set_nonblocking(true).is_ok() {
            accepted.extend(TcpStream::from_std(stream).map(|stream| (stream, peer)));
        }
    }
    accepted
}

/// Has the kernel drop packets that begin a connection. Without the filter, a handshake that is under
/// way when the listener is closed is reset.
#[cfg(target_os = "linux")]
fn refuse_handshakes(listener: &TcpListener) {
    use socket2::{SockFilter, SockRef};

    /// Of classic BPF: load the byte at `k`, keep the bits of `k`, go on if it is `k`, return `k`.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    /// The flags in a TCP header, and among them SYN and ACK.
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
fn refuse_handshakes(_: &TcpListener) {}
