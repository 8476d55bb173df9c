//! One WebSocket driven by hand, for what a crowd does not do: connect one after another, join and
//! leave on command, stop reading.
//!
//! Owns the upgrade and the frames of one blocking connection. Refuses to know what a message means.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use resound::protocol::signature::channel_auth;
use socket2::{Domain, Protocol, Socket, Type};

use crate::subject::Subject;

/// A server that says nothing for longer is not going to.
const PATIENCE: Duration = Duration::from_secs(20);

/// What arrived.
#[derive(Debug)]
pub(crate) enum Heard {
    Text(String),
    /// A close frame and its code; 1005 where it has none.
    Close(u16),
}

/// A client that was greeted.
pub(crate) struct Client {
    stream: TcpStream,
    /// Read, and not yet understood from `start` on.
    buffer: Vec<u8>,
    start: usize,
    pub(crate) socket_id: String,
}

impl Client {
    /// Connects and hears the greeting.
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
        stream.set_read_timeout(Some(PATIENCE))?;
        let (target, key) = (&subject.target, &subject.credentials.key);
        let (prefix, host) = (&target.prefix, target.authority());
        let query = "protocol=7&client=load&version=1.0";
        let request = format!(
            "GET {prefix}/app/{key}?{query} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut this = Self { stream, buffer: Vec::new(), start: 0, socket_id: String::new() };
        let end = loop {
            let end = this.buffer.windows(4).position(|window| window == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None => this.read()?,
            }
        };
        ensure!(this.buffer.starts_with(b"HTTP/1.1 101"), "the server does not upgrade");
        this.start = end;
        let Heard::Text(greeting) = this.hear()? else { bail!("closed instead of greeted") };
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

    /// Asks to join a channel, as `member` if that is given; the answer is left to be heard.
    pub(crate) fn subscribe(
        &mut self,
        subject: &Subject,
        channel: &str,
        member: Option<&str>,
    ) -> anyhow::Result<()> {
        let mut data = serde_json::json!({ "channel": channel });
        if channel.starts_with("private-") || channel.starts_with("presence-") {
            let (key, secret) = (&subject.credentials.key, &subject.credentials.secret);
            let auth = channel_auth(key, secret, &self.socket_id, channel, member);
            data["auth"] = auth.into();
            data["channel_data"] = member.into();
        }
        self.say(&serde_json::json!({ "event": "pusher:subscribe", "data": data }).to_string())
    }

    /// Sends one text message.
    pub(crate) fn say(&mut self, text: &str) -> anyhow::Result<()> {
        let mut frame = vec![0x81];
        match u16::try_from(text.len())? {
            length @ ..126 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&length.to_be_bytes());
            }
        }
        // A mask of zeros leaves the text as it is.
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        Ok(self.stream.write_all(&frame)?)
    }

    /// The next text message or the close frame.
    pub(crate) fn hear(&mut self) -> anyhow::Result<Heard> {
        loop {
            while let Some((opcode, payload)) = self.frame() {
                match opcode {
                    1 => return Ok(Heard::Text(String::from_utf8(payload)?)),
                    8 => {
                        let code = payload.first_chunk().map_or(1005, |c| u16::from_be_bytes(*c));
                        return Ok(Heard::Close(code));
                    }
                    _ => {}
                }
            }
            self.read()?;
        }
    }

    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let bytes = &self.buffer[self.start..];
        let (length, start) = match *bytes.get(1)? {
            126 => (usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)), 4),
            127 => (usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?, 10),
            length => (usize::from(length), 2),
        };
        let payload = bytes.get(start..start + length)?.to_vec();
        let opcode = bytes[0] & 15;
        self.start += start + length;
        Some((opcode, payload))
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
