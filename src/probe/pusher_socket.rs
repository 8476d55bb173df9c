//! A WebSocket client of Pusher's protocol, for one connection at a time.
//!
//! Owns the opening handshake, the messages, and the answers to pings. What they are sent for is left to the
//! caller.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::http::header::{CONNECTION, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use futures_util::{SinkExt, StreamExt};
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::http::{HttpAnswer, HttpRequest, ProbeRoute, not_http};
use super::probe_error::{ProbeError, within};

/// A message of the server.
#[derive(Debug, Clone, PartialEq)]
pub struct PusherMessage {
    /// The name of the event.
    pub event: String,
    /// The channel; empty for messages of none.
    pub channel: String,
    /// The data; JSON inside a string is parsed.
    pub data: Value,
}

/// An open socket.
pub struct PusherSocket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    /// The id that the server gave.
    pub socket_id: String,
    /// Seconds without a message after which clients send a ping.
    pub activity_timeout: u64,
    /// The first message, as it came.
    pub greeting: String,
    /// From the connection to the first message.
    pub opened_in: Duration,
}

/// Why there is no open socket.
#[derive(Debug, Clone, PartialEq)]
pub enum SocketFailure {
    /// The request was answered with another status than 101.
    NotUpgraded(Box<HttpAnswer>),
    /// The socket was closed or refused, with Pusher's code.
    Closed {
        /// The code; 0 for none.
        code: u64,
        /// The text of the server.
        reason: String,
    },
    /// Nothing that can be read arrived.
    Probe(ProbeError),
}

impl From<ProbeError> for SocketFailure {
    fn from(error: ProbeError) -> Self {
        Self::Probe(error)
    }
}

impl From<Error> for SocketFailure {
    fn from(error: Error) -> Self {
        Self::Probe(ProbeError::of(&error))
    }
}

impl std::fmt::Display for SocketFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotUpgraded(answer) => write!(f, "answered {answer}"),
            Self::Closed { code, reason } => write!(f, "closed with {code}: {reason}"),
            Self::Probe(error) => error.fmt(f),
        }
    }
}

impl PusherSocket {
    /// Opens a socket of the app with this key, as a page of `origin` does, and waits for the greeting.
    pub async fn open(
        route: &ProbeRoute,
        key: &str,
        origin: Option<&str>,
        limit: Duration,
    ) -> Result<Self, SocketFailure> {
        let late = || SocketFailure::Probe(ProbeError::Late(limit));
        let opened = tokio::time::timeout(limit, Self::greeted(route, key, origin, limit)).await;
        opened.map_err(|_| late())?
    }

    async fn greeted(
        route: &ProbeRoute,
        key: &str,
        origin: Option<&str>,
        limit: Duration,
    ) -> Result<Self, SocketFailure> {
        let since = Instant::now();
        let stream = upgraded(route, request(key, origin), limit).await?;
        let stream =
            WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Client, None).await;
        let mut socket = Self {
            stream,
            socket_id: String::new(),
            activity_timeout: 0,
            greeting: String::new(),
            opened_in: Duration::ZERO,
        };
        socket.greeting = socket.next_text().await?;
        let greeting = parse(&socket.greeting)?;
        match greeting.event.as_str() {
            "pusher:connection_established" => {
                let text = greeting.data["socket_id"].as_str();
                socket.socket_id = text.unwrap_or_default().to_owned();
                socket.activity_timeout = greeting.data["activity_timeout"].as_u64().unwrap_or(0);
                socket.opened_in = since.elapsed();
                Ok(socket)
            }
            "pusher:error" => Err(closed(&greeting.data)),
            other => {
                let text =
                    format!("the first message was {other:?}, no greeting of Pusher's protocol");
                Err(ProbeError::Other(text).into())
            }
        }
    }

    /// Sends an event.
    pub async fn send(&mut self, event: &str, data: &Value) -> Result<(), SocketFailure> {
        self.send_text(&json!({ "event": event, "data": data }).to_string()).await
    }

    /// Sends a message as it is.
    pub async fn send_text(&mut self, text: &str) -> Result<(), SocketFailure> {
        Ok(self.stream.send(Message::text(text)).await?)
    }

    /// The next message; pings of the server are answered on the way.
    pub async fn next(&mut self) -> Result<PusherMessage, SocketFailure> {
        loop {
            let message = parse(&self.next_text().await?)?;
            if message.event != "pusher:ping" {
                return Ok(message);
            }
            self.send("pusher:pong", &json!({})).await?;
        }
    }

    /// The next message as it came, pings included.
    pub async fn next_text(&mut self) -> Result<String, SocketFailure> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) = match frame {
                        Some(frame) => (u16::from(frame.code).into(), frame.reason.to_string()),
                        None => (0, String::new()),
                    };
                    return Err(SocketFailure::Closed { code, reason });
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => {
                    let reason = "the connection ended without a close frame".to_owned();
                    return Err(SocketFailure::Closed { code: 0, reason });
                }
            }
        }
    }

    /// Waits for an event of a channel; others are passed over. Errors of the server end it.
    pub async fn wait_for(
        &mut self,
        event: &str,
        channel: &str,
        limit: Duration,
    ) -> Result<PusherMessage, SocketFailure> {
        let wait = async {
            loop {
                let message = self.next().await?;
                if message.event == event && message.channel == channel {
                    return Ok(message);
                }
                if matches!(&*message.event, "pusher:error" | "pusher:subscription_error") {
                    return Err(closed(&message.data));
                }
            }
        };
        match tokio::time::timeout(limit, wait).await {
            Ok(done) => done,
            Err(_) => Err(ProbeError::Late(limit).into()),
        }
    }

    /// Says goodbye, so that no log counts a lost connection.
    pub async fn close(mut self, limit: Duration) {
        let _ = tokio::time::timeout(limit, self.stream.close(None)).await;
    }
}

