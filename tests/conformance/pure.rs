//! Plays transcripts without a server: sessions and hub with transports in memory, the API's router
//! in process, and a clock that only `advance` moves.
//!
//! Replaces the transport, so what the transport decides, such as sizes and frames, is played over a
//! port. The HTTP API reads the real clock; no transcript compares the two finer
//! than the second it adds to what it advances by.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Cursor, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use resound::config::Config;
use resound::http::{Api, router};
use resound::hub::{EventCache, Shards, Signal, Transport};
use resound::metrics::Metrics;
use resound::node::{Arrival, Channels, ConnectionPermit, Node, Socket};
use resound::protocol::admission::admit;
use resound::protocol::{ClientParameters, CloseCode, server_message};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tower::ServiceExt;

use crate::harness::server::config;
use crate::play::{Received, Subject};
use crate::transcript::{Frame, Request, Transcript};

/// A node without a listener, and its clients in memory.
pub(crate) struct Pure {
    node: Arc<Node>,
    prefix: String,
    router: Router,
    /// Turns every shard until nothing moves.
    turn: Box<dyn FnMut()>,
    now: Instant,
    clients: HashMap<String, Client>,
}

struct Client {
    /// `None` once the server has ended it.
    socket: Option<Socket>,
    wire: Arc<Wire>,
    received: VecDeque<Received>,
}

/// What a shard wrote.
#[derive(Default)]
struct Wire {
    bytes: Mutex<Vec<u8>>,
    ending: AtomicBool,
}

/// The write side of a client; it takes everything at once.
struct Memory(Arc<Wire>);

impl Transport for Memory {
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let joined: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.0.bytes.lock().extend_from_slice(&joined);
        Ok(joined.len())
    }

    fn reads_deflated(&self) -> bool {
        false
    }

    fn signal(&self, signal: Signal) {
        assert_ne!(signal, Signal::AwaitWritable, "memory is never full");
        if signal == Signal::Ending {
            self.0.ending.store(true, Ordering::Relaxed);
        }
    }

    fn finish(&self) {}
}

impl Pure {
    /// Two shards, so that what crosses them is played too.
    pub(crate) fn new(transcript: &Transcript) -> Self {
        let Config { server, http, websocket, cache, apps, .. } = config(&transcript.toml());
        let metrics = Arc::new(Metrics::default());
        let (shards, mut all) = Shards::new(2, websocket, &metrics);
        let cache = EventCache::new(cache.ttl, cache.bytes);
        let node = Arc::new(Node::new(&apps, &shards, cache, metrics, &HashMap::new()));
        Self {
            router: router(&Arc::new(Api::new(node.clone(), server.path.as_str().into(), http))),
            node,
            prefix: server.path,
            turn: Box::new(move || shards.settle(&mut all)),
            now: Instant::now(),
            clients: HashMap::new(),
        }
    }

    /// Turns the shards until nothing moves. A socket that the server ends leaves its channels, which the
    /// others receive.
    fn settle(&mut self) {
        loop {
            (self.turn)();
            let ends = |client: &&mut Client| client.wire.ending.load(Ordering::Relaxed);
            let ended = self.clients.values_mut().filter(ends);
            let gone: Vec<Socket> = ended.filter_map(|client| client.socket.take()).collect();
            if gone.is_empty() {
                return;
            }
            for socket in gone {
                self.forget(socket);
            }
        }
    }

    fn forget(&self, socket: Socket) {
        let id = socket.id();
        drop(socket);
        self.node.shards().forget(id);
    }

    /// The checks of the WebSocket endpoint before a socket is opened.
    fn admitted(&self, target: &str, origin: Option<&str>) -> Result<Arc<Channels>, CloseCode> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_prefix(self.prefix.as_str()).ok_or(CloseCode::PathNotFound)?;
        let key = path.strip_prefix("/app/").filter(|key| !key.is_empty() && !key.contains('/'));
        let channels = self.node.channels_by_key(key.ok_or(CloseCode::PathNotFound)?);
        let channels = channels.ok_or(CloseCode::ApplicationDoesNotExist)?;
        let protocol = query.split('&').find_map(|pair| pair.strip_prefix("protocol="));
        admit(&channels.app(), protocol, origin)?;
        Ok(channels)
    }

    fn client(&mut self, name: &str) -> Result<&mut Client, String> {
        self.clients.get_mut(name).ok_or(format!("{name} is not open"))
    }

    fn next(&mut self, name: &str) -> Result<Received, String> {
        self.settle();
        let client = self.client(name)?;
        client.received.extend(frames(&std::mem::take(&mut *client.wire.bytes.lock())));
        Ok(client.received.pop_front().unwrap_or(Received::Nothing))
    }
}

