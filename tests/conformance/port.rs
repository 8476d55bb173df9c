//! Plays transcripts on a server or on the nodes of a cluster: WebSocket clients and HTTP requests
//! over TCP.
//!
//! Waits for events, each with a deadline, and never for time. After every message of a client it
//! waits for the pong of a ping frame: by then the server has acted on the message, so steps of
//! different clients happen in the order they are written in. Clients and requests go to the nodes in
//! turn, and after each step it waits until every node has received what the step published.

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

use crate::harness::{Backend, DEADLINE, TestCluster, TestServer};
use crate::play::{Received, Subject};
use crate::transcript::{Frame, Request, Transcript};

/// The payload of the ping whose pong comes after everything before it was acted on.
const SETTLED: &str = "settled?";

/// The deadline for another server: where it differs, each wait ends at its deadline.
const PATIENCE: Duration = Duration::from_secs(1);

/// Nodes of a cluster that plays transcripts. Of two, the other node would always be the right one.
const NODES: usize = 3;

/// A server, or a cluster, and the clients connected to it.
pub(crate) struct Port {
    servers: Servers,
    /// Where the nodes are, and a back end for each.
    nodes: Vec<(SocketAddr, Backend)>,
    /// How many sockets were opened, and how many requests made.
    opened: usize,
    requests: usize,
    clients: HashMap<String, Client>,
    patience: Duration,
}

/// The servers under test; those of this suite run as long as this value exists.
enum Servers {
    One(#[expect(dead_code, reason = "held")] TestServer),
    Cluster(TestCluster),
    Others,
}

struct Client {
    /// `None` where the upgrade was refused.
    stream: Option<WebSocketStream<MaybeTlsStream<TcpStream>>>,
    received: VecDeque<Received>,
    closed: bool,
}

impl Port {
    /// Starts a server as the transcript configures it.
    pub(crate) async fn of_our_own(transcript: &Transcript) -> Self {
        let server = TestServer::with(&transcript.toml()).await;
        let addresses = [server.address];
        Self::new(Servers::One(server), &addresses, DEADLINE)
    }

    /// Starts several nodes of one cluster, with further keys.
    pub(crate) async fn of_a_cluster(transcript: &Transcript, (url, keys): (&str, &str)) -> Self {
        let toml = format!("{keys}{}", transcript.toml());
        let cluster = TestCluster::at(url, NODES, &toml).await;
        let addresses: Vec<_> = cluster.nodes.iter().map(|node| node.address).collect();
        Self::new(Servers::Cluster(cluster), &addresses, DEADLINE)
    }

    /// Uses a server that runs already.
    pub(crate) fn of_others(address: SocketAddr) -> Self {
        Self::new(Servers::Others, &[address], PATIENCE)
    }

    fn new(servers: Servers, addresses: &[SocketAddr], patience: Duration) -> Self {
        let backend = |&address: &SocketAddr| {
            (address, Backend::new(address, "123456", "reverb-key", "reverb-secret"))
        };
        let nodes = addresses.iter().map(backend).collect();
        let (opened, requests, clients) = Default::default();
        Self { servers, nodes, opened, requests, clients, patience }
    }

    /// Closes every client, so that the next transcript starts on a server without sockets.
    pub(crate) async fn disconnect_all(mut self) {
        self.clients.clear();
        self.closures_noticed().await;
    }

    /// Waits until the server counts no more connections than are open. A server without that count is
    /// not waited for.
    async fn closures_noticed(&mut self) {
        let most = self.clients.values().filter(|client| !client.closed).count() as u64;
        let backend = &mut self.nodes[0].1;
        let noticed = async {
            loop {
                let answer = backend.get("/connections", &[]).await;
                let counted: Option<Value> = serde_json::from_str(&answer.body).ok();
                let there = counted.and_then(|counted| counted["connections"].as_u64());
                if there.is_none_or(|there| there <= most) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let _ = timeout(self.patience, noticed).await;
    }

    /// Waits until what one node published has reached all.
    async fn settle(&self) {
        if let Servers::Cluster(cluster) = &self.servers {
            cluster.settle().await;
        }
    }

    fn client(&mut self, name: &str) -> Result<(&mut Client, Duration), String> {
        let client = self.clients.get_mut(name).ok_or(format!("{name} is not open"))?;
        Ok((client, self.patience))
    }
}

impl Subject for Port {
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
        let (stream, received) = match connected.map_err(|_| "no answer to the upgrade")? {
            Ok((stream, _)) => (Some(stream), VecDeque::new()),
            Err(Error::Http(answer)) => {
                let refusal = Received::Closed(answer.status().as_u16(), "over HTTP".to_owned());
                (None, VecDeque::from([refusal]))
            }
            Err(error) => return Err(error.to_string()),
        };
        let closed = stream.is_none();
        self.clients.insert(name.to_owned(), Client { stream, received, closed });
        self.settle().await;
        Ok(())
    }

    async fn send(&mut self, name: &str, frame: Frame) -> Result<(), String> {
        let (client, patience) = self.client(name)?;
        client.send(frame).await?;
        client.settle(patience).await;
        self.settle().await;
        Ok(())
    }

    async fn receive(&mut self, name: &str) -> Result<Received, String> {
        let (client, patience) = self.client(name)?;
        match client.received.pop_front() {
            Some(received) => Ok(received),
            None => Ok(client.next(patience).await),
        }
    }

    async fn unread(&mut self, name: &str) -> Result<Received, String> {
        let (client, patience) = self.client(name)?;
        client.settle(patience).await;
        Ok(client.received.pop_front().unwrap_or(Received::Nothing))
    }

    async fn drop(&mut self, name: &str) {
        self.clients.remove(name);
        self.closures_noticed().await;
        self.settle().await;
    }

    async fn request(&mut self, request: &Request, target: &str, body: &str) -> (u16, String) {
        let next = self.requests % self.nodes.len();
        self.requests += 1;
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

    /// Stores every message up to the answer of a ping, or to the end.
    async fn settle(&mut self, patience: Duration) {
        if self.closed || self.send(Frame::Ping(SETTLED.to_owned())).await.is_err() {
            return;
        }
        loop {
            match self.next(patience).await {
                Received::Frame(Frame::Pong(payload)) if payload == SETTLED => return,
                Received::Nothing => return,
                received => self.received.push_back(received),
            }
            if self.closed {
                return;
            }
        }
    }

    /// The next message, or the end of the stream.
    async fn next(&mut self, patience: Duration) -> Received {
        let Some(stream) = self.stream.as_mut().filter(|_| !self.closed) else {
            return Received::Nothing;
        };
        let received = match timeout(patience, stream.next()).await {
            Err(_) => Received::Nothing,
            Ok(Some(Ok(message))) => received(message),
            Ok(Some(Err(_)) | None) => Received::Closed(1006, String::new()),
        };
        if let Received::Closed(..) = received {
            self.closed = true;
            // The answer to a close frame goes out as the stream is read to its end.
            let _ =
                timeout(patience, async { while let Some(Ok(_)) = stream.next().await {} }).await;
        }
        received
    }
}

fn received(message: Message) -> Received {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match message {
        Message::Text(text) => Received::Frame(Frame::Text(text.to_string())),
        Message::Ping(payload) => Received::Frame(Frame::Ping(lossy(&payload))),
        Message::Pong(payload) => Received::Frame(Frame::Pong(lossy(&payload))),
        Message::Close(Some(close)) => {
            Received::Closed(close.code.into(), close.reason.to_string())
        }
        Message::Close(None) => Received::Closed(1005, String::new()),
        other => Received::Frame(Frame::Text(format!("{other:?}"))),
    }
}
