//! One connection of a client: what it has asked for, and what each message that it receives says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::harness::socket::signed;
use crate::harness::wire::APP;
use crate::harness::within;
use crate::oracle::fact::{Fact, Micros, Name, SocketNumber};
use crate::scene::Scene;
use crate::seat::member;

/// The names of the events of this suite.
pub(crate) const EVENT: &str = "soak";
pub(crate) const GAP: &str = "soak-gap";
const WHISPER: &str = "client-soak";

pub(crate) enum Incoming {
    Text(String),
    Other,
    /// With the code of the close frame, if there was one.
    End(Option<u16>),
}

#[derive(PartialEq, Eq)]
enum Subscription {
    /// Its answer is still to come; cancelled if the client wants to leave by then.
    Asked {
        at: Micros,
        is_cancelled: bool,
    },
    Granted,
}

pub(crate) struct Client {
    pub(crate) number: SocketNumber,
    pub(crate) id: String,
    pub(crate) is_signed_in: bool,
    scene: Arc<Scene>,
    user: String,
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    subscriptions: BTreeMap<Name, Subscription>,
    /// An error is the cause of the close frame that follows, or a refusal.
    error: Option<String>,
}

impl Client {
    /// Connects to a node; `None` if it does not let the client in.
    pub(crate) async fn connect(scene: &Arc<Scene>, node: usize, user: &str) -> Option<Self> {
        let door = &scene.doors[node];
        let before = door.process();
        let url = format!("ws://{}{APP}", door.address);
        let (mut stream, _) = within("a handshake", connect_async(url)).await.ok()?;
        let Some(Ok(Message::Text(greeting))) = within("a greeting", stream.next()).await else {
            return None;
        };
        let greeting: Value = serde_json::from_str(&greeting).expect("JSON");
        if greeting["event"] != "pusher:connection_established" {
            return None;
        }
        let data: Value = serde_json::from_str(greeting["data"].as_str()?).expect("JSON");
        let id = data["socket_id"].as_str()?.to_owned();
        let process = before.filter(|before| door.process() == Some(*before));
        let number = scene.next_socket();
        scene.note(Fact::Opened { socket: number, user: user.to_owned(), process });
        Some(Self {
            number,
            id,
            is_signed_in: false,
            scene: scene.clone(),
            user: user.to_owned(),
            stream,
            subscriptions: BTreeMap::new(),
            error: None,
        })
    }

