//! The stage with a server, or with several nodes of one: WebSocket clients and HTTP requests over
//! TCP.
//!
//! Waits for events, each with a deadline, and never for time. After everything a client says it
//! waits for the pong of a ping frame: by then the server has acted on it, so steps of different
//! clients happen in the order they are written in. Of several nodes each client and each request
//! gets the next one, and after each step all nodes have heard of it.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::harness::{Backend, DEADLINE, TestCluster, TestRedis, TestServer};
use crate::play::{Heard, Stage};
use crate::transcript::{Frame, Request, Transcript};

/// The payload of the ping that asks whether everything was acted on.
const SETTLED: &str = "settled?";

/// Another server is not waited for as long: where it differs, every wait is one in vain.
const PATIENCE: Duration = Duration::from_secs(1);

/// Nodes of a cluster that follows transcripts: with two, the other node is always the right one.
const NODES: usize = 3;

/// A server and those who are connected to it.
pub(crate) struct Port {
    house: House,
    /// Where the nodes are, and a back end for each.
    nodes: Vec<(SocketAddr, Backend)>,
    /// How many sockets were opened, and how many requests made.
    opened: usize,
    asked: usize,
    clients: HashMap<String, Client>,
    patience: Duration,
}

/// Whose server it is; ours run as long as this.
enum House {
    One(#[expect(dead_code, reason = "held")] TestServer),
    Cluster(TestCluster),
    Others,
}

struct Client {
    /// `None` where the upgrade was refused.
    stream: Option<WebSocketStream<MaybeTlsStream<TcpStream>>>,
    heard: VecDeque<Heard>,
    closed: bool,
}

impl Port {
    /// Our server, as the transcript configures it.
    pub(crate) async fn of_our_own(transcript: &Transcript) -> Self {
        let server = TestServer::with(&transcript.toml()).await;
        let addresses = [server.address];
        Self::new(House::One(server), &addresses, DEADLINE)
    }

    /// Several nodes of our server.
    pub(crate) async fn of_a_cluster(transcript: &Transcript, redis: &TestRedis) -> Self {
        let cluster = TestCluster::with(redis, NODES, &transcript.toml()).await;
        let addresses: Vec<_> = cluster.nodes.iter().map(|node| node.address).collect();
        Self::new(House::Cluster(cluster), &addresses, DEADLINE)
    }

    /// A server that runs already, whatever it is.
    pub(crate) fn of_others(address: SocketAddr) -> Self {
        Self::new(House::Others, &[address], PATIENCE)
    }

    fn new(house: House, addresses: &[SocketAddr], patience: Duration) -> Self {
        let backend = |&address: &SocketAddr| {
            (address, Backend::new(address, "123456", "reverb-key", "reverb-secret"))
        };
        let nodes = addresses.iter().map(backend).collect();
        let (opened, asked, clients) = Default::default();
        Self { house, nodes, opened, asked, clients, patience }
    }

    /// Everybody goes, so that the next transcript starts on an empty stage.
    pub(crate) async fn vacate(mut self) {
        self.clients.clear();
        self.notice().await;
    }

