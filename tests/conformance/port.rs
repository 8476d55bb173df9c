//! The stage with a server: WebSocket clients and HTTP requests over TCP.
//!
//! Waits for events, each with a deadline, and never for time. After everything a client says it
//! waits for the pong of a ping frame: by then the server has acted on it, so steps of different
//! clients happen in the order they are written in.

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

use crate::harness::{Backend, DEADLINE, TestServer};
use crate::play::{Heard, Stage};
use crate::transcript::{Frame, Request, Transcript};

/// The payload of the ping that asks whether everything was acted on.
const SETTLED: &str = "settled?";

/// Another server is not waited for as long: where it differs, every wait is one in vain.
const PATIENCE: Duration = Duration::from_secs(1);

/// A server and those who are connected to it.
pub(crate) struct Port {
    address: SocketAddr,
    /// `None` where it is not ours: it runs as long as this.
    _server: Option<TestServer>,
    backend: Backend,
    clients: HashMap<String, Client>,
    patience: Duration,
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
        let address = server.address;
        Self { _server: Some(server), patience: DEADLINE, ..Self::of_others(address) }
    }

    /// A server that runs already, whatever it is.
    pub(crate) fn of_others(address: SocketAddr) -> Self {
        let backend = Backend::new(address, "123456", "reverb-key", "reverb-secret");
        let clients = HashMap::new();
        Self { address, _server: None, backend, clients, patience: PATIENCE }
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
        let noticed = async {
            loop {
                let answer = self.backend.get("/connections", &[]).await;
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

    fn client(&mut self, name: &str) -> Result<(&mut Client, Duration), String> {
        let client = self.clients.get_mut(name).ok_or(format!("{name} is not open"))?;
        Ok((client, self.patience))
    }
}

impl Stage for Port {
    async fn open(&mut self, name: &str, target: &str, origin: Option<&str>) -> Result<(), String> {
        let url = format!("ws://{}{target}", self.address);
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
        Ok(())
    }

    async fn say(&mut self, name: &str, frame: Frame) -> Result<(), String> {
        let (client, patience) = self.client(name)?;
        client.send(frame).await?;
        client.settle(patience).await;
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
    }

    async fn request(&mut self, request: &Request, target: &str, body: &str) -> (u16, String) {
        let answer = self.backend.send(&request.method, target, body).await;
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
