//! The endpoint `/app/{key}` of one worker: from an HTTP request to a connection task.
//!
//! Every well-formed handshake is answered with 101, whatever the path or key: clients look for the
//! reason of a refusal on the socket.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::http::header::{
    CONNECTION, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, UPGRADE,
};
use axum::http::{Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use tokio_util::task::TaskTracker;

use super::connection::{self, AcceptedHandshake};
use super::context::{ConnectionContext, Stopping};
use super::handshake::{accept_key, text_values};
use super::refusal;
use super::stream_transport::StreamTransport;
use crate::config::WebSocketConfig;
use crate::node::{Availability, Channels, ConnectionPermit, Node};
use crate::protocol::admission::admit;
use crate::protocol::deflate;
use crate::protocol::{ClientLibrary, CloseCode, Frame};
use crate::stream::ByteStream;

/// The WebSocket endpoint of one worker.
pub struct WebSocketEndpoint {
    context: Arc<ConnectionContext>,
    prefix: Arc<str>,
}

/// A handshake that was answered with 101, to be passed to [`WebSocketEndpoint::serve`].
pub struct Upgrade {
    /// The app of the socket, or the code to close it with.
    verdict: Result<Arc<Channels>, CloseCode>,
    library: ClientLibrary,
    has_deflate: bool,
}

impl Upgrade {
    /// Closes the socket with this code, whatever its app.
    pub fn refuse(&mut self, code: CloseCode) {
        self.verdict = Err(code);
    }

    /// Whether the socket is to be closed because the path is not `/app/{key}`.
    pub fn has_wrong_path(&self) -> bool {
        matches!(self.verdict, Err(CloseCode::PathNotFound))
    }
}

/// The stream of an [`Upgrade`]: the request has been read, the 101 has not been written.
pub struct UpgradedStream {
    /// The stream, taken back from the HTTP server.
    pub stream: ByteStream,
    /// The 101, which is sent in one write with the first frame.
    pub response: Vec<u8>,
    /// Bytes that the client sent behind its request.
    pub early: Bytes,
}

impl WebSocketEndpoint {
    /// The endpoint of the worker that runs shard `shard`, below the path `prefix`, which has no
    /// trailing slash. Once `stopping` has begun, new sockets are closed.
    pub fn new(
        node: Arc<Node>,
        shard: usize,
        prefix: Arc<str>,
        limits: WebSocketConfig,
        stopping: Stopping,
    ) -> Self {
        let metrics = node.metrics().delivery.for_connections();
        let context = ConnectionContext { node, shard, limits, metrics, stopping };
        Self { context: Arc::new(context), prefix }
    }

    /// Answers a handshake: with 101 and the [`Upgrade`] to [`serve`](Self::serve), or with an error
    /// if it is malformed.
    pub fn upgrade<B>(&self, request: &Request<B>) -> (Response<Body>, Option<Upgrade>) {
        let accept = match accept_key(request) {
            Ok(accept) => accept,
            Err(error) => return (error.response(), None),
        };
        let verdict = self.verdict(request);
        let library = ClientLibrary::of_query(request.uri().query().unwrap_or_default());
        let mut offers = text_values(request.headers(), &SEC_WEBSOCKET_EXTENSIONS);
        let has_deflate = self.context.limits.deflate && offers.any(deflate::is_acceptable);
        let mut response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(UPGRADE, "websocket")
            .header(CONNECTION, "Upgrade")
            .header(SEC_WEBSOCKET_ACCEPT, accept)
            .header("X-Powered-By", "Resound");
        if has_deflate {
            response = response.header(SEC_WEBSOCKET_EXTENSIONS, deflate::ACCEPTED);
        }
        let response =
            response.body(Body::empty()).expect("the parts of this response are constant");
        (response, Some(Upgrade { verdict, library, has_deflate }))
    }

    /// The app that the socket is for, or the code to close it with.
    fn verdict<B>(&self, request: &Request<B>) -> Result<Arc<Channels>, CloseCode> {
        if self.context.stopping.has_begun() {
            return Err(self.context.stopping.refusal());
        }
        let key = self.key(request.uri().path()).ok_or(CloseCode::PathNotFound)?;
        // Browsers and SDKs differ in what they encode. A key that is not UTF-8 belongs to no app.
        let key = percent_decode_str(key).decode_utf8_lossy();
        let channels =
            self.context.node.channels_by_key(&key).ok_or(CloseCode::ApplicationDoesNotExist)?;
        let mut parameters = request.uri().query().unwrap_or_default().split('&');
        let protocol = parameters.find_map(|pair| pair.strip_prefix("protocol="));
        let origin =
            request.headers().get(ORIGIN).map(|origin| origin.to_str().unwrap_or("invalid"));
        admit(&channels.app(), protocol, origin).inspect_err(|code| {
            channels.peer_log().connection_refused(*code, origin);
        })?;
        Ok(channels)
    }

    fn key<'p>(&self, path: &'p str) -> Option<&'p str> {
        let key = path.strip_prefix(&*self.prefix)?.strip_prefix("/app/")?;
        (!key.is_empty() && !key.contains('/')).then_some(key)
    }

    /// Starts the connection task of an accepted socket in `tasks`. A refused socket is closed before
    /// this returns.
    pub async fn serve(&self, upgrade: Upgrade, upgraded: UpgradedStream, tasks: &TaskTracker) {
        let context = &self.context;
        let verdict = match upgrade.verdict {
            Ok(channels) => tokio::select! {
                biased;
                verdict = ConnectionPermit::acquire(&channels) => verdict,
                // A drain does not wait for Redis.
                () = context.stopping.begun.cancelled() => Err(context.stopping.refusal()),
            },
            Err(code) => Err(code),
        };
        // Checked last: nothing below waits before the socket is counted.
        let is_full = context.node.availability(Instant::now()) == Availability::Exhausted;
        let verdict = verdict
            .and_then(|permit| if is_full { Err(CloseCode::OverServerLimit) } else { Ok(permit) });
        let UpgradedStream { stream, response, early } = upgraded;
        match verdict {
            Ok(permit) => {
                let transport = Arc::new(StreamTransport::new(stream, upgrade.has_deflate));
                let (library, response) = (upgrade.library, Frame::verbatim(&response));
                let handshake = AcceptedHandshake { permit, library, response, early };
                tasks.spawn(connection::open(context.clone(), transport, handshake));
            }
            Err(code) => {
                context.node.metrics().sockets.handshake_refused(code);
                refusal::refuse(stream, response, code, context.close_timeout()).await;
            }
        }
    }
}
