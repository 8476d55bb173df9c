//! The connection task of one socket: reads, keeps the deadlines, finishes the closing handshake. The
//! shard writes.
//!
//! With 10 000 idle sockets, these tasks and their sockets are most of the memory, so the task is small:
//! bytes are read into one buffer per worker thread, and a connection stores only incomplete frames. It
//! reads in turns ([`TurnBudget`]), so that no client keeps the worker from the other sockets.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use tokio::time::{Sleep, sleep_until};

use super::context::ConnectionContext;
use super::decoder::{Decoder, Inbound, Unfinished};
use super::stream_transport::StreamTransport;
use super::turn_budget::{READ_BYTES, TurnBudget};
use crate::hub::{Shards, Transport};
use crate::node::{Arrival, ConnectionPermit, PendingJoins, Socket};
use crate::protocol::{ClientLibrary, CloseCode, Frame, SocketId};
use crate::stream::ByteStream;

/// Bytes that are read and dropped while a socket closes: what the client had sent before it got the
/// close frame. Beyond that, a client that keeps sending fills its own buffers.
const DROPPED_BYTES_MAX: usize = 256 * 1024;

thread_local! {
    /// One per worker thread, not per connection.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// The state of a connection task, except its socket.
struct Connection {
    id: SocketId,
    transport: Arc<StreamTransport>,
    context: Arc<ConnectionContext>,
    decoder: Decoder,
    budget: TurnBudget,
    /// Since when a message is incomplete.
    incomplete_since: Option<Instant>,
    /// Since when the kernel's send buffer is full.
    full_since: Option<Instant>,
    /// Undecided joins of the cluster, during which no message is read.
    joins: Option<PendingJoins>,
}

/// What a connection starts from.
pub(super) struct AcceptedHandshake {
    pub(super) permit: ConnectionPermit,
    pub(super) client: Option<IpAddr>,
    pub(super) library: ClientLibrary,
    /// The 101.
    pub(super) response: Frame,
    /// Bytes that the client sent behind its handshake.
    pub(super) early: Bytes,
}

/// Opens the socket and queues the 101 and the first message; returns the connection task, which runs
/// until the FIN is sent.
pub(super) fn open(
    context: Arc<ConnectionContext>,
    transport: Arc<StreamTransport>,
    handshake: AcceptedHandshake,
) -> impl Future<Output = ()> {
    let AcceptedHandshake { permit, client, library, response, early } = handshake;
    let message_bytes_max = permit.channels().app().limits.message_bytes;
    let deflate = transport.reads_deflated();
    let decoder = Decoder::new(message_bytes_max, context.limits.max_fragments, deflate);
    let id = context.node.shards().new_socket_id(context.shard);
    let now = Instant::now();
    let arrival = Arrival {
        permit,
        id,
        client,
        library,
        transport: transport.clone(),
        answer: Some(response),
    };
    let mut socket = Socket::open(arrival, now);
    let mut connection = Connection {
        id,
        transport,
        context,
        decoder,
        budget: TurnBudget::default(),
        incomplete_since: None,
        full_since: None,
        joins: None,
    };
    // Here and not in the task, which would keep the buffer of `early` for its whole life.
    let is_open = early.is_empty() || connection.feed(&mut Vec::from(early), &mut socket);
    // A block, since an async function stores its arguments twice, and this future is most of the
    // memory of an idle socket.
    async move {
        if is_open {
            connection.serve(&mut socket).await;
        }
        // Leaves the channels now, not after the closing handshake.
        drop(socket);
        connection.linger().await;
    }
}

/// The shard forgets the socket however the task ends, even by a panic.
impl Drop for Connection {
    fn drop(&mut self) {
        self.shards().forget(self.id);
    }
}

impl Connection {
    fn shards(&self) -> &Shards {
        self.context.node.shards()
    }

    /// Serves the socket until either side closes it.
    async fn serve(&mut self, socket: &mut Socket) {
        let mut is_open = true;
        let mut timer = pin!(sleep_until(self.next_deadline(socket, Instant::now()).into()));
        while is_open {
            if self.budget.is_read_spent() {
                tokio::task::yield_now().await;
                self.budget.renew();
            }
            let (has_backlog, is_decided) = (self.decoder.has_backlog(), self.joins.is_none());
            let may_read = || is_decided && self.transport.may_read();
            tokio::select! {
                ready = ready(&self.transport.stream, self.is_full(), has_backlog, may_read) => match ready {
                    Readiness::Readable => {
                        is_open = self.read(socket);
                        // Only the deadline of an incomplete message can be earlier than the timer.
                        bring_forward(timer.as_mut(), self.message_deadline());
                        self.shards().ready().await;
                    }
                    Readiness::Writable => {
                        // The peer accepted bytes, so it is alive.
                        socket.record_activity(Instant::now());
                        self.report_writable();
                    }
                },
                () = self.transport.changed() => {
                    self.check_full();
                    if self.transport.take_asked() {
                        socket.describe();
                    }
                    bring_forward(timer.as_mut(), self.write_deadline());
                    is_open = !self.transport.is_ending();
                }
                () = all_decided(&mut self.joins) => self.joins = None,
                () = timer.as_mut() => {
                    // Where the worker had no processor for a while, an answer to a ping is here and not read yet.
                    let reads = is_decided && !self.is_full() && self.transport.may_read();
                    is_open = !reads || self.read(socket);
                    if is_open {
                        self.check_deadlines(socket, timer.as_mut());
                    }
                }
            }
        }
    }

    /// Reads and decodes until the turn is over or no more bytes have arrived; false if the socket has
    /// ended.
    fn read(&mut self, socket: &mut Socket) -> bool {
        if self.decoder.has_backlog() && !self.feed(&mut [], socket) {
            return false;
        }
        while !self.budget.is_read_spent() && self.joins.is_none() {
            let transport = self.transport.clone();
            let read =
                READ_BUFFER.with_borrow_mut(|buffer| match transport.stream.try_read(buffer) {
                    Ok(0) => Some(false),
                    Ok(length) => {
                        self.budget.spend_read(length);
                        Some(self.feed(&mut buffer[..length], socket))
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                    Err(_) => Some(false),
                });
            match read {
                Some(true) => {}
                Some(false) => return false,
                None => {
                    // No more bytes have arrived: the task waits, which ends the turn.
                    self.budget.renew();
                    return true;
                }
            }
        }
        true
    }

    /// Decodes bytes and passes the messages to the socket; false if the socket has ended.
    fn feed(&mut self, bytes: &mut [u8], socket: &mut Socket) -> bool {
        let now = Instant::now();
        let (id, shards, budget) = (self.id, self.context.node.shards(), &self.budget);
        let (read, mut text_bytes) = (bytes.len(), 0);
        let fed = self.decoder.feed(bytes, budget, |inbound| match inbound {
            Inbound::Text(text) => {
                text_bytes += text.len();
                budget.spend_answers(socket.receive(text, now));
            }
            // Read as text, as in Reverb, with replacement characters for what is not UTF-8.
            Inbound::Binary(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                text_bytes += text.len();
                budget.spend_answers(socket.receive(&text, now));
            }
            Inbound::Ping(payload) => {
                socket.control_frame(now);
                budget.spend_answers(shards.answer(id, Frame::pong(payload)));
            }
            Inbound::Pong => socket.control_frame(now),
            Inbound::Close(code) => shards.finish(id, code),
        });
        self.transport.count_received(read);
        self.context.metrics.received_bytes.inc_by(read as u64);
        self.context.metrics.received_uncompressed_bytes.inc_by(text_bytes as u64);
        self.joins = self.joins.take().or_else(|| socket.pending_joins());
        match fed {
            Ok(Unfinished::Nothing) => self.incomplete_since = None,
            Ok(Unfinished::Begun) => self.incomplete_since = Some(now),
            Ok(Unfinished::Continued) => {
                self.incomplete_since = self.incomplete_since.or(Some(now))
            }
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

    /// Starts the write time-out if the shard found the send buffer full.
    fn check_full(&mut self) {
        if self.transport.take_full() {
            self.full_since = Some(Instant::now());
        }
    }

    /// The kernel accepts bytes again: the shard may write, once what is left of a TLS record is sent.
    fn report_writable(&mut self) {
        if let Ok(false) = self.transport.stream.send_unsent() {
            self.full_since = Some(Instant::now());
            return;
        }
        self.full_since = None;
        self.shards().writable(self.id);
    }

    fn message_deadline(&self) -> Option<Instant> {
        self.incomplete_since.map(|since| since + self.context.limits.message_timeout)
    }

    fn write_deadline(&self) -> Option<Instant> {
        self.full_since.map(|since| since + self.context.limits.write_timeout)
    }

    fn next_deadline(&self, socket: &Socket, now: Instant) -> Instant {
        let deadlines = [self.message_deadline(), self.write_deadline()];
        deadlines.into_iter().flatten().fold(socket.next_tick(now), Instant::min)
    }

    /// Acts on the deadlines that are due, then sets the timer to the next one. Messages do not move
    /// the timer, so a busy socket costs no timer work.
    fn check_deadlines(&self, socket: &mut Socket, timer: Pin<&mut Sleep>) {
        let now = Instant::now();
        if self.message_deadline().is_some_and(|deadline| deadline <= now) {
            socket.end(CloseCode::MessageTooBig);
        }
        if self.write_deadline().is_some_and(|deadline| deadline <= now) {
            socket.end(CloseCode::TooSlow);
        }
        if self.is_full() || !self.transport.may_read() {
            // Its messages are not read, or a ping would be queued behind unsent frames: its silence
            // proves nothing, and the write time-out applies instead.
            socket.record_activity(now);
        }
        socket.tick(now);
        // Half a second at least, so that a deadline that stays due cannot make the timer spin.
        let next = self.next_deadline(socket, now).max(now + Duration::from_millis(500));
        timer.reset(next.into());
    }

    /// Finishes the closing handshake: the shard writes the queued frames, and the peer's last bytes are
    /// read and dropped, or the kernel would answer them with a reset that can overtake the close frame.
    async fn linger(&mut self) {
        let context = self.context.clone();
        // Boxed, so that it does not enlarge the task while the socket is open.
        let close_timeout = Box::pin(async move { context.close_timeout().await });
        let closing = async {
            let mut left = DROPPED_BYTES_MAX;
            loop {
                self.check_full();
                let stream = &self.transport.stream;
                tokio::select! {
                    ready = ready(stream, self.is_full(), false, || left > 0) => match ready {
                        Readiness::Writable => self.report_writable(),
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
            () = closing => {}
            () = close_timeout => {}
        }
    }
}

/// What the connection task can do next.
enum Readiness {
    /// Bytes or the peer's FIN have arrived, or the decoder has a backlog.
    Readable,
    /// The kernel accepts bytes again.
    Writable,
}

/// Resolves once the connection is readable and `may_read` allows it, or, if the send buffer `is_full`,
/// once it is writable.
async fn ready(
    stream: &ByteStream,
    is_full: bool,
    has_backlog: bool,
    may_read: impl Fn() -> bool,
) -> Readiness {
    poll_fn(|cx| {
        if is_full && stream.poll_write_ready(cx).is_ready() {
            return Poll::Ready(Readiness::Writable);
        }
        let is_readable = may_read() && (has_backlog || stream.poll_read_ready(cx).is_ready());
        if is_readable { Poll::Ready(Readiness::Readable) } else { Poll::Pending }
    })
    .await
}

/// Reads once and drops the bytes; `None` if the peer is gone.
fn drop_bytes(stream: &ByteStream) -> Option<usize> {
    READ_BUFFER.with_borrow_mut(|buffer| match stream.try_read(buffer) {
        Ok(0) => None,
        Ok(length) => Some(length),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(0),
        Err(_) => None,
    })
}

/// Resolves once the cluster has decided on the joins; never, if there are none.
async fn all_decided(joins: &mut Option<PendingJoins>) {
    match joins {
        Some(joins) => joins.decided().await,
        None => std::future::pending().await,
    }
}

/// Sets the timer to `deadline` if that is earlier.
fn bring_forward(timer: Pin<&mut Sleep>, deadline: Option<Instant>) {
    if let Some(deadline) = deadline.filter(|&deadline| timer.deadline() > deadline.into()) {
        timer.reset(deadline.into());
    }
}

#[cfg(test)]
mod tests {
    use super::open;

    fn future_bytes<A, B, C, F>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// tokio aligns a task to 128 bytes and adds 112 to its future: 896 of 784, and 1 024 of one byte more.
    #[test]
    fn an_idle_connection_fits_into_a_task_of_896_bytes() {
        assert!(future_bytes(open) <= 784, "{} bytes", future_bytes(open));
    }
}
