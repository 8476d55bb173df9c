//! [`TlsStream`]: the content of a TLS connection, over the stream that carries its records.
//!
//! The connection task reads while the shard of the socket writes, and both need the state of the
//! connection: it is behind a lock, which no plain connection has. Owns what the kernel has not taken of the
//! records that were made; a record that was made has to be sent before the next one is.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

use super::direct_send::direct_send;
use crate::tls::{RECORD_BYTES, TlsSession};

/// The longest record: what is read at once without what is kept.
const READ_BYTES: usize = RECORD_BYTES + 2048 + 5;

thread_local! {
    /// Records from the kernel. One per worker thread, not per connection; so are the others.
    static RECEIVED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// A record for the kernel.
    static RECORD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Content that is encrypted as one record.
    static CONTENT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One TLS connection.
#[derive(Debug)]
pub struct TlsStream {
    carrier: TcpStream,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    session: TlsSession,
    /// The sending side ends when all records are sent.
    is_finishing: bool,
}

/// A handshake that failed: the stream, the alert for the client, and the reason.
#[derive(Debug)]
pub struct FailedHandshake {
    /// The stream below TLS.
    pub carrier: TcpStream,
    /// What the client has to be sent.
    pub alert: Vec<u8>,
    /// An error of the connection, or of TLS (the source of an `InvalidData`).
    pub error: io::Error,
}

impl TlsStream {
    /// Shakes hands over `carrier`, whose first byte has not been read. Takes as long as the client does.
    pub async fn accept(
        carrier: TcpStream,
        config: Arc<ServerConfig>,
    ) -> Result<Self, Box<FailedHandshake>> {
        let session = match TlsSession::new(config) {
            Ok(session) => session,
            Err(error) => return Err(failed(carrier, Vec::new(), invalid(error))),
        };
        let state = Mutex::new(State { session, is_finishing: false });
        let stream = Self { carrier, state };
        match poll_fn(|cx| stream.poll_handshake(cx)).await {
            Ok(()) => Ok(stream),
            Err(error) => {
                let alert = std::mem::take(&mut stream.state.lock().session.unsent);
                Err(failed(stream.carrier, alert, error))
            }
        }
    }

    /// Whether the session of an earlier connection was resumed.
    pub fn is_resumed(&self) -> bool {
        self.state.lock().session.is_resumed()
    }

    /// The stream that carries the records.
    pub(super) fn carrier(&self) -> &TcpStream {
        &self.carrier
    }

    /// Encrypts and sends at most [`RECORD_BYTES`]; `WouldBlock` while records from before have to be
    /// sent. What the kernel does not take of the new record is left to [`send_unsent`](Self::send_unsent).
    pub(super) fn send(&self, content: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.state.lock();
        if !self.drain(&mut state)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match content {
            [] => Ok(0),
            [one] => self.send_record(&mut state, &one[..one.len().min(RECORD_BYTES)]),
            many => CONTENT.with_borrow_mut(|joined| {
                joined.clear();
                for slice in many {
                    let room = RECORD_BYTES - joined.len();
                    joined.extend_from_slice(&slice[..slice.len().min(room)]);
                }
                self.send_record(&mut state, joined)
            }),
        }
    }

    /// Sends what is left of records; true if nothing is.
    pub(super) fn send_unsent(&self) -> io::Result<bool> {
        self.drain(&mut self.state.lock())
    }

    /// Whether records have to be sent.
    pub(super) fn has_unsent(&self) -> bool {
        !self.state.lock().session.unsent.is_empty()
    }

    /// Announces the end, and ends the sending side once all records are sent.
    pub(super) fn finish(&self) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.is_finishing, true) {
            return;
        }
        let session = &mut state.session;
        let mut unsent = std::mem::take(&mut session.unsent);
        // Without the announcement the client sees the end of the connection alone.
        let _ = session.encrypt_end(&mut unsent);
        session.unsent = unsent;
        // An error means that the client is gone.
        let _ = self.drain(&mut state);
    }

    /// Reads content; `WouldBlock` if no record is complete, 0 at the client's end, with or without its
    /// announcement: messages and answers have lengths of their own.
    pub(super) fn try_read(&self, content: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state.lock();
        match state.session.take_unread(content) {
            0 => self.receive(&mut state, content)?.ok_or_else(|| io::ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        }
    }

    /// Whether [`try_read`](Self::try_read) may have something to read.
    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state.lock().session.has_backlog() {
            return Poll::Ready(Ok(()));
        }
        self.carrier.poll_read_ready(cx)
    }

    /// Sends what is left of records, waiting for the kernel to take it.
    pub(super) fn poll_unsent(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.send_unsent()? {
            ready!(self.carrier.poll_write_ready(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.try_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_read_ready(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        content: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_unsent(cx))?;
        Poll::Ready(self.send(content))
    }

    /// Announces the end, and waits until all records are sent.
    pub(super) fn poll_finish(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        self.poll_unsent(cx)
    }

    fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_unsent(cx))?;
            let mut state = self.state.lock();
            if !state.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            match self.receive(&mut state, &mut []) {
                Ok(Some(_)) if state.session.is_handshaking() => {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    drop(state);
                    ready!(self.carrier.poll_read_ready(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Reads once and decrypts what is complete; `None` if that is no content.
    fn receive(&self, state: &mut State, content: &mut [u8]) -> io::Result<Option<usize>> {
        let session = &mut state.session;
        if session.is_ended {
            return Ok(Some(0));
        }
        let filled = RECEIVED.with_borrow_mut(|records| {
            let kept = session.kept().len();
            if records.len() < kept + READ_BYTES {
                records.resize(kept + READ_BYTES, 0);
            }
            records[..kept].copy_from_slice(session.kept());
            let arrived = match session.has_backlog() {
                true => 0,
                false => match self.carrier.try_read(&mut records[kept..kept + READ_BYTES])? {
                    0 => return Ok(Some(0)),
                    arrived => arrived,
                },
            };
            match session.decrypt(&mut records[..kept + arrived], content) {
                Ok(0) => Ok(session.is_ended.then_some(0)),
                Ok(filled) => Ok(Some(filled)),
                Err(error) => Err(invalid(error)),
            }
        });
        if !state.session.unsent.is_empty() {
            // What the kernel does not take is sent with the next write.
            self.drain(state)?;
        }
        filled
    }

    fn send_bytes(&self, records: &[u8]) -> io::Result<usize> {
        let socket = SockRef::from(&self.carrier);
        direct_send(&socket, &[IoSlice::new(records)], |records| {
            self.carrier.try_write_vectored(records)
        })
    }

    fn send_record(&self, state: &mut State, content: &[u8]) -> io::Result<usize> {
        RECORD.with_borrow_mut(|record| {
            record.clear();
            state.session.encrypt(content, record).map_err(invalid)?;
            let sent = match self.send_bytes(record) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                sent => sent?,
            };
            state.session.unsent.extend_from_slice(&record[sent..]);
            Ok(content.len())
        })
    }

    /// Sends what is left of records; true if nothing is.
    fn drain(&self, state: &mut State) -> io::Result<bool> {
        let unsent = &mut state.session.unsent;
        while !unsent.is_empty() {
            match self.send_bytes(unsent) {
                Ok(sent) if sent == unsent.len() => *unsent = Vec::new(),
                Ok(sent) => drop(unsent.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if state.is_finishing {
            // Fails only when the peer is already gone, which needs no end.
            let _ = SockRef::from(&self.carrier).shutdown(Shutdown::Write);
        }
        Ok(true)
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn failed(carrier: TcpStream, alert: Vec<u8>, error: io::Error) -> Box<FailedHandshake> {
    Box::new(FailedHandshake { carrier, alert, error })
}
