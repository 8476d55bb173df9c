//! Plays a case against a peer, whole, with more behind it and byte by byte, and judges what came of it.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::case::{Answer, Case, End};
use crate::echo;
use crate::harness::TestServer;
use crate::negotiation::inflated;
use crate::wire::{APP, CLIENT_PING, CLOSE, PING, SERVER_PONG, TEXT, Wire, frame};

/// Longer ones are written whole only: each byte is a packet of its own.
const CHOPPED_BYTES_MAX: usize = 400;

/// Behind what closes the socket, in the same write: bytes that the peer does not read must not reset the connection before its
/// close frame.
const UNREAD_BYTES: usize = 65_536;

const STILL: &[u8] = b"still here";

/// What is tested.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    kind: Kind,
    /// Served from the start to the end, whatever the cases do.
    bystander: Mutex<Wire>,
}

enum Kind {
    /// Stopped when it is dropped.
    Server(#[expect(dead_code, reason = "kept alive")] TestServer),
    /// Ended when the runtime of the test ends.
    Echo(
        #[expect(dead_code, reason = "kept alive")]
        JoinHandle<std::io::Result<std::convert::Infallible>>,
    ),
}

/// Plays each case against the server and the echo server, whole and, if it is short, byte by byte.
pub(crate) async fn check(cases: Vec<Case>) {
    for peer in [Peer::server().await, Peer::echo().await] {
        for case in &cases {
            peer.play(case).await;
        }
    }
}

/// A handshake with this offer of extensions.
pub(crate) fn handshake_with(offer: &str) -> String {
    format!(
        "GET {APP} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: {offer}\r\n\r\n"
    )
}

impl Peer {
    /// The server, with the echo server's limit of messages.
    pub(crate) async fn server() -> Self {
        let server =
            TestServer::with_app(&format!("max_message_size = {}", echo::MESSAGE_BYTES_MAX)).await;
        let address = server.address;
        Self::of("the server", address, Kind::Server(server)).await
    }

    pub(crate) async fn echo() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(echo::serve(listener));
        Self::of("the echo server", address, Kind::Echo(task)).await
    }

    async fn of(name: &'static str, address: SocketAddr, kind: Kind) -> Self {
        let bystander = Wire::open(address).await;
        let peer = Self { name, address, kind, bystander: Mutex::new(bystander) };
        let mut bystander = peer.bystander.lock().await;
        peer.shake(&mut bystander, "").await;
        drop(bystander);
        peer
    }

    /// A new connection behind its handshake.
    pub(crate) async fn connect(&self, deflate: bool) -> Wire {
        let mut wire = Wire::open(self.address).await;
        self.shake(&mut wire, if deflate { "permessage-deflate" } else { "" }).await;
        wire
    }

    async fn shake(&self, wire: &mut Wire, offer: &str) {
        wire.send(handshake_with(offer)).await;
        let head = wire.head().await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert_eq!(head.contains("permessage-deflate"), !offer.is_empty(), "{head}");
        if let Kind::Server(_) = self.kind {
            assert!(wire.text().await.contains("pusher:connection_established"));
        }
    }

    pub(crate) async fn play(&self, case: &Case) {
        self.play_whole(case).await;
        if case.end != End::Open {
            let mut wire = self.connect(case.deflate).await;
            wire.send([&case.bytes[..], &[0xaa; UNREAD_BYTES]].concat()).await;
            self.judge(case, wire, "with 64 KB behind it").await;
        }
        if case.bytes.len() <= CHOPPED_BYTES_MAX {
            let mut wire = self.connect(case.deflate).await;
            for byte in &case.bytes {
                // The rest of a frame that was refused at its start has nowhere to go.
                if wire.try_send([*byte]).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            self.judge(case, wire, "byte by byte").await;
        }
    }

    /// For many cases.
    pub(crate) async fn play_whole(&self, case: &Case) {
        let mut wire = self.connect(case.deflate).await;
        // Large messages are written and read at once: neither side keeps all of one.
        wire.send(&case.bytes).await;
        self.judge(case, wire, "whole").await;
    }

    async fn judge(&self, case: &Case, mut wire: Wire, how: &str) {
        let context = format!("{} ({how}), {}", case.name, self.name);
        if case.end == End::Open {
            wire.send(frame(PING, STILL)).await;
        }
        let mut answers = Vec::new();
        let end = loop {
            let Some((first, payload)) = wire.frame().await else {
                panic!("{context}: the end without a close frame, behind {answers:?}");
            };
            if first == CLOSE {
                wire.ends().await;
                break End::Closed(payload.first_chunk().map(|code| u16::from_be_bytes(*code)));
            }
            let payload = if first & 0x40 == 0 { payload } else { inflated(&payload) };
            let answer = Answer::of(first & !0x40, payload);
            let answer = answer.unwrap_or_else(|| panic!("{context}: a frame {first:#x}"));
            if answer == Answer::Pong(STILL.to_vec()) {
                break End::Open;
            }
            answers.push(answer);
        };
        assert_eq!(end, case.end, "{context}");
        match self.kind {
            Kind::Echo(_) => assert!(answers == case.answers, "{context}: {answers:?}"),
            Kind::Server(_) => judge_events(case, &answers, &context),
        }
        self.bystander_is_served(&context).await;
    }

    async fn bystander_is_served(&self, context: &str) {
        let mut bystander = self.bystander.lock().await;
        bystander.send(frame(TEXT, CLIENT_PING)).await;
        let expected = if let Kind::Server(_) = self.kind { SERVER_PONG } else { CLIENT_PING };
        assert_eq!(bystander.text().await, expected, "{context}");
    }
}

/// The server answers each message that is none of Pusher's with one error, and pings as the echo server does.
fn judge_events(case: &Case, answers: &[Answer], context: &str) {
    assert_eq!(answers.len(), case.answers.len(), "{context}: {answers:?}");
    for (answer, expected) in answers.iter().zip(&case.answers) {
        match expected {
            Answer::Pong(_) => assert_eq!(answer, expected, "{context}"),
            Answer::Text(_) | Answer::Binary(_) => {
                let Answer::Text(text) = answer else { panic!("{context}: {answer:?}") };
                let is_error = text.starts_with(br#"{"event":"pusher:error""#);
                assert!(is_error, "{context}: {}", String::from_utf8_lossy(text));
            }
        }
    }
}
