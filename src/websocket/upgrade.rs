//! From an HTTP request to a WebSocket connection: the handshake of `/app/{key}`.
//!
//! Every well-formed handshake is answered with 101, whatever the path or key: reasons are told
//! on the socket, where clients look for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::header::{CONNECTION, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY};
use axum::http::header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
};
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, ConnectionLimits, Opening};
use super::link::Link;
use super::refusal;
use crate::node::{Admission, Channels, Node, Place, Vacancy};
use crate::protocol::admission::admit;
use crate::protocol::deflate;
use crate::protocol::{ClientLibrary, CloseCode, Frame};

/// How long a peer may take to answer a close frame during a drain. By then the kernel has what was
/// said to it, and goes on sending that without the process; waiting longer only keeps a reset from
/// peers that still send.
const DRAIN_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The WebSocket side of one worker.
pub struct Door {
    pub(super) node: Arc<Node>,
    /// The shard of the worker whose door this is: it gets the sockets that come in here.
    pub(super) shard: usize,
    prefix: Arc<str>,
    pub(super) limits: ConnectionLimits,
    stopping: CancellationToken,
}

/// A handshake that was answered with 101, and what becomes of it.
pub struct Upgrade {
    verdict: Result<Arc<Channels>, CloseCode>,
    library: ClientLibrary,
    /// permessage-deflate was negotiated.
    deflate: bool,
}

impl Upgrade {
    /// Whether it is refused because of its path.
    pub fn is_misplaced(&self) -> bool {
        matches!(self.verdict, Err(CloseCode::PathNotFound))
    }
}

/// Whether a request asks for a WebSocket.
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    has_token(headers, &UPGRADE, "websocket")
}

impl Door {
    /// The door of the worker whose shard is `shard`. None opens once `stopping`; `prefix` is the
    /// mount path, without trailing slash.
    pub fn new(
        node: Arc<Node>,
        shard: usize,
        prefix: Arc<str>,
        limits: ConnectionLimits,
        stopping: CancellationToken,
    ) -> Self {
        Self { node, shard, prefix, limits, stopping }
    }

    /// Answers a handshake: with 101 and what to [`serve`](Self::serve) next, or only with what
    /// is wrong with it.
    pub fn upgrade<B>(&self, request: &Request<B>) -> (Response<Body>, Option<Upgrade>) {
        let accept = match accept_key(request) {
            Ok(accept) => accept,
            Err(fault) => return (fault.answer(), None),
        };
        let verdict = self.verdict(request);
        let library = ClientLibrary::of_query(request.uri().query().unwrap_or_default());
        let mut offers = text_of(request.headers(), &SEC_WEBSOCKET_EXTENSIONS);
        let deflate = self.limits.deflate && offers.any(deflate::is_acceptable);
        let mut answer = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(UPGRADE, "websocket")
            .header(CONNECTION, "Upgrade")
            .header(SEC_WEBSOCKET_ACCEPT, accept)
            .header("X-Powered-By", "Resound");
        if deflate {
            answer = answer.header(SEC_WEBSOCKET_EXTENSIONS, deflate::ACCEPTED);
        }
        let answer = answer.body(Body::empty()).expect("the parts of this answer are constant");
        (answer, Some(Upgrade { verdict, library, deflate }))
    }

    /// Resolves when a peer has had its time to answer a close frame. A drain does not wait for
    /// peers that are silent: it gives them [`DRAIN_CLOSE_TIMEOUT`].
    pub(super) async fn close_timeout(&self) {
        let close_timeout = self.limits.close_timeout;
        tokio::select! {
            () = sleep(close_timeout) => return,
            () = self.stopping.cancelled() => {}
        }
        sleep(close_timeout.min(DRAIN_CLOSE_TIMEOUT)).await;
    }

