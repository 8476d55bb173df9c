//! The TLS records of one connection: which bytes are sent and received for which content.
//!
//! Owns the state of rustls, what is left of an incomplete record, and what has to be sent. It uses the
//! interface of rustls without buffers: the other one keeps 4 KB for each idle connection. Nothing here
//! reads from a socket or writes to one.

use std::collections::VecDeque;
use std::fmt;
use std::io::Read;
use std::sync::Arc;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError,
    UnbufferedStatus, WriteTraffic,
};
use rustls::{Error, HandshakeKind, ServerConfig};

/// Bytes that one record holds.
pub const RECORD_BYTES: usize = 16 * 1024;

/// Bytes of records and of a fragmented handshake message that may wait for their end. A hello with
/// post-quantum keys has 2 KB.
const MAX_KEPT_BYTES: usize = 32 * 1024;

/// Room for what a record adds to its content.
const OVERHEAD_BYTES: usize = 256;

/// The TLS side of one connection.
pub struct TlsSession {
    connection: UnbufferedServerConnection,
    /// Received, and not complete yet or not asked for yet.
    kept: Vec<u8>,
    /// Whether `kept` may have complete records.
    has_backlog: bool,
    /// Content that was received with a record and not asked for yet.
    unread: VecDeque<u8>,
    /// Records that have to be sent.
    pub unsent: Vec<u8>,
    /// Nothing more is received: the peer has announced it, or broke the rules.
    pub is_ended: bool,
    /// The peer broke the rules. rustls has places in bytes that are no longer kept, so it is not called again.
    has_failed: bool,
}

