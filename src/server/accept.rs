//! The accept loop: one task per connection, hyper with time-outs, WebSocket or HTTP by header.
//!
//! Our own because `axum::serve` gives hyper no timer: silent connections would live for ever.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::closing;
use super::head;
use super::lingering::{Unread, Watched, linger};
use super::misdirected;
use super::pace::{Pace, Paced, Phase};
use super::path::with_plain_path;
use super::pending::{Pending, Ticket};
use super::rejected::{Reason, Rejected};
use super::spare::{self, Next, Spare};
use crate::http;
use crate::node::{Node, Vacancy};
use crate::websocket::{self, Upgrade, UpgradedStream, WebSocketEndpoint};

/// Bounds of a connection while it is HTTP.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadLimits {
    pub(super) bytes: usize,
    pub(super) fields: usize,
    pub(super) pace: Pace,
}

/// How long accepting rests after a failure that nothing can be done about: long enough not to
/// spin, short enough to go unnoticed once the cause is gone.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// For how long a connection must have been without a request before the drain closes it: a proxy
/// that sends more than ten requests a second on it has sent one by then.
const QUIET: Duration = Duration::from_millis(100);

/// How long a peer may take to read its last answer when no listener is open any more.
const DRAIN_PARTING: Duration = Duration::from_secs(1);

/// Everything a connection needs to be served; one for each listener.
pub(super) struct Entrance {
    pub(super) router: Router,
    /// For sockets; the listener of the metrics has none.
    pub(super) door: Option<Arc<WebSocketEndpoint>>,
    pub(super) limits: HeadLimits,
    /// Of all listeners together.
    pub(super) pending: Arc<Mutex<Pending>>,
    pub(super) rejected: Arc<Rejected>,
    pub(super) node: Arc<Node>,
    /// The drain has begun: each answer announces the end of its connection.
    pub(super) stopping: CancellationToken,
}

/// What one connection's requests leave for the connection itself.
struct Visit {
    phase: Arc<Phase>,
    unread: Arc<Unread>,
    /// Set by the request that asked for a WebSocket and was answered with 101.
    upgrade: Mutex<Option<Upgrade>>,
    peer: SocketAddr,
    _ticket: Ticket,
}

