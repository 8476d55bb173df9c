//! One connection task: reads, keeps time, sees the connection off. Writing is the shard's.
//!
//! Small on purpose: at 10 000 idle sockets this task and its socket are most of the memory.
//! Incoming bytes go through one buffer per worker thread; a connection keeps only what is
//! incomplete. Reading comes in turns ([`TurnBudget`]), so that no client takes the worker from the others.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep_until};

use super::context::ConnectionContext;
use super::decoder::{Decoder, Inbound, Unfinished};
use super::tcp_transport::TcpTransport;
use super::turn_budget::{READ_BYTES, TurnBudget};
use crate::hub::{Outlet, Shards};
use crate::node::{Arrival, PendingJoins, Place, Socket};
use crate::protocol::{ClientLibrary, CloseCode, Frame, SocketId};

/// Bytes read and dropped while a socket closes: what a client had under way when it got the close
/// frame. A client that goes on sending fills its own buffers instead.
const DROPPED_BYTES_MAX: usize = 256 * 1024;

thread_local! {
    /// One for each worker thread, whatever the number of connections.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// What the task of an open connection holds, but for its socket.
struct Connection {
    id: SocketId,
    transport: Arc<TcpTransport>,
    context: Arc<ConnectionContext>,
    decoder: Decoder,
    budget: TurnBudget,
    /// Since when a message has begun and not ended.
    midway_since: Option<Instant>,
    /// Since when the shard waits for the transport to take bytes.
    full_since: Option<Instant>,
    /// No message is read until the cluster has decided about these joins.
    joins: Option<PendingJoins>,
}

/// What a connection starts from.
pub(super) struct AcceptedHandshake {
    pub(super) place: Place,
    pub(super) library: ClientLibrary,
    /// The 101.
    pub(super) response: Frame,
    /// Bytes that the client sent behind its handshake.
    pub(super) early: Bytes,
}

/// Answers the handshake of a client that has its place, and greets it; returns what serves the
/// connection until its FIN.
pub(super) fn open(
    context: Arc<ConnectionContext>,
    transport: Arc<TcpTransport>,
    handshake: AcceptedHandshake,
) -> impl Future<Output = ()> {
    let AcceptedHandshake { place, library, response, early } = handshake;
    let message_bytes_max = place.channels().app().limits.message_bytes;
    let deflate = transport.reads_deflated();
    let decoder = Decoder::new(message_bytes_max, context.limits.fragments, deflate);
    let id = context.node.shards().new_socket_id(context.shard);
    let now = Instant::now();
    let arrival = Arrival { place, id, library, outlet: transport.clone(), answer: Some(response) };
    let mut socket = Socket::open(&context.node, arrival, now);
    let mut connection = Connection {
        id,
        transport,
        context,
        decoder,
        budget: TurnBudget::new(),
        midway_since: None,
        full_since: None,
        joins: None,
    };
    // Here, so that the buffer it lies in is not kept for as long as the connection lives.
    let going_on = early.is_empty() || connection.feed(&mut Vec::from(early), &mut socket);
    // A block, not a function: an async function keeps its arguments twice, and this is most of
    // what an idle socket costs.
    async move {
        if going_on {
            connection.serve(&mut socket).await;
        }
        // It leaves its channels now, not when the closing handshake is over.
        drop(socket);
        connection.linger().await;
    }
}

/// However the task ends, by a panic too, the shard lets the socket go.
impl Drop for Connection {
    fn drop(&mut self) {
        self.shards().forget(self.id);
    }
}

impl Connection {
    fn shards(&self) -> &Shards {
        self.context.node.shards()
    }

    /// Until either side closes.
    async fn serve(&mut self, socket: &mut Socket) {
        let mut going_on = true;
        let mut timer = pin!(sleep_until(self.next_look(socket, Instant::now()).into()));
        while going_on {
            if self.budget.is_read_spent() {
                tokio::task::yield_now().await;
                self.budget.renew();
            }
            let (has_backlog, decided) = (self.decoder.has_backlog(), self.joins.is_none());
            let reads = || decided && self.transport.may_read();
            tokio::select! {
                ready = ready(&self.transport.stream, self.is_full(), has_backlog, reads) => match ready {
                    Readiness::Readable => {
                        going_on = self.read(socket);
                        // Nothing else that arrives can make the next look come earlier.
                        bring_forward(timer.as_mut(), self.message_due());
                        self.shards().room().await;
                    }
                    Readiness::Writable => {
                        // The peer took bytes.
                        socket.heard(Instant::now());
                        self.write_on();
                    }
                },
                () = self.transport.changed() => {
                    self.look_whether_full();
                    bring_forward(timer.as_mut(), self.write_due());
                    going_on = !self.transport.is_ending();
                }
                () = all_decided(&mut self.joins) => self.joins = None,
                () = timer.as_mut() => self.keep_time(socket, timer.as_mut()),
            }
        }
    }

    /// Reads and decodes until the turn is over or nothing more has arrived; false when the
    /// connection is over.
    fn read(&mut self, socket: &mut Socket) -> bool {
        if self.decoder.has_backlog() && !self.feed(&mut [], socket) {
            return false;
        }
        while !self.budget.is_read_spent() && self.joins.is_none() {
            let transport = self.transport.clone();
            let going_on =
                READ_BUFFER.with_borrow_mut(|buffer| match transport.stream.try_read(buffer) {
                    Ok(0) => Some(false),
                    Ok(length) => {
                        self.budget.spend_read(length);
                        Some(self.feed(&mut buffer[..length], socket))
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                    Err(_) => Some(false),
                });
            match going_on {
                Some(true) => {}
                Some(false) => return false,
                None => {
                    // The client has nothing more under way, so the turn ends by itself.
                    self.budget.renew();
                    return true;
                }
            }
        }
        true
    }

    /// Decodes bytes and passes the messages to the socket; false when the connection is over.
    fn feed(&mut self, bytes: &mut [u8], socket: &mut Socket) -> bool {
        let now = Instant::now();
        let (id, shards, budget) = (self.id, self.context.node.shards(), &self.budget);
        let fed = self.decoder.feed(bytes, budget, |inbound| match inbound {
            Inbound::Text(text) => budget.spend_answers(socket.receive(text, now)),
            Inbound::Ping(payload) => {
                socket.control_frame(now);
                budget.spend_answers(shards.answer(id, Frame::pong(payload)));
            }
            Inbound::Pong => socket.control_frame(now),
            Inbound::Close(code) => shards.finish(id, code),
        });
        self.joins = self.joins.take().or_else(|| socket.pending_joins());
        match fed {
            Ok(Unfinished::Nothing) => self.midway_since = None,
            Ok(Unfinished::Begun) => self.midway_since = Some(now),
            Ok(Unfinished::Continued) => self.midway_since = self.midway_since.or(Some(now)),
            Err(code) => {
                socket.end(code);
                return false;
            }
        }
        true
    }

    fn is_full(&self) -> bool {
        self.full_since.is_some()
    }

    /// The shard may have found the transport full.
    fn look_whether_full(&mut self) {
        if self.transport.take_full() {
            self.full_since = Some(Instant::now());
        }
    }

    /// The transport takes bytes again.
    fn write_on(&mut self) {
        self.full_since = None;
        self.shards().writable(self.id);
    }

    fn message_due(&self) -> Option<Instant> {
        self.midway_since.map(|since| since + self.context.limits.message_timeout)
    }

    fn write_due(&self) -> Option<Instant> {
        self.full_since.map(|since| since + self.context.limits.write_timeout)
    }

    fn next_look(&self, socket: &Socket, now: Instant) -> Instant {
        let dues = [self.message_due(), self.write_due()];
        dues.into_iter().flatten().fold(socket.next_look(now), Instant::min)
    }

    /// The timer is moved when it fires, never on a message: a busy socket costs no timer work.
    fn keep_time(&self, socket: &mut Socket, timer: Pin<&mut Sleep>) {
        let now = Instant::now();
        if self.message_due().is_some_and(|due| due <= now) {
            socket.end(CloseCode::MessageTooBig);
        }
        if self.write_due().is_some_and(|due| due <= now) {
            socket.end(CloseCode::TooSlow);
        }
        if self.is_full() || !self.transport.may_read() {
            // Its messages are not read, or a ping would wait behind what it has not taken: its
            // silence has another cause, for which the write time-out stands.
            socket.heard(now);
        }
        socket.tick(now);
        // Half a second at least, so that a deadline that is due cannot spin.
        let next = self.next_look(socket, now).max(now + Duration::from_millis(500));
        timer.reset(next.into());
    }

    /// The rest of the closing handshake: what is queued goes out, the peer's last bytes are read
    /// and dropped, so that the kernel does not answer them with a reset that outruns our close.
    async fn linger(&mut self) {
        let context = self.context.clone();
        // In a box, which exists only now: the task of an open socket need not hold it.
        let close_timeout = Box::pin(async move { context.close_timeout().await });
        let seen_off = async {
            let mut left = DROPPED_BYTES_MAX;
            loop {
                self.look_whether_full();
                let stream = &self.transport.stream;
                tokio::select! {
                    ready = ready(stream, self.is_full(), false, || left > 0) => match ready {
                        Readiness::Writable => self.write_on(),
                        Readiness::Readable => match drop_bytes(stream) {
                            Some(bytes) => left = left.saturating_sub(bytes),
                            None => return,
                        },
                    },
                    () = self.transport.changed() => {}
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = seen_off => {}
            () = close_timeout => {}
        }
    }
}

/// What a connection can do next.
enum Readiness {
    /// Bytes have arrived, or frames wait, or the peer is gone.
    Readable,
    /// The kernel accepts bytes again.
    Writable,
}

/// Resolves once there is something to read, while `reads` allows it, or, if the shard waits for
/// room (`full`), once there is room.
async fn ready(
    stream: &TcpStream,
    full: bool,
    has_backlog: bool,
    reads: impl Fn() -> bool,
) -> Readiness {
    poll_fn(|cx| {
        if full && stream.poll_write_ready(cx).is_ready() {
            return Poll::Ready(Readiness::Writable);
        }
        let readable = reads() && (has_backlog || stream.poll_read_ready(cx).is_ready());
        if readable { Poll::Ready(Readiness::Readable) } else { Poll::Pending }
    })
    .await
}

/// Reads once and drops what came; `None` when the peer is gone.
fn drop_bytes(stream: &TcpStream) -> Option<usize> {
    READ_BUFFER.with_borrow_mut(|buffer| match stream.try_read(buffer) {
        Ok(0) => None,
        Ok(length) => Some(length),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(0),
        Err(_) => None,
    })
}

/// Resolves once the cluster has decided about the joins that reading waits for.
async fn all_decided(joins: &mut Option<PendingJoins>) {
    match joins {
        Some(joins) => joins.decided().await,
        None => std::future::pending().await,
    }
}

fn bring_forward(timer: Pin<&mut Sleep>, due: Option<Instant>) {
    if let Some(due) = due.filter(|&due| timer.deadline() > due.into()) {
        timer.reset(due.into());
    }
}