    /// Until the server has noticed who is gone, by what it says itself of its connections; one
    /// that does not say so is not waited for.
    async fn notice(&mut self) {
        let most = self.clients.values().filter(|client| !client.closed).count() as u64;
        let backend = &mut self.nodes[0].1;
        let noticed = async {
            loop {
                let answer = backend.get("/connections", &[]).await;
                let said: Option<Value> = serde_json::from_str(&answer.body).ok();
                let there = said.and_then(|said| said["connections"].as_u64());
                if there.is_none_or(|there| there <= most) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let _ = timeout(self.patience, noticed).await;
    }

    /// Until what was caused on one node has happened on all.
    async fn settle(&self) {
        if let House::Cluster(cluster) = &self.house {
            cluster.settle().await;
        }
    }

    fn client(&mut self, name: &str) -> Result<(&mut Client, Duration), String> {
        let client = self.clients.get_mut(name).ok_or(format!("{name} is not open"))?;
        Ok((client, self.patience))
    }
}

impl Stage for Port {
    async fn open(&mut self, name: &str, target: &str, origin: Option<&str>) -> Result<(), String> {
        let address = self.nodes[self.opened % self.nodes.len()].0;
        self.opened += 1;
        let url = format!("ws://{address}{target}");
        let mut request = url.into_client_request().map_err(|error| error.to_string())?;
        if let Some(origin) = origin {
            let origin = origin.parse().map_err(|_| format!("{origin} is no header"))?;
            request.headers_mut().insert("Origin", origin);
        }
        // Without Nagle's delay: a message and the ping behind it are two small writes.
        let connect = connect_async_with_config(request, None, true);
        let connected = timeout(self.patience, connect).await;
        let (stream, heard) = match connected.map_err(|_| "no answer to the upgrade")? {
            Ok((stream, _)) => (Some(stream), VecDeque::new()),
            Err(Error::Http(answer)) => {
                let refusal = Heard::Closed(answer.status().as_u16(), "over HTTP".to_owned());
                (None, VecDeque::from([refusal]))
            }
            Err(error) => return Err(error.to_string()),
        };
        let closed = stream.is_none();
        self.clients.insert(name.to_owned(), Client { stream, heard, closed });
        self.settle().await;
        Ok(())
    }

    async fn say(&mut self, name: &str, frame: Frame) -> Result<(), String> {
        let (client, patience) = self.client(name)?;
        client.send(frame).await?;
        client.settle(patience).await;
        self.settle().await;
        Ok(())
    }

    async fn hear(&mut self, name: &str) -> Result<Heard, String> {
        let (client, patience) = self.client(name)?;
        match client.heard.pop_front() {
            Some(heard) => Ok(heard),
            None => Ok(client.next(patience).await),
        }
    }

    async fn unheard(&mut self, name: &str) -> Result<Heard, String> {
        let (client, patience) = self.client(name)?;
        client.settle(patience).await;
        Ok(client.heard.pop_front().unwrap_or(Heard::Nothing))
    }

    async fn drop(&mut self, name: &str) {
        self.clients.remove(name);
        self.notice().await;
        self.settle().await;
    }

    async fn request(&mut self, request: &Request, target: &str, body: &str) -> (u16, String) {
        let next = self.asked % self.nodes.len();
        self.asked += 1;
        let answer = self.nodes[next].1.send(&request.method, target, body).await;
        self.settle().await;
        (answer.status, answer.body)
    }

    async fn advance(&mut self, _: Duration) {
        unreachable!("transcripts in which time passes are played on the rules alone");
    }
}

impl Client {
    async fn send(&mut self, frame: Frame) -> Result<(), String> {
        let stream = self.stream.as_mut().filter(|_| !self.closed).ok_or("the socket is closed")?;
        let message = match frame {
            Frame::Text(text) => Message::text(text),
            Frame::Ping(payload) => Message::Ping(payload.into()),
            Frame::Pong(payload) => Message::Pong(payload.into()),
        };
        stream.send(message).await.map_err(|error| error.to_string())
    }

    /// Hears everything that is said up to the answer of a ping, or to the end.
    async fn settle(&mut self, patience: Duration) {
        if self.closed || self.send(Frame::Ping(SETTLED.to_owned())).await.is_err() {
            return;
        }
        loop {
            match self.next(patience).await {
                Heard::Frame(Frame::Pong(payload)) if payload == SETTLED => return,
                Heard::Nothing => return,
                heard => self.heard.push_back(heard),
            }
            if self.closed {
                return;
            }
        }
    }

    /// What comes over the wire next.
    async fn next(&mut self, patience: Duration) -> Heard {
        let Some(stream) = self.stream.as_mut().filter(|_| !self.closed) else {
            return Heard::Nothing;
        };
        let heard = match timeout(patience, stream.next()).await {
            Err(_) => Heard::Nothing,
            Ok(Some(Ok(message))) => understood(message),
            Ok(Some(Err(_)) | None) => Heard::Closed(1006, String::new()),
        };
        if let Heard::Closed(..) = heard {
            self.closed = true;
            // The answer to a close frame goes out as the stream is read to its end.
            let _ =
                timeout(patience, async { while let Some(Ok(_)) = stream.next().await {} }).await;
        }
        heard
    }
}

fn understood(message: Message) -> Heard {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match message {
        Message::Text(said) => Heard::Frame(Frame::Text(said.to_string())),
        Message::Ping(payload) => Heard::Frame(Frame::Ping(text(&payload))),
        Message::Pong(payload) => Heard::Frame(Frame::Pong(text(&payload))),
        Message::Close(Some(close)) => Heard::Closed(close.code.into(), close.reason.to_string()),
        Message::Close(None) => Heard::Closed(1005, String::new()),
        other => Heard::Frame(Frame::Text(format!("{other:?}"))),
    }
}