fn request(key: &str, origin: Option<&str>) -> HttpRequest {
    let version = env!("CARGO_PKG_VERSION");
    let target =
        format!("/app/{key}?protocol=7&client=resound-doctor&version={version}&flash=false");
    let mut headers = vec![
        (CONNECTION, "Upgrade".to_owned()),
        (UPGRADE, "websocket".to_owned()),
        (SEC_WEBSOCKET_VERSION, "13".to_owned()),
        (SEC_WEBSOCKET_KEY, generate_key()),
    ];
    headers.extend(origin.map(|origin| (ORIGIN, origin.to_owned())));
    HttpRequest { headers, ..HttpRequest::get(&target) }
}

/// The connection behind a 101.
async fn upgraded(
    route: &ProbeRoute,
    request: HttpRequest,
    limit: Duration,
) -> Result<Upgraded, SocketFailure> {
    let request = request.build(&route.url)?;
    let line = within(limit, route.open(limit)).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(line)).await.map_err(|error| not_http(&error))?;
    let since = Instant::now();
    let exchange = async move {
        let response = sender.send_request(request).await.map_err(|error| not_http(&error))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let answer = HttpAnswer::read(response, since).await?;
            return Err(SocketFailure::NotUpgraded(Box::new(answer)));
        }
        hyper::upgrade::on(response).await.map_err(|error| not_http(&error).into())
    };
    let (upgraded, _) = tokio::join!(exchange, connection.with_upgrades());
    upgraded
}

fn parse(text: &str) -> Result<PusherMessage, ProbeError> {
    #[derive(Deserialize)]
    struct Envelope {
        event: String,
        #[serde(default)]
        channel: String,
        #[serde(default)]
        data: Value,
    }
    let unreadable = |_| ProbeError::Other("the server sent a message that is no event".to_owned());
    let Envelope { event, channel, data } = serde_json::from_str(text).map_err(unreadable)?;
    let data = match data {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        data => data,
    };
    Ok(PusherMessage { event, channel, data })
}

/// The code and the text in the data of an error.
fn closed(data: &Value) -> SocketFailure {
    let code = data["code"].as_u64().or(data["status"].as_u64()).unwrap_or(0);
    let text = data["message"].as_str().or(data["error"].as_str());
    let reason = text.map_or_else(|| data.to_string(), str::to_owned);
    SocketFailure::Closed { code, reason }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{PusherMessage, SocketFailure, closed, parse};

    #[test]
    fn data_is_read_through_its_string() {
        let text = r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\"}"}"#;
        let message = PusherMessage {
            event: "pusher:connection_established".to_owned(),
            channel: String::new(),
            data: json!({ "socket_id": "1.2" }),
        };
        assert_eq!(parse(text), Ok(message));
        assert!(parse("nothing").is_err());
    }

    #[test]
    fn errors_of_both_forms_have_a_code_and_a_text() {
        for data in [
            json!({ "code": 4001, "message": "no app" }),
            json!({ "type": "AuthError", "error": "no app", "status": 4001 }),
        ] {
            let expected = SocketFailure::Closed { code: 4001, reason: "no app".to_owned() };
            assert_eq!(closed(&data), expected);
        }
    }
}
