//! The accept loop: one task per connection, hyper with time-outs, WebSocket or HTTP by header.
//!
//! Our own because `axum::serve` gives hyper no timer: silent connections would live for ever.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::pace::{Pace, Paced, Phase};
use super::pending::Pending;
use crate::http;
use crate::metrics::Metrics;
use crate::websocket::{self, Door, Upgrade};

/// Bounds of a connection while it is HTTP.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadLimits {
    pub(super) bytes: usize,
    pub(super) fields: usize,
    pub(super) pace: Pace,
}

/// How long accepting rests after a failure such as "too many open files": long enough not to
/// spin, short enough to go unnoticed once descriptors are free.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Everything a connection needs to be served; one for each worker.
pub(super) struct Entrance {
    pub(super) router: Router,
    pub(super) door: Arc<Door>,
    pub(super) limits: HeadLimits,
    /// Of all workers together.
    pub(super) pending: Arc<Mutex<Pending>>,
    pub(super) metrics: Arc<Metrics>,
    /// Requests are finished, newcomers are told to come back.
    pub(super) stopping: CancellationToken,
}

/// What one connection's requests leave for the connection itself.
#[derive(Default)]
struct Visit {
    phase: Arc<Phase>,
    /// Set by the request that asked for a WebSocket and was answered with 101.
    upgrade: Mutex<Option<Upgrade>>,
}

impl Entrance {
    /// Accepts until `closed`; connections are served as tasks of `tasks`.
    pub(super) async fn accept(
        self: Arc<Self>,
        listener: TcpListener,
        tasks: TaskTracker,
        closed: CancellationToken,
    ) {
        let mut resting = false;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = closed.cancelled() => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    resting = false;
                    let visit = Arc::new(Visit::default());
                    let phase = visit.phase.clone();
                    let served = self.clone().serve(stream, visit, tasks.clone(), closed.clone());
                    let task = tasks.spawn(served).abort_handle();
                    let cut_off = self.pending.lock().push(phase, task);
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
    async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        visit: Arc<Visit>,
        tasks: TaskTracker,
        closed: CancellationToken,
    ) {
        let HeadLimits { bytes, fields, pace } = self.limits;
        let last_call = self.last_call(visit.phase.clone(), closed);
        // Small frames must not wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        let io = TokioIo::new(Paced::new(stream, pace, visit.phase.clone()));
        let (entrance, visited) = (self.clone(), visit.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (entrance, visit) = (entrance.clone(), visited.clone());
            // Boxed: hyper lets go of a connection for an upgrade only if nothing in it is pinned.
            Box::pin(async move {
                visit.phase.busy();
                let answer = entrance.answer(request.map(Body::new), &visit).await;
                visit.phase.idle();
                Ok::<_, Infallible>(answer)
            })
        });
        let mut connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(bytes.max(8192))
            .max_headers(fields)
            .serve_connection(io, service);
        let served = tokio::select! {
            served = poll_fn(|cx| connection.poll_without_shutdown(cx)) => served,
            () = last_call => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                poll_fn(|cx| connection.poll_without_shutdown(cx)).await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "connection ended while it was HTTP");
            return;
        }
        let upgrade = visit.upgrade.lock().take();
        if let Some(upgrade) = upgrade {
            // In a task of its own: this one has the size of hyper's state for as long as it lives.
            let parts = connection.into_parts();
            let (stream, answer) = parts.io.into_inner().into_inner();
            self.door.serve(upgrade, stream, answer, parts.read_buf, &tasks);
        }
    }

    /// When a connection without a request is no longer waited for: when the drain begins, but
    /// one whose first request may be on its way gets an answer until nobody is taken any more.
    fn last_call(
        &self,
        phase: Arc<Phase>,
        closed: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        let stopping = self.stopping.clone();
        async move {
            stopping.cancelled().await;
            if !phase.was_heard() {
                closed.cancelled().await;
            }
        }
    }

    async fn answer(&self, request: Request<Body>, visit: &Visit) -> Response<Body> {
        // The API never upgrades: an Upgrade header there is what some proxies always add.
        let to_api = request.uri().path().contains("/apps/");
        if websocket::is_upgrade(request.headers()) && !to_api {
            let (answer, upgrade) = self.door.upgrade(&request);
            if upgrade.is_some() {
                visit.phase.upgrading();
            }
            *visit.upgrade.lock() = upgrade;
            return answer;
        }
        let answer = if self.stopping.is_cancelled() {
            http::shutting_down()
        } else {
            let Ok(answer) = self.router.clone().oneshot(request).await;
            answer
        };
        self.metrics.api_answered(answer.status().as_u16());
        answer
    }
}

/// Failures that concern the one peer only: the next may be accepted at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
