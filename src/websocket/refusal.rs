//! A connection that may not open: upgraded all the same, told why, closed with the code.
//!
//! A bare drop or a plain HTTP error shows in browsers as 1006, and pusher-js then retries for
//! ever instead of reporting the reason.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::protocol::{CloseCode, Frame, server_message};

/// Answers the handshake, gives the reason, then closes; waits for the peer to do the same until
/// `close_timeout` resolves.
pub(super) async fn refuse(
    mut stream: TcpStream,
    answer: Vec<u8>,
    code: CloseCode,
    close_timeout: impl Future<Output = ()>,
) {
    let mut last_words = answer;
    last_words.extend_from_slice(server_message::closing_error(code).as_bytes());
    last_words.extend_from_slice(Frame::close(code).as_bytes());
    let goodbye = async {
        stream.write_all(&last_words).await?;
        stream.shutdown().await?;
        // Until the peer closes: a reset for bytes we did not read could outrun our close frame.
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    tokio::select! {
        // A peer that is gone needs no reason.
        _ = goodbye => {}
        () = close_timeout => {}
    }
}
