//! A socket that may not open: the handshake is completed, the reason is sent, the socket is closed
//! with the code.
//!
//! Browsers report a dropped connection or a plain HTTP error as 1006; pusher-js then retries for
//! ever instead of reporting the reason.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::protocol::{CloseCode, Frame, server_message};
use crate::stream::ByteStream;

/// Writes the 101, the reason and the close frame, then waits until the peer closes or
/// `close_timeout` resolves.
pub(super) async fn refuse(
    mut stream: ByteStream,
    response: Vec<u8>,
    code: CloseCode,
    close_timeout: impl Future<Output = ()>,
) {
    let mut bytes = response;
    bytes.extend_from_slice(server_message::closing_error(code).as_bytes());
    bytes.extend_from_slice(Frame::close(code).as_bytes());
    let closing_handshake = async {
        stream.write_all(&bytes).await?;
        stream.shutdown().await?;
        // The kernel answers unread bytes with a reset, which could overtake the close frame.
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    tokio::select! {
        // An error means that the peer is gone.
        _ = closing_handshake => {}
        () = close_timeout => {}
    }
}