impl Subject for Pure {
    async fn open(&mut self, name: &str, target: &str, origin: Option<&str>) -> Result<(), String> {
        let new_id = self.node.shards().new_socket_id(0);
        let wire = Arc::new(Wire::default());
        let transport = Arc::new(Memory(wire.clone()));
        let opened = self
            .admitted(target, origin)
            .and_then(|channels| {
                ConnectionPermit::acquire(&channels)
                    .now_or_never()
                    .expect("one node decides at once")
            })
            .map(|permit| {
                let query = target.split_once('?').map_or("", |(_, query)| query);
                let library = ClientParameters::of_query(query).library();
                let arrival =
                    Arrival { permit, id: new_id, client: None, library, transport, answer: None };
                Socket::open(arrival, self.now)
            });
        if let Err(code) = opened {
            let reason = server_message::closing_error(code);
            let close = resound::protocol::Frame::close(code);
            wire.bytes.lock().extend([reason.as_bytes(), close.as_bytes()].concat());
        }
        let client = Client { socket: opened.ok(), wire, received: VecDeque::new() };
        self.clients.insert(name.to_owned(), client);
        Ok(())
    }

    async fn send(&mut self, name: &str, frame: Frame) -> Result<(), String> {
        let (now, node) = (self.now, self.node.clone());
        let socket = self.client(name)?.socket.as_mut().ok_or(format!("{name} was closed"))?;
        match frame {
            Frame::Text(text) => {
                socket.receive(&text, now);
            }
            Frame::Pong(_) => socket.control_frame(now),
            Frame::Ping(payload) => {
                socket.control_frame(now);
                let pong = resound::protocol::Frame::pong(payload.as_bytes());
                node.shards().answer(socket.id(), pong);
            }
        }
        self.settle();
        Ok(())
    }

    async fn receive(&mut self, name: &str) -> Result<Received, String> {
        self.next(name)
    }

    async fn unread(&mut self, name: &str) -> Result<Received, String> {
        self.next(name)
    }

    async fn drop(&mut self, name: &str) {
        if let Some(socket) = self.clients.remove(name).and_then(|client| client.socket) {
            self.forget(socket);
        }
        self.settle();
    }

    async fn request(&mut self, request: &Request, target: &str, body: &str) -> (u16, String) {
        let request = axum::http::Request::builder()
            .method(request.method.as_str())
            .uri(target)
            .body(Body::from(body.to_owned()))
            .expect("a well-formed request");
        let answer = self.router.clone().oneshot(request).await.expect("routers do not fail");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a body in memory").to_bytes();
        self.settle();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    /// Moves the clock from one socket's tick to the next, as the connections' own timers would.
    async fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let now = self.now;
            let sockets = self.clients.values_mut().filter_map(|client| client.socket.as_mut());
            let next = sockets.min_by_key(|socket| socket.next_tick(now));
            let Some(socket) = next.filter(|socket| socket.next_tick(now) <= until) else { break };
            self.now = socket.next_tick(now);
            socket.tick(self.now);
            self.settle();
        }
        self.now = until;
        self.node.tick(until);
        self.settle();
    }
}

/// The frames of a server: final, unmasked, whole.
fn frames(bytes: &[u8]) -> Vec<Received> {
    let (mut cursor, mut received) = (Cursor::new(bytes), Vec::new());
    while let Some((header, length)) = FrameHeader::parse(&mut cursor).expect("a frame header") {
        let start = usize::try_from(cursor.position()).unwrap();
        let end = start + usize::try_from(length).unwrap();
        let payload = &bytes[start..end];
        cursor.set_position(end as u64);
        let text = || String::from_utf8(payload.to_vec()).expect("servers send text");
        received.push(match header.opcode {
            OpCode::Data(Data::Text) => Received::Frame(Frame::Text(text())),
            OpCode::Control(Control::Ping) => Received::Frame(Frame::Ping(text())),
            OpCode::Control(Control::Pong) => Received::Frame(Frame::Pong(text())),
            OpCode::Control(Control::Close) => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                Received::Closed(code, text_of(&payload[2..]))
            }
            other => panic!("the server sent {other:?}"),
        });
    }
    received
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("reasons are text")
}
