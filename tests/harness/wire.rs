//! A TCP connection that sends exact bytes, and reads HTTP answers and frames by hand.
//!
//! A reset is never taken for an end: it can outrun the last words, so it fails the test.

use std::net::SocketAddr;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::within;

/// The path every client of Reverb's test app connects to.
pub const APP: &str = "/app/reverb-key?protocol=7&client=js&version=8.6.0";

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// First bytes of final frames.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;
pub(crate) const BINARY: u8 = 0x82;

/// Of fragments of a message: the first, those between, the last.
pub(crate) const TEXT_BEGINS: u8 = 0x01;
pub(crate) const BINARY_BEGINS: u8 = 0x02;
pub(crate) const GOES_ON: u8 = 0x00;
pub(crate) const GOES_ON_LAST: u8 = 0x80;

/// `pusher:ping` and its answer.
pub(crate) const CLIENT_PING: &str = r#"{"event":"pusher:ping","data":{}}"#;
pub(crate) const SERVER_PONG: &str = r#"{"event":"pusher:pong","data":"{}"}"#;

/// The header of a masked frame in its shortest form.
pub(crate) fn header(first: u8, announced: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match announced {
        0..126 => bytes.push(0x80 | announced as u8),
        126..65536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(announced as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&announced.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes
}

/// A masked frame.
pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// A message that subscribes.
pub(crate) fn join(data: &Value) -> Vec<u8> {
    frame(TEXT, json!({ "event": "pusher:subscribe", "data": data }).to_string())
}

/// A well-formed handshake.
pub(crate) fn handshake() -> String {
    format!(
        "GET {APP} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// How a socket was closed: the messages before, the code, the reason.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Farewell {
    pub(crate) texts: Vec<String>,
    pub(crate) code: Option<u16>,
    pub(crate) reason: String,
}

/// The connection.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    /// The socket id, of a socket.
    pub(crate) id: String,
    received: Vec<u8>,
}

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::connect(address, None).await
    }

    /// With so little room in the kernel that not reading is soon noticed.
    pub(crate) async fn narrow(address: SocketAddr) -> Self {
        Self::connect(address, Some(4096)).await
    }

    async fn connect(address: SocketAddr, receive_bytes: Option<u32>) -> Self {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.unwrap();
        if let Some(bytes) = receive_bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        Self::over(within("a connection", socket.connect(address)).await.expect("a listener"))
    }

    /// Over a connection that was made elsewhere.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, id: String::new(), received: Vec::new() }
    }

    /// Upgraded and greeted.
    pub(crate) async fn socket(address: SocketAddr) -> Self {
        Self::open(address).await.greeted().await
    }

    /// The same over a [`narrow`](Self::narrow) connection.
    pub(crate) async fn narrow_socket(address: SocketAddr) -> Self {
        Self::narrow(address).await.greeted().await
    }

    /// Upgrades and waits for the greeting.
    pub async fn greeted(mut self) -> Self {
        self.send(handshake()).await;
        self.id = self.expect_greeting().await;
        self
    }

    /// Subscribes to a public channel.
    pub(crate) async fn subscribe(&mut self, channel: &str) {
        self.subscribe_with(&json!({ "channel": channel })).await;
    }

    /// Subscribes to a presence channel.
    pub(crate) async fn subscribe_as(&mut self, channel: &str, user_id: &str) {
        self.send(self.join_as(channel, user_id)).await;
        self.is_granted().await;
    }

    /// The message that subscribes to a presence channel.
    pub(crate) fn join_as(&self, channel: &str, user_id: &str) -> Vec<u8> {
        let member = json!({ "user_id": user_id }).to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(b"reverb-secret").unwrap();
        mac.update(format!("{}:{channel}:{member}", self.id).as_bytes());
        let auth = format!("reverb-key:{}", hex::encode(mac.finalize().into_bytes()));
        join(&json!({ "channel": channel, "auth": auth, "channel_data": member }))
    }

    async fn subscribe_with(&mut self, data: &Value) {
        self.send(join(data)).await;
        self.is_granted().await;
    }

    async fn is_granted(&mut self) {
        let answer = self.text().await;
        assert!(answer.contains("pusher_internal:subscription_succeeded"), "{answer}");
    }

    /// Reads the 101 and `connection_established`; returns the socket id.
    pub(crate) async fn expect_greeting(&mut self) -> String {
        assert_eq!(self.reply().await.status, 101);
        let greeting = self.text().await;
        assert!(greeting.starts_with(r#"{"event":"pusher:connection_established""#), "{greeting}");
        greeting.split(r#"socket_id\":\""#).nth(1).unwrap().split('\\').next().unwrap().to_owned()
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("an open connection");
    }

    /// The same where the server may have hung up already.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        within("the bytes to go out", self.stream.write_all(bytes.as_ref())).await
    }

    /// Says `bytes`, whatever comes of it, and nothing more.
    pub(crate) async fn send_all_and_finish(&mut self, bytes: &[u8]) {
        let _ = self.try_send(bytes).await;
        let _ = self.stream.shutdown().await;
    }

    /// An HTTP answer to anything but HEAD.
    pub(crate) async fn reply(&mut self) -> Reply {
        let head = self.head().await;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        let body = String::from_utf8(self.take(length).await).unwrap();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Reply { status: status.unwrap_or_else(|| panic!("no status in {head:?}")), head, body }
    }

    /// The head of an answer, field names in lower case.
    pub(crate) async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.received.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.more().await, "ended within a head: {:?}", self.received_text());
        }
    }

    /// The next frame: its first byte and payload; `None` at the end of the stream.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        if self.received.is_empty() && !self.more().await {
            return None;
        }
        let start = self.take(2).await;
        let announced: u64 = match start[1] {
            126 => u16::from_be_bytes(self.take(2).await.try_into().unwrap()).into(),
            127 => u64::from_be_bytes(self.take(8).await.try_into().unwrap()),
            short @ 0..126 => short.into(),
            masked => panic!("a masked frame of the server: {masked:#x}"),
        };
        // With RSV1 if it is deflated; binary ones are those of the echo server.
        let known = [TEXT, BINARY, CLOSE, PING, PONG, TEXT | 0x40, BINARY | 0x40];
        let known = known.contains(&start[0]);
        assert!(known, "a frame begins with {start:x?}");
        Some((start[0], self.take(announced as usize).await))
    }

    /// The next frame, which is a text message.
    pub(crate) async fn text(&mut self) -> String {
        match self.frame().await {
            Some((TEXT, payload)) => String::from_utf8(payload).expect("UTF-8"),
            other => panic!("expected a text message, received {other:x?}"),
        }
    }

    /// Everything up to the close frame, behind which nothing but the end may come.
    pub(crate) async fn farewell(&mut self) -> Farewell {
        let mut texts = Vec::new();
        loop {
            let (first, payload) = self.frame().await.expect("a close frame before the end");
            match first {
                TEXT => texts.push(String::from_utf8(payload).expect("UTF-8")),
                CLOSE => {
                    self.ends().await;
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    let reason = payload.get(2..).unwrap_or_default().to_vec();
                    return Farewell { texts, code, reason: String::from_utf8(reason).unwrap() };
                }
                _ => {}
            }
        }
    }

    /// Finishes a handshake; `None` if it is not answered, else how the socket was closed.
    pub(crate) async fn finish_handshake(mut self, end: &str) -> Option<Farewell> {
        self.try_send(end).await.ok()?;
        if !self.try_more().await.ok()? {
            return None;
        }
        assert_eq!(self.reply().await.status, 101);
        Some(self.farewell().await)
    }

    /// The stream ends here, in order.
    pub(crate) async fn ends(&mut self) {
        let ended = self.received.is_empty() && !self.more().await;
        assert!(ended, "expected the end, received {:?}", self.received_text());
    }

    /// Everything up to the end of the stream, which comes in order.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.received)
    }

    /// The stream ends, in any way and after any bytes.
    pub(crate) async fn is_cut_off(&mut self) {
        while matches!(self.try_more().await, Ok(true)) {}
    }

    fn received_text(&self) -> String {
        String::from_utf8_lossy(&self.received).chars().take(200).collect()
    }

    async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() < count {
            assert!(self.more().await, "ended in the middle: {:?}", self.received_text());
        }
        self.received.drain(..count).collect()
    }

    async fn more(&mut self) -> bool {
        self.try_more().await.expect("no reset")
    }

    async fn try_more(&mut self) -> std::io::Result<bool> {
        Ok(within("bytes", self.stream.read_buf(&mut self.received)).await? > 0)
    }
}
