//! A hand-written Pusher client that sends and receives exact text.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

use super::within;

/// One WebSocket connection.
pub struct TestSocket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Empty until the server has greeted the client.
    pub id: String,
    /// Received while waiting for something else.
    kept: VecDeque<String>,
}

impl TestSocket {
    /// Connects, and reads nothing yet.
    pub async fn open(address: SocketAddr, path: &str) -> Self {
        let url = format!("ws://{address}{path}");
        let connected = within("the upgrade", connect_async(url)).await;
        let (stream, _) = connected.expect("an upgrade");
        Self { stream, id: String::new(), kept: VecDeque::new() }
    }

    /// Connects with these header fields, and receives `connection_established`.
    pub async fn with_fields(
        address: SocketAddr,
        path: &str,
        fields: &[(&'static str, &str)],
    ) -> Self {
        let mut request = format!("ws://{address}{path}").into_client_request().expect("a URL");
        for &(name, value) in fields {
            request.headers_mut().insert(name, value.parse().expect("a field"));
        }
        let connected = within("the upgrade", connect_async(request)).await;
        let (stream, _) = connected.expect("an upgrade");
        Self { stream, id: String::new(), kept: VecDeque::new() }.with_greeting().await
    }

    /// The same over a connection that was made elsewhere, with `connection_established` read.
    pub async fn over(stream: TcpStream, path: &str) -> Self {
        let url = format!("ws://{}{path}", stream.peer_addr().expect("a connected socket"));
        let upgraded =
            within("the upgrade", client_async(url, MaybeTlsStream::Plain(stream))).await;
        let (stream, _) = upgraded.expect("an upgrade");
        Self { stream, id: String::new(), kept: VecDeque::new() }.with_greeting().await
    }

    /// Connects and receives `connection_established`.
    pub async fn greeted(address: SocketAddr, path: &str) -> Self {
        Self::open(address, path).await.with_greeting().await
    }

    async fn with_greeting(mut self) -> Self {
        let greeting = self.receive_json().await;
        assert_eq!(greeting["event"], "pusher:connection_established", "{greeting}");
        let data: Value = serde_json::from_str(greeting["data"].as_str().unwrap()).unwrap();
        self.id = data["socket_id"].as_str().unwrap().to_owned();
        self
    }

    /// Sends a text message as it stands.
    pub async fn send_text(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    /// Sends any WebSocket message.
    pub async fn send(&mut self, message: Message) {
        within("the message to go out", self.stream.send(message)).await.expect("an open socket");
    }

    /// The next text message.
    pub async fn receive(&mut self) -> String {
        if let Some(kept) = self.kept.pop_front() {
            return kept;
        }
        match self.receive_any().await {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("expected a text message, received {other:?}"),
        }
    }

    /// The next text message as JSON.
    pub async fn receive_json(&mut self) -> Value {
        let text = self.receive().await;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
    }

    /// The next WebSocket message of any kind; `None` at the end of the stream.
    pub async fn receive_any(&mut self) -> Option<Message> {
        match within("a message", self.stream.next()).await {
            Some(Ok(message)) => Some(message),
            Some(Err(_)) | None => None,
        }
    }

    /// Everything up to the close frame: the text messages before it and the frame itself.
    pub async fn receive_close(&mut self) -> (Vec<String>, Option<CloseFrame>) {
        let mut texts: Vec<String> = self.kept.drain(..).collect();
        loop {
            match self.receive_any().await {
                Some(Message::Text(text)) => texts.push(text.to_string()),
                Some(Message::Close(frame)) => return (texts, frame),
                Some(_) => {}
                None => return (texts, None),
            }
        }
    }

    /// Every message that was sent to this socket up to now, up to the pong of a ping.
    pub async fn receive_all(&mut self) -> Vec<String> {
        self.send_text(r#"{"event":"pusher:ping","data":{}}"#).await;
        let mut received = Vec::new();
        loop {
            let text = self.receive().await;
            if text.contains("pusher:pong") {
                return received;
            }
            received.push(text);
        }
    }

    /// Reads and drops what comes, for as long as the connection is open.
    pub async fn read_on(mut self) {
        while let Some(Ok(_)) = self.stream.next().await {}
    }

    /// Subscribes to a channel that needs no signature and receives the answer.
    pub async fn subscribe(&mut self, channel: &str) -> Value {
        self.subscribe_with(channel, json!({ "channel": channel })).await
    }

    /// Subscribes with a signature of `reverb-secret` and receives the answer.
    pub async fn subscribe_signed(&mut self, channel: &str, channel_data: Option<&str>) -> Value {
        let mut data = json!({ "channel": channel, "auth": self.auth(channel, channel_data) });
        if let Some(channel_data) = channel_data {
            data["channel_data"] = channel_data.into();
        }
        self.subscribe_with(channel, data).await
    }

    /// Signs in and receives the answer.
    pub async fn sign_in(&mut self, user_data: &str) -> Value {
        let auth = signed(&format!("{}::user::{user_data}", self.id));
        let data = json!({ "auth": auth, "user_data": user_data });
        self.send_text(&json!({ "event": "pusher:signin", "data": data }).to_string()).await;
        let answer = self.receive_json().await;
        assert_eq!(answer["event"], "pusher:signin_success", "{answer}");
        answer
    }

    async fn subscribe_with(&mut self, channel: &str, data: Value) -> Value {
        self.send_text(&json!({ "event": "pusher:subscribe", "data": data }).to_string()).await;
        self.receive_answer(channel).await
    }

    /// The next message, which answers the subscription of a channel.
    pub async fn receive_answer(&mut self, channel: &str) -> Value {
        let answer = self.receive_json().await;
        assert_eq!(answer["event"], "pusher_internal:subscription_succeeded", "{answer}");
        assert_eq!(answer["channel"], channel);
        answer
    }

    /// `key:signature` for this socket, by an implementation of its own.
    pub fn auth(&self, channel: &str, channel_data: Option<&str>) -> String {
        let data = channel_data.map(|data| format!(":{data}")).unwrap_or_default();
        signed(&format!("{}:{channel}{data}", self.id))
    }
}

/// `key:signature` of a text with `reverb-secret`.
pub fn signed(text: &str) -> String {
    format!("reverb-key:{}", signature(text))
}

/// The signature of a text with `reverb-secret`.
pub fn signature(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"reverb-secret").unwrap();
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