impl TlsSession {
    /// The server's side of a connection whose first byte has not been read.
    pub fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config)?,
            kept: Vec::new(),
            has_backlog: false,
            unread: VecDeque::new(),
            unsent: Vec::new(),
            is_ended: false,
            has_failed: false,
        })
    }

    /// Whether the handshake is not complete.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the session of an earlier connection was resumed.
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Whether [`decrypt`](Self::decrypt) may yield content without further bytes.
    pub fn has_backlog(&self) -> bool {
        self.has_backlog || !self.unread.is_empty()
    }

    /// The bytes that come in front of those that arrive next.
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Takes content that was decrypted before; 0 if there is none.
    pub fn take_unread(&mut self, content: &mut [u8]) -> usize {
        let taken = self.unread.read(content).unwrap_or(0);
        if self.unread.is_empty() {
            self.unread = VecDeque::new();
        }
        taken
    }

    /// Decrypts `records`, which are [`kept`](Self::kept) and what has arrived behind it, until `content`
    /// is full or no record is complete; returns how much of `content` was filled. After an error the
    /// alert for the peer is in `unsent`, and nothing further can be received.
    pub fn decrypt(&mut self, records: &mut [u8], content: &mut [u8]) -> Result<usize, Error> {
        self.refuse_failed()?;
        let decrypted = self.decrypt_complete(records, content);
        self.has_failed = decrypted.is_err();
        self.is_ended |= self.has_failed;
        decrypted
    }

    fn decrypt_complete(&mut self, records: &mut [u8], content: &mut [u8]) -> Result<usize, Error> {
        let (mut used, mut filled) = (0, 0);
        self.has_backlog = false;
        while !self.has_backlog {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut records[used..]);
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let payload = record?.payload;
                        let fits = payload.len().min(content.len() - filled);
                        content[filled..filled + fits].copy_from_slice(&payload[..fits]);
                        filled += fits;
                        self.unread.extend(&payload[fits..]);
                    }
                    self.has_backlog = filled == content.len();
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.unsent)?,
                // The caller sends it.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.is_ended = true,
                Ok(_) => {
                    used += discard;
                    break;
                }
                Err(error) => {
                    self.queue_alert(&mut records[used + discard..]);
                    return Err(error);
                }
            }
            used += discard;
        }
        self.keep(&records[used..])?;
        Ok(filled)
    }

    /// Encrypts `content`, at most [`RECORD_BYTES`], into `record`, behind what rustls has to send itself.
    pub fn encrypt(&mut self, content: &[u8], record: &mut Vec<u8>) -> Result<(), Error> {
        self.write(record, |traffic, room| traffic.encrypt(content, room), content.len())
    }

    /// Encrypts the announcement that nothing more is sent.
    pub fn encrypt_end(&mut self, record: &mut Vec<u8>) -> Result<(), Error> {
        self.write(record, |traffic, room| traffic.queue_close_notify(room), 0)
    }

    /// Calls `put` once content may be encrypted. rustls finds the start of a fragmented message by its place
    /// in `kept`, so it gets these bytes each time.
    fn write(
        &mut self,
        record: &mut Vec<u8>,
        put: impl Fn(
            &mut WriteTraffic<'_, rustls::server::ServerConnectionData>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
        bytes: usize,
    ) -> Result<(), Error> {
        self.refuse_failed()?;
        loop {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut self.kept);
            let mut is_done = false;
            match state? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    append(record, bytes + OVERHEAD_BYTES, |room| match put(&mut traffic, room) {
                        Ok(written) => Ok(Ok(written)),
                        Err(EncryptError::InsufficientSize(size)) => Err(size),
                        Err(EncryptError::EncryptExhausted) => Ok(Err(Error::EncryptError)),
                    })?;
                    is_done = true;
                }
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(content) = traffic.next_record() {
                        self.unread.extend(content?.payload);
                    }
                }
                ConnectionState::EncodeTlsData(data) => encode(data, record)?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.is_ended = true,
                _ => return Err(Error::HandshakeNotComplete),
            }
            self.kept.drain(..discard);
            if is_done {
                return Ok(());
            }
        }
    }

    fn refuse_failed(&self) -> Result<(), Error> {
        match self.has_failed {
            true => Err(Error::General("the peer broke the rules of TLS".to_owned())),
            false => Ok(()),
        }
    }

    /// Stores what was not used. The bound is for what waits for bytes that have not arrived: complete records that
    /// wait for room were read at once, and nothing further is read before they are used.
    fn keep(&mut self, rest: &[u8]) -> Result<(), Error> {
        if rest.len() > MAX_KEPT_BYTES && !self.has_backlog {
            return Err(Error::General("a handshake message has too many fragments".to_owned()));
        }
        if rest.is_empty() {
            self.kept = Vec::new();
        } else {
            self.kept.clear();
            self.kept.extend_from_slice(rest);
        }
        Ok(())
    }

    /// The alert about an error, which rustls hands out first.
    fn queue_alert(&mut self, records: &mut [u8]) {
        let UnbufferedStatus { state, .. } = self.connection.process_tls_records(records);
        if let Ok(ConnectionState::EncodeTlsData(data)) = state {
            // Without it the peer sees the end of the connection alone.
            let _ = encode(data, &mut self.unsent);
        }
    }
}

impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSession").finish_non_exhaustive()
    }
}

fn encode<Data>(mut data: EncodeTlsData<'_, Data>, record: &mut Vec<u8>) -> Result<(), Error> {
    append(record, OVERHEAD_BYTES, |room| match data.encode(room) {
        Ok(written) => Ok(Ok(written)),
        Err(EncodeError::InsufficientSize(size)) => Err(size),
        Err(EncodeError::AlreadyEncoded) => Ok(Ok(0)),
    })
}

/// Appends what `put` writes, with as much room as it asks for.
fn append(
    record: &mut Vec<u8>,
    mut room: usize,
    mut put: impl FnMut(&mut [u8]) -> Result<Result<usize, Error>, InsufficientSizeError>,
) -> Result<(), Error> {
    let start = record.len();
    loop {
        record.resize(start + room, 0);
        match put(&mut record[start..]) {
            Ok(written) => {
                record.truncate(start + *written.as_ref().unwrap_or(&0));
                return written.map(drop);
            }
            Err(InsufficientSizeError { required_size }) => room = required_size,
        }
    }
}

#[cfg(test)]
mod tests;
