//! The accept loop: one task per connection, hyper with time-outs, WebSocket or HTTP by header.
//!
//! Our own because `axum::serve` gives hyper no timer: silent connections would live for ever.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::pace::{Pace, Paced, Phase};
use super::pending::Pending;
use crate::http;
use crate::metrics::Metrics;
use crate::websocket::{self, Door};

/// Bounds of a connection while it is HTTP.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadLimits {
    pub(super) bytes: usize,
    pub(super) fields: usize,
    pub(super) pace: Pace,
    pub(super) pending: usize,
}

/// How long accepting rests after a failure such as "too many open files": long enough not to
/// spin, short enough to go unnoticed once descriptors are free.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Everything a connection needs to be served.
#[derive(Clone)]
pub(super) struct Entrance {
    pub(super) router: Router,
    pub(super) door: Arc<Door>,
    pub(super) limits: HeadLimits,
    pub(super) metrics: Arc<Metrics>,
    /// Requests are finished, newcomers are told to come back.
    pub(super) stopping: CancellationToken,
}

impl Entrance {
    /// Accepts until `closed`; connections are served as tasks of `tasks`.
    pub(super) async fn accept(
        self,
        listener: TcpListener,
        tasks: &TaskTracker,
        closed: &CancellationToken,
    ) {
        let mut pending = Pending::new(self.limits.pending);
        let mut resting = false;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = closed.cancelled() => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    resting = false;
                    let phase = Arc::new(Phase::default());
                    let served = self.clone().serve(stream, phase.clone(), closed.clone());
                    let task = tasks.spawn(served).abort_handle();
                    let cut_off = pending.push(phase, task);
                    if cut_off > 0 {
                        tracing::debug!(cut_off, "silent connections over the bound were closed");
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if !std::mem::replace(&mut resting, true) {
                        tracing::error!(%error, "cannot accept connections; those that are open go on");
                    }
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
    }

    /// Serves one connection until it ends or becomes a WebSocket.
    async fn serve(self, stream: TcpStream, phase: Arc<Phase>, closed: CancellationToken) {
        let HeadLimits { bytes, fields, pace, .. } = self.limits;
        // Who comes during a drain still gets an answer, until nobody is taken any more.
        let last_call = if self.stopping.is_cancelled() { closed } else { self.stopping.clone() };
        // Small frames must not wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        let io = TokioIo::new(Paced::new(stream, pace, phase.clone()));
        let service = service_fn(move |request: Request<Incoming>| {
            let (entrance, phase) = (self.clone(), phase.clone());
            async move {
                phase.busy();
                let answer = entrance.answer(request.map(Body::new)).await;
                phase.idle();
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(bytes.max(8192))
            .max_headers(fields)
            .serve_connection(io, service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = last_call.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "connection ended while it was HTTP");
        }
    }

    async fn answer(self, request: Request<Body>) -> Response<Body> {
        // The API never upgrades: an Upgrade header there is what some proxies always add.
        let to_api = request.uri().path().contains("/apps/");
        if websocket::is_upgrade(request.headers()) && !to_api {
            return self.door.upgrade(request);
        }
        let answer = if self.stopping.is_cancelled() {
            http::shutting_down()
        } else {
            let Ok(answer) = self.router.oneshot(request).await;
            answer
        };
        self.metrics.api_answered(answer.status().as_u16());
        answer
    }
}

/// hyper gives the stream back, with what the client sent behind its handshake.
pub(super) fn reclaim(upgraded: Upgraded) -> Option<(TcpStream, Vec<u8>)> {
    let parts = upgraded.downcast::<TokioIo<Paced>>().ok()?;
    Some((parts.io.into_inner().into_inner(), parts.read_buf.to_vec()))
}

/// Failures that concern the one peer only: the next may be accepted at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
