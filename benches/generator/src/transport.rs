//! The bytes of one socket of the pool, over TCP or TLS, without waiting.
//!
//! Owns the records of TLS and those of them that the kernel has not taken yet. What the content means, and when the
//! socket is readable, is left to the socket and its worker.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::TcpStream;
use rustls::ClientConnection;

use super::tls_client::TlsClient;

/// The most that is read of the wire at once where it is decrypted.
const RECORDS_BYTES: usize = 64 * 1024;
/// Content that one read may return: what is read of the wire, and a record of which all but the end came before.
pub(super) const CONTENT_BYTES_MAX: usize = RECORDS_BYTES + 18 * 1024;

/// A connection, with the session of TLS where the target has it.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) stream: TcpStream,
    session: Option<Box<ClientConnection>>,
}

/// What one read returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrived {
    /// Bytes on the wire; 0 at the end of the connection.
    pub(super) wire: usize,
    /// Bytes of content, which are fewer with TLS, and none while it shakes hands.
    pub(super) content: usize,
    /// Whether the kernel has nothing more, which a short read shows.
    pub(super) is_drained: bool,
}

impl Transport {
    pub(super) fn new(stream: TcpStream, tls: Option<&TlsClient>) -> Self {
        Self { stream, session: tls.map(|tls| Box::new(tls.session())) }
    }

    /// Whether the handshake of TLS is under way.
    pub(super) fn is_shaking_hands(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_handshaking())
    }

    /// Writes as much as is taken. Over TLS, what is written during the handshake follows it.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else { return self.stream.write(bytes) };
        let taken = session.writer().write(bytes)?;
        self.flush()?;
        // The session takes nothing more while too many records wait.
        if taken == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    /// Writes the records that wait, as far as the kernel takes them.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Some(session) = &mut self.session else { return Ok(()) };
        while session.wants_write() {
            match session.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads content into `into`, which has room for [`CONTENT_BYTES_MAX`]; `records` is memory that sockets share.
    pub(super) fn read(&mut self, into: &mut [u8], records: &mut Vec<u8>) -> io::Result<Arrived> {
        let Some(session) = &mut self.session else {
            let wire = self.stream.read(into)?;
            return Ok(Arrived { wire, content: wire, is_drained: wire < into.len() });
        };
        records.resize(RECORDS_BYTES, 0);
        let wire = self.stream.read(records)?;
        let decrypted = decrypt(session, &records[..wire], into);
        // An answer of the handshake, or the alert that says why it failed.
        self.flush()?;
        Ok(Arrived { wire, content: decrypted?, is_drained: wire < RECORDS_BYTES })
    }
}

/// Bytes of content that the records had.
fn decrypt(
    session: &mut ClientConnection,
    mut records: &[u8],
    into: &mut [u8],
) -> io::Result<usize> {
    let mut content = 0;
    while !records.is_empty() {
        session.read_tls(&mut records)?;
        let state = session.process_new_packets();
        let state = state.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        let end = content + state.plaintext_bytes_to_read();
        session.reader().read_exact(&mut into[content..end])?;
        content = end;
    }
    Ok(content)
}