    pub(crate) async fn receive(&mut self) -> Incoming {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Incoming::Text(text.to_string()),
            Some(Ok(Message::Close(frame))) => {
                Incoming::End(Some(frame.map_or(1005, |frame| frame.code.into())))
            }
            Some(Ok(_)) => Incoming::Other,
            Some(Err(_)) | None => Incoming::End(None),
        }
    }

    /// The channels that it is in; `None` while an answer is still to come.
    pub(crate) fn granted(&self) -> Option<BTreeSet<Name>> {
        let all = self.subscriptions.iter();
        all.map(|(name, state)| (*state == Subscription::Granted).then(|| name.clone())).collect()
    }

    pub(crate) fn is_granted(&self, channel: &Name) -> bool {
        self.subscriptions.get(channel) == Some(&Subscription::Granted)
    }

    pub(crate) async fn sign_in(&mut self) {
        self.scene.note(Fact::Claims { socket: self.number });
        let user_data = json!({ "id": self.user }).to_string();
        let auth = signed(&format!("{}::user::{user_data}", self.id));
        let data = json!({ "auth": auth, "user_data": user_data });
        self.send(&json!({ "event": "pusher:signin", "data": data })).await;
    }

    pub(crate) async fn subscribe(&mut self, channel: &Name) {
        if let Some(Subscription::Asked { is_cancelled, .. }) = self.subscriptions.get_mut(channel)
        {
            *is_cancelled = false;
            return;
        }
        let mut data = json!({ "channel": &**channel });
        let mut signed_text = format!("{}:{channel}", self.id);
        if channel.starts_with("presence-") {
            self.scene.note(Fact::Claims { socket: self.number });
            let member = member(&self.user);
            signed_text = format!("{signed_text}:{member}");
            data["channel_data"] = member.into();
        }
        if channel.starts_with("presence-") || channel.starts_with("private-") {
            data["auth"] = signed(&signed_text).into();
        }
        let asked = Subscription::Asked { at: self.scene.now(), is_cancelled: false };
        self.subscriptions.insert(channel.clone(), asked);
        self.send(&json!({ "event": "pusher:subscribe", "data": data })).await;
    }

    pub(crate) async fn unsubscribe(&mut self, channel: &Name) {
        match self.subscriptions.get_mut(channel) {
            Some(Subscription::Asked { is_cancelled, .. }) => *is_cancelled = true,
            Some(Subscription::Granted) => {
                self.subscriptions.remove(channel);
                self.scene
                    .note(Fact::Unsubscribed { socket: self.number, channel: channel.clone() });
                let data = json!({ "channel": &**channel });
                self.send(&json!({ "event": "pusher:unsubscribe", "data": data })).await;
            }
            None => {}
        }
    }

    pub(crate) async fn whisper(&mut self, channel: &Name, number: u64) {
        self.scene.note(Fact::Whispered { socket: self.number, channel: channel.clone(), number });
        let data = json!({ "sender": self.number, "number": number });
        self.send(&json!({ "event": WHISPER, "channel": &**channel, "data": data })).await;
    }

    /// Ends with a close frame, or cuts the connection.
    pub(crate) async fn leave(mut self, is_cut: bool) {
        self.scene.note(Fact::Left { socket: self.number });
        if is_cut {
            if let MaybeTlsStream::Plain(stream) = self.stream.get_ref() {
                // A peer that is gone already has no such setting to change.
                let _ = stream.set_zero_linger();
            }
            return;
        }
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        if self.stream.close(Some(frame)).await.is_ok() {
            within("the end of the connection", async {
                while let Some(Ok(_)) = self.stream.next().await {}
            })
            .await;
        }
    }

    /// Answers the close frame of the server.
    pub(crate) async fn finish(&mut self) {
        let _ = within("the close frame to go out", self.stream.flush()).await;
    }

    /// What a message says.
    pub(crate) async fn take(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).expect("JSON");
        if let Some(text) = self.error.take() {
            self.scene.note(Fact::Refused { socket: self.number, text });
        }
        let event = message["event"].as_str().unwrap_or_default();
        let data = message["data"].as_str().unwrap_or("{}");
        let data: Value = serde_json::from_str(data).expect("JSON");
        match (event, message["channel"].as_str()) {
            ("pusher:ping", _) => self.send(&json!({ "event": "pusher:pong", "data": {} })).await,
            ("pusher:signin_success", _) => {
                self.is_signed_in = true;
                self.scene.note(Fact::SignedIn { socket: self.number });
            }
            ("pusher_internal:subscription_succeeded", Some(channel)) => {
                self.take_grant(&Name::from(channel), &data).await;
            }
            (_, Some(channel)) if self.is_in(channel) => {
                self.note(event, &Name::from(channel), &data, text)
            }
            // What was under way when the client left.
            (EVENT | GAP | WHISPER | "pusher:cache_miss", Some(_)) => {}
            ("pusher_internal:member_added" | "pusher_internal:member_removed", Some(_)) => {}
            _ => self.error = Some(text.to_owned()),
        }
    }

    fn is_in(&self, channel: &str) -> bool {
        let is_own = channel.strip_prefix("#server-to-user-") == Some(&*self.user);
        is_own || self.is_granted(&channel.into())
    }

    async fn take_grant(&mut self, channel: &Name, data: &Value) {
        let Some(Subscription::Asked { at, is_cancelled }) = self.subscriptions.remove(channel)
        else {
            self.error = Some(format!("an answer for {channel}, which was not asked for"));
            return;
        };
        self.subscriptions.insert(channel.clone(), Subscription::Granted);
        let ids = data["presence"]["ids"].as_array();
        let text = |id: &Value| id.as_str().expect("a text").to_owned();
        let members = ids.map(|ids| ids.iter().map(text).collect());
        let channel = channel.clone();
        self.scene.note(Fact::Subscribed {
            socket: self.number,
            channel: channel.clone(),
            asked: at,
            members,
        });
        if is_cancelled {
            self.unsubscribe(&channel).await;
        }
    }

    fn note(&mut self, event: &str, channel: &Name, data: &Value, text: &str) {
        let (socket, channel) = (self.number, channel.clone());
        let user = || data["user_id"].as_str().expect("a user").to_owned();
        let fact = match event {
            EVENT => {
                let number = data["numbers"][&*channel].as_u64().expect("a number");
                Fact::Received { socket, channel, number }
            }
            WHISPER => {
                let sender = data["sender"].as_u64().expect("a sender") as SocketNumber;
                let number = data["number"].as_u64().expect("a number");
                Fact::WhisperReceived { socket, channel, sender, number }
            }
            GAP => Fact::Missed { socket, channel, count: data["missed"].as_u64() },
            "pusher:cache_miss" => Fact::CacheMiss { socket, channel },
            "pusher_internal:member_added" => Fact::MemberAdded { socket, channel, user: user() },
            "pusher_internal:member_removed" => {
                Fact::MemberRemoved { socket, channel, user: user() }
            }
            _ => Fact::Refused { socket, text: text.to_owned() },
        };
        self.scene.note(fact);
    }

    /// A connection that has ended says so when it is read.
    async fn send(&mut self, message: &Value) {
        let sent = self.stream.send(Message::text(message.to_string()));
        let _ = within("the message to go out", sent).await;
    }
}
