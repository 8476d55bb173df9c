//! One WebSocket on a blocking connection, for what a pool does not do: connect one after another, join
//! and leave on command, stop reading.
//!
//! Owns the connection. What a message means is left to the scenario.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use resound_load::{FrameReader, Piece, text_frame};
use socket2::{Domain, Protocol, Socket, Type};

use crate::subject::Subject;

/// For each message of the server.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// What arrived.
#[derive(Debug)]
pub(crate) enum Received {
    Text(String),
    /// A close frame and its code; 1005 where it has none.
    Close(u16),
}

/// A client that was greeted.
pub(crate) struct Client {
    stream: TcpStream,
    frames: FrameReader,
    /// Read, and not yet taken from `start` on.
    buffer: Vec<u8>,
    start: usize,
    pub(crate) socket_id: String,
}

impl Client {
    /// Connects and receives the greeting.
    pub(crate) fn connect(subject: &Subject) -> anyhow::Result<Self> {
        Self::over(TcpStream::connect(subject.target.resolve()?)?, subject)
    }

    /// Connects with a receive buffer as small as the kernel allows.
    pub(crate) fn narrow(subject: &Subject) -> anyhow::Result<Self> {
        let address = subject.target.resolve()?;
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_recv_buffer_size(4096)?;
        socket.connect(&address.into())?;
        Self::over(socket.into(), subject)
    }

    fn over(mut stream: TcpStream, subject: &Subject) -> anyhow::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        let request = resound_load::upgrade(&subject.target, &subject.credentials.key, None);
        stream.write_all(request.as_bytes())?;
        let (frames, buffer) = (FrameReader::default(), Vec::new());
        let mut this = Self { stream, frames, buffer, start: 0, socket_id: String::new() };
        let end = loop {
            let end = this.buffer.windows(4).position(|window| window == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None => this.read()?,
            }
        };
        ensure!(this.buffer.starts_with(b"HTTP/1.1 101"), "the server does not upgrade");
        this.start = end;
        let Received::Text(greeting) = this.receive()? else { bail!("closed instead of greeted") };
        // The data is JSON inside a string of JSON.
        let id =
            greeting.split_once(r#"socket_id\":\""#).and_then(|(_, rest)| rest.split_once('\\'));
        this.socket_id = id.with_context(|| format!("no greeting: {greeting}"))?.0.to_owned();
        Ok(this)
    }

    /// The connection itself, for what else is to be sent on it.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Subscribes to a channel, as `member` on presence channels; the answer is left to be received.
    pub(crate) fn subscribe(
        &mut self,
        subject: &Subject,
        channel: &str,
        member: Option<&str>,
    ) -> anyhow::Result<()> {
        let credentials = &subject.credentials;
        self.send(&resound_load::subscribe(credentials, &self.socket_id, channel, member))
    }

    /// Sends one text message.
    pub(crate) fn send(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(self.stream.write_all(&text_frame(text.as_bytes()))?)
    }

    /// The next text message or the close frame.
    pub(crate) fn receive(&mut self) -> anyhow::Result<Received> {
        loop {
            let mut rest = &self.buffer[self.start..];
            let piece = self.frames.next(&mut rest)?;
            self.start = self.buffer.len() - rest.len();
            match piece {
                Some(Piece::Message { payload, .. }) => {
                    return Ok(Received::Text(String::from_utf8(payload.to_vec())?));
                }
                Some(Piece::Close(code, _)) => return Ok(Received::Close(code)),
                Some(Piece::Ping(_) | Piece::Pong) => {}
                None => self.read()?,
            }
        }
    }

    fn read(&mut self) -> anyhow::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let mut part = [0; 16 * 1024];
        let count = self.stream.read(&mut part).context("waiting for the server")?;
        ensure!(count > 0, "the server cut the connection");
        self.buffer.extend_from_slice(&part[..count]);
        Ok(())
    }
}