    /// Which app the connection is for, or why it may not open.
    fn verdict<B>(&self, request: &Request<B>) -> Result<Arc<Channels>, CloseCode> {
        if self.stopping.is_cancelled() {
            return Err(CloseCode::Draining);
        }
        let key = self.key(request.uri().path()).ok_or(CloseCode::PathNotFound)?;
        // Browsers and SDKs differ in what they encode. What is no text is no app's key.
        let key = percent_decode_str(key).decode_utf8_lossy();
        let channels = self.node.channels_by_key(&key).ok_or(CloseCode::ApplicationDoesNotExist)?;
        let mut parameters = request.uri().query().unwrap_or_default().split('&');
        let protocol = parameters.find_map(|pair| pair.strip_prefix("protocol="));
        let origin =
            request.headers().get(ORIGIN).map(|origin| origin.to_str().unwrap_or("invalid"));
        admit(channels.app(), protocol, origin).inspect_err(|code| {
            channels.peer_log().connection_refused(*code, origin);
        })?;
        Ok(channels.clone())
    }

    fn key<'p>(&self, path: &'p str) -> Option<&'p str> {
        let key = path.strip_prefix(&*self.prefix)?.strip_prefix("/app/")?;
        (!key.is_empty() && !key.contains('/')).then_some(key)
    }

    /// Takes over the connection of a handshake that is to be answered with 101. A socket is served
    /// by a task of `tasks`; a refusal is over when this returns.
    pub async fn serve(
        self: &Arc<Self>,
        upgrade: Upgrade,
        newcomer: Newcomer,
        tasks: &TaskTracker,
    ) {
        let asked = upgrade.verdict.map(|channels| Place::ask(&channels));
        let verdict = match asked {
            Ok(Admission::Decided(verdict)) => verdict,
            // The drain does not wait for Redis.
            Ok(Admission::Asked(asked)) => tokio::select! {
                verdict = asked.answer() => verdict,
                () = self.stopping.cancelled() => Err(CloseCode::Draining),
            },
            Err(code) => Err(code),
        };
        // Looked at last: from here on the socket is counted, without a wait in between.
        let is_full = self.node.vacancy(Instant::now()) == Vacancy::Full;
        let verdict = verdict
            .and_then(|place| if is_full { Err(CloseCode::OverServerLimit) } else { Ok(place) });
        let Newcomer { stream, answer, early } = newcomer;
        match verdict {
            Ok(place) => {
                let link = Arc::new(Link::new(stream, upgrade.deflate));
                let (library, answer) = (upgrade.library, Frame::verbatim(&answer));
                let opening = Opening { place, library, answer, early };
                tasks.spawn(connection::open(self.clone(), link, opening));
            }
            Err(code) => {
                self.node.metrics().handshake_refused(code);
                refusal::refuse(stream, answer, code, self.close_timeout()).await;
            }
        }
    }
}

/// A connection whose handshake is not answered yet.
pub struct Newcomer {
    /// The transport.
    pub stream: TcpStream,
    /// The 101, which leaves with the first frame.
    pub answer: Vec<u8>,
    /// What the client sent behind its request.
    pub early: Bytes,
}

/// What is wrong with a handshake; answered over HTTP, since there is no WebSocket yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Method,
    Connection,
    Version,
    Key,
}

impl Fault {
    fn answer(self) -> Response<Body> {
        let (status, text) = match self {
            Self::Method => {
                (StatusCode::BAD_REQUEST, "A WebSocket handshake is a GET request of HTTP/1.1")
            }
            Self::Connection => (
                StatusCode::BAD_REQUEST,
                "The header \"Connection: Upgrade\" is missing: a proxy in front must pass it on",
            ),
            Self::Version => (StatusCode::UPGRADE_REQUIRED, "Sec-WebSocket-Version must be 13"),
            Self::Key => (StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64"),
        };
        let mut answer = plain(status, text);
        if self == Self::Version {
            answer.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        answer
    }
}

/// The accept key of a well-formed handshake (RFC 6455, 4.2.1).
fn accept_key<B>(request: &Request<B>) -> Result<String, Fault> {
    let headers = request.headers();
    if request.method() != Method::GET || request.version() < Version::HTTP_11 {
        return Err(Fault::Method);
    }
    if !has_token(headers, &CONNECTION, "upgrade") {
        return Err(Fault::Connection);
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Fault::Version);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    key.filter(|key| is_nonce(key)).map(derive_accept_key).ok_or(Fault::Key)
}

/// 16 bytes in base64: 22 characters and two equals signs.
fn is_nonce(key: &[u8]) -> bool {
    let letter = |&byte: &u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(letter)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    text_of(headers, name)
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// The lines of one field that are text.
fn text_of<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = status;
    answer
}
