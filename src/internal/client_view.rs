//! `POST /internal/v1/apps/{app}/client`: what a client receives, frame by frame, as any user.
//!
//! The server opens a socket to its own address, as pusher-js does, signs for it, and shows each frame as a line. So every
//! rule, limit and encoding that clients meet is in it. It is a POST, since members of a presence channel see it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::answer::InternalError;
use super::api::{InternalApi, MAX_CLIENTS};
use super::parameters;
use crate::node::Channels;
use crate::observation::now_ms;
use crate::probe::{PusherSocket, SocketFailure};
use crate::protocol::signature::SigningKey;
use crate::protocol::{ChannelName, ChannelType};

/// For the handshake, and for the first message.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// Between two lines of a quiet socket: shorter than the time-outs of proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which client it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Joined as the client would.
    channel: Option<String>,
    /// The user who signs in, and the member of a presence channel.
    user_id: Option<String>,
    /// What other members see.
    user_info: Option<Value>,
    /// The page that it is on.
    origin: Option<String>,
}

/// A line of the answer.
#[derive(Serialize)]
struct Line<'a> {
    at_ms: u64,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// A client that is shown.
struct ShownClient {
    socket: Option<PusherSocket>,
    /// Lines that are ready.
    ready: String,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    Path(app): Path<String>,
    body: String,
) -> Result<Response, InternalError> {
    let wanted: Wanted = serde_json::from_str(&body).map_err(|error| {
        let example = r#"{"channel":"presence-room","user_id":"7","user_info":{"name":"Ann"}}"#;
        InternalError::bad_request(format!("the body must look like {example}: {error}"))
    })?;
    let channels = parameters::channels_of(&api, &app)?;
    let route = api.own_server()?.sockets.clone().ok_or_else(|| {
        let text =
            "server.listen has unix sockets alone, and a client needs an address with a port";
        InternalError::new(StatusCode::CONFLICT, text)
    })?;
    let permit = api.clients.clone().try_acquire_owned().map_err(|_| {
        let text = format!("{MAX_CLIENTS} clients are shown already; close one");
        InternalError::new(StatusCode::TOO_MANY_REQUESTS, text)
    })?;
    let key = channels.app().key.clone();
    let page = wanted.origin.as_deref();
    let mut client = ShownClient { socket: None, ready: String::new(), _permit: permit };
    client.line("open", None, None);
    match PusherSocket::open(&route, &key, page, OPEN_LIMIT).await {
        Ok(socket) => client.begin(socket, &channels, &wanted).await,
        Err(failure) => client.closed(&failure),
    }
    let fields = [
        (header::CONTENT_TYPE.as_str(), "application/x-ndjson"),
        (header::CACHE_CONTROL.as_str(), "no-store"),
        ("x-accel-buffering", "no"),
    ];
    let lines = stream::unfold(client, |mut client| async move {
        let lines = client.next().await?;
        Some((Ok::<_, std::convert::Infallible>(lines), client))
    });
    Ok((fields, Body::from_stream(lines)).into_response())
}

impl ShownClient {
    /// Signs in and subscribes.
    async fn begin(&mut self, socket: PusherSocket, channels: &Channels, wanted: &Wanted) {
        self.line("received", Some(&socket.greeting), None);
        let id = socket.socket_id.clone();
        self.socket = Some(socket);
        let app = channels.app();
        let key = SigningKey { key: &app.key, secret: &app.secret };
        if let Some(user_id) = &wanted.user_id {
            let user = json!({ "id": user_id, "user_info": wanted.user_info }).to_string();
            let auth = key.user_auth(&id, &user);
            self.send("pusher:signin", json!({ "auth": auth, "user_data": user })).await;
        }
        if let Some(channel) = &wanted.channel {
            self.send("pusher:subscribe", subscription(key, &id, channel, wanted)).await;
        }
    }

    async fn send(&mut self, event: &str, data: Value) {
        let frame = json!({ "event": event, "data": data }).to_string();
        let Some(socket) = &mut self.socket else { return };
        match socket.send_text(&frame).await {
            Ok(()) => self.line("sent", Some(&frame), None),
            Err(failure) => self.closed(&failure),
        }
    }

    /// The next lines; `None` behind the end of the socket.
    async fn next(&mut self) -> Option<String> {
        if self.ready.is_empty() {
            let received = timeout(KEEP_ALIVE, self.socket.as_mut()?.next_text()).await;
            match received {
                Ok(Ok(frame)) => {
                    self.line("received", Some(&frame), None);
                    if frame.contains("\"pusher:ping\"") {
                        self.send("pusher:pong", json!({})).await;
                    }
                }
                Ok(Err(failure)) => self.closed(&failure),
                Err(_) => self.line("keep_alive", None, None),
            }
        }
        Some(std::mem::take(&mut self.ready))
    }

    fn closed(&mut self, failure: &SocketFailure) {
        self.socket = None;
        self.line("closed", None, Some(failure.to_string()));
    }

    fn line(&mut self, kind: &str, frame: Option<&str>, reason: Option<String>) {
        let line = serde_json::to_string(&Line { at_ms: now_ms(), kind, frame, reason });
        self.ready.push_str(&line.expect("texts and numbers serialize"));
        self.ready.push('\n');
    }
}

/// The data with which a client subscribes; signed where the type of the channel needs it.
fn subscription(key: SigningKey<'_>, socket: &str, channel: &str, wanted: &Wanted) -> Value {
    let name = ChannelName::parse(channel, usize::MAX).ok();
    if name.as_ref().is_some_and(ChannelName::is_presence) {
        let user_id = wanted.user_id.as_deref().unwrap_or("console");
        let data = json!({ "user_id": user_id, "user_info": wanted.user_info }).to_string();
        let auth = key.channel_auth(socket, channel, Some(&data));
        json!({ "channel": channel, "auth": auth, "channel_data": data })
    } else if name.is_some_and(|name| name.channel_type() != ChannelType::Public) {
        json!({ "channel": channel, "auth": key.channel_auth(socket, channel, None) })
    } else {
        json!({ "channel": channel })
    }
}