impl Entrance {
    /// Accepts until `closed`, those included whose handshake is under way then; connections are
    /// served as tasks of `tasks`.
    pub(super) async fn accept(
        self: Arc<Self>,
        listener: TcpListener,
        tasks: TaskTracker,
        closed: CancellationToken,
    ) {
        let mut resting = false;
        let mut spare = Spare::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = closed.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    resting = false;
                    if self.admit(stream, peer, &tasks, &closed) == Crowd::Overfull {
                        self.thin_out().await;
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) if spare::is_needed(&error) => {
                    match self.squeeze_in(&mut spare, &listener).await {
                        Squeezed::In(stream, peer) => {
                            self.admit(stream, peer, &tasks, &closed);
                        }
                        Squeezed::Nobody => {}
                        Squeezed::Out => tokio::time::sleep(ACCEPT_REST).await,
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut resting, true) {
                        tracing::error!(%error, "cannot accept connections; those that are open go on");
                    }
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
        for (stream, peer) in closing::close(listener).await {
            self.admit(stream, peer, &tasks, &closed);
        }
    }

    /// Starts to serve a connection.
    fn admit(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        tasks: &TaskTracker,
        closed: &CancellationToken,
    ) -> Crowd {
        let mut pending = self.pending.lock();
        let phase = Arc::<Phase>::default();
        let (unread, upgrade, ticket) = (Arc::default(), Mutex::default(), pending.ticket());
        let visit = Visit { phase: phase.clone(), unread, upgrade, peer, _ticket: ticket };
        let served = self.clone().serve(stream, visit, tasks.clone(), closed.clone());
        let cut_off = pending.push(phase, tasks.spawn(served).abort_handle());
        if cut_off > 0 {
            tracing::debug!(cut_off, "silent connections over the bound were closed");
        }
        if pending.is_overfull() { Crowd::Overfull } else { Crowd::Fits }
    }

    /// Ends one connection if there are still too many once those that were accepted have been read.
    async fn thin_out(&self) {
        let_the_others_run().await;
        let mut pending = self.pending.lock();
        if pending.is_overfull() {
            pending.evict();
        }
    }

    /// Accepts the next connection on the spare descriptor. It stays if another one, which then
    /// ends, has a descriptor for the next spare one; else it is refused, for it would wait in vain.
    async fn squeeze_in(&self, spare: &mut Spare, listener: &TcpListener) -> Squeezed {
        let next = spare.accept(listener).await;
        let squeezed = match next {
            Next::None => Squeezed::Nobody,
            Next::Unknown => {
                self.out_of_descriptors();
                if self.make_room().await { Squeezed::Nobody } else { Squeezed::Out }
            }
            Next::Connection(stream, peer) => {
                self.out_of_descriptors();
                if self.make_room().await {
                    Squeezed::In(stream, peer)
                } else {
                    spare::refuse(stream);
                    Squeezed::Nobody
                }
            }
        };
        spare.renew();
        squeezed
    }

    fn out_of_descriptors(&self) {
        let now = Instant::now();
        self.node.room().exhausted(now);
        self.rejected.note(Reason::Descriptors, None, now);
    }

    /// Ends one connection, whose descriptor is free then; whether there was one.
    async fn make_room(&self) -> bool {
        let evicted = self.pending.lock().evict();
        let_the_others_run().await;
        evicted
    }

    /// Serves one connection until it ends or becomes a WebSocket.
    async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        visit: Visit,
        tasks: TaskTracker,
        closed: CancellationToken,
    ) {
        let HeadLimits { bytes, fields, pace } = self.limits;
        let visit = Arc::new(visit);
        let last_call = last_call(visit.phase.clone(), closed.clone());
        // Small frames must not wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        let io = TokioIo::new(Paced::new(stream, pace, visit.phase.clone()));
        let (entrance, visited) = (self.clone(), visit.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (entrance, visit) = (entrance.clone(), visited.clone());
            // Boxed: hyper lets go of a connection for an upgrade only if nothing in it is pinned.
            Box::pin(async move {
                visit.phase.busy();
                let watch = |body| Body::new(Watched::new(body, visit.unread.clone()));
                let mut answer = entrance.answer(request.map(watch), &visit).await;
                if entrance.stopping.is_cancelled()
                    && answer.status() != StatusCode::SWITCHING_PROTOCOLS
                {
                    // The peer opens its next connection elsewhere, and none is closed under a request.
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
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
            // A request that has arrived is served, whatever else is due.
            biased;
            served = poll_fn(|cx| connection.poll_without_shutdown(cx)) => served,
            () = last_call => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                poll_fn(|cx| connection.poll_without_shutdown(cx)).await
            }
        };
        let parts = connection.into_parts();
        let (stream, kept_back) = parts.io.into_inner().into_inner();
        let upgrade = visit.upgrade.lock().take();
        match (served, upgrade, &self.door) {
            (Err(error), ..) if error.is_parse() => {
                let rejection =
                    misdirected::reject(&error, &parts.read_buf, &kept_back, self.limits);
                self.rejected.note(rejection.reason, Some(visit.peer), Instant::now());
                self.part(stream, &rejection.answer, &closed).await;
            }
            (Err(error), ..) => tracing::debug!(%error, "connection ended while it was HTTP"),
            (Ok(()), Some(upgrade), Some(door)) => {
                // The socket is served by a task of its own: this one has the size of hyper's state
                // for as long as it lives.
                let upgraded =
                    UpgradedStream { stream, response: kept_back, early: parts.read_buf };
                door.serve(upgrade, upgraded, &tasks).await;
            }
            _ if visit.unread.is_set() || !parts.read_buf.is_empty() => {
                self.part(stream, &[], &closed).await;
            }
            _ => {}
        }
    }

    /// Ends a connection whose peer may not have read its answer yet.
    async fn part(&self, stream: TcpStream, last: &[u8], closed: &CancellationToken) {
        let over = async {
            closed.cancelled().await;
            tokio::time::sleep(DRAIN_PARTING).await;
        };
        tokio::select! {
            () = linger(stream, last) => {}
            // A drain does not wait for it.
            () = over => {}
        }
    }

    async fn answer(&self, request: Request<Body>, visit: &Visit) -> Response<Body> {
        let Some(door) = &self.door else {
            let Ok(answer) = self.router.clone().oneshot(request).await;
            return answer;
        };
        if let Some(refusal) = head::refusal(&request) {
            self.node.metrics().api_answered(refusal.status().as_u16());
            return refusal;
        }
        let request = with_plain_path(request);
        // The API never upgrades: an Upgrade header there is what some proxies always add.
        let to_api = request.uri().path().contains("/apps/");
        if websocket::is_upgrade(request.headers()) && !to_api {
            let (answer, upgrade) = door.upgrade(&request);
            if let Some(upgrade) = &upgrade {
                visit.phase.upgrading();
                if upgrade.has_wrong_path() {
                    self.rejected.note(Reason::Path, Some(visit.peer), Instant::now());
                }
                if self.node.vacancy(Instant::now()) == Vacancy::Full {
                    self.rejected.note(Reason::Descriptors, Some(visit.peer), Instant::now());
                }
            }
            *visit.upgrade.lock() = upgrade;
            return answer;
        }
        let Ok(answer) = self.router.clone().oneshot(request).await;
        let status = answer.status().as_u16();
        if let Some(http::ApiErrorText(reason)) = answer.extensions().get() {
            self.rejected.request(status, reason, Instant::now());
        }
        self.node.metrics().api_answered(status);
        answer
    }
}

/// Resolves once no listener is open and the connection has been without a request for [`QUIET`].
///
/// What a proxy sends on an idle connection while it is being closed is lost: it does not send a
/// POST again. A connection in use is closed with an announcement instead, and a proxy that was
/// refused a new one sends nothing more on the old ones.
async fn last_call(phase: Arc<Phase>, closed: CancellationToken) {
    closed.cancelled().await;
    let mut requests = None;
    while phase.is_busy() || requests != Some(phase.requests()) {
        requests = Some(phase.requests());
        tokio::time::sleep(QUIET).await;
    }
}

/// Whether there are more connections than there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crowd {
    Fits,
    Overfull,
}

/// Once for the runtime to look for news, once more for the tasks that they concern.
async fn let_the_others_run() {
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}

/// Failures that concern the one peer only: the next may be accepted at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// What became of the next connection when there was no descriptor for it.
enum Squeezed {
    /// It has one.
    In(TcpStream, SocketAddr),
    /// None waits, or it was refused.
    Nobody,
    /// Not even the spare descriptor is left.
    Out,
}
