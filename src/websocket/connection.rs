//! One connection task: reads, keeps time, sees the connection off. Writing is the shard's.
//!
//! Small on purpose: at 10 000 idle sockets this task and its socket are most of the memory.
//! Incoming bytes go through one buffer per worker thread; a connection keeps only what is
//! incomplete.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep_until};

use super::decoder::{Decoder, Inbound};
use super::link::Link;
use super::upgrade::Door;
use crate::hub::{Outlet, Shards};
use crate::node::{Place, Socket};
use crate::protocol::{CloseCode, Frame, SocketId};

/// Bounds of one connection, from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Fragments of one message.
    pub fragments: usize,
    /// Time to finish a message that has begun.
    pub message_timeout: Duration,
    /// Time for the peer to finish the closing handshake.
    pub close_timeout: Duration,
    /// Whether permessage-deflate is negotiated with clients that offer it.
    pub deflate: bool,
}

/// Bytes read at once; one buffer for each worker thread, whatever the number of connections.
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// What the task of an open connection holds, but for its socket.
struct Connection {
    id: SocketId,
    link: Arc<Link>,
    door: Arc<Door>,
    decoder: Decoder,
    /// Since when a message has begun and not ended.
    midway_since: Option<Instant>,
    /// The shard waits for the transport to take bytes again.
    full: bool,
}

/// Answers the handshake of a client that has its place, and greets it; returns what serves the
/// connection until its FIN. `early` is what the client sent behind its handshake.
pub(super) fn open(
    door: Arc<Door>,
    place: Place,
    link: Arc<Link>,
    answer: Frame,
    early: Bytes,
) -> impl Future<Output = ()> {
    let message_bytes_max = place.channels().app().limits.message_bytes;
    let deflate = link.reads_deflated();
    let decoder = Decoder::new(message_bytes_max, door.limits.fragments, deflate);
    let id = door.node.shards().new_socket_id(door.shard);
    let now = Instant::now();
    let mut socket = Socket::open(&door.node, place, id, now, link.clone(), Some(answer));
    let (midway_since, full) = (None, false);
    let mut connection = Connection { id, link, door, decoder, midway_since, full };
    // A block, not a function: an async function keeps what it is given twice, and this is most of
    // what an idle socket costs.
    async move {
        connection.listen(&mut socket, early).await;
        // It leaves its channels now, not when the closing handshake is over.
        drop(socket);
        connection.linger().await;
    }
}

/// Whatever ends the task, a panic of ours included, the shard lets the socket go.
impl Drop for Connection {
    fn drop(&mut self) {
        self.shards().forget(self.id);
    }
}

impl Connection {
    fn shards(&self) -> &Shards {
        self.door.node.shards()
    }

    /// Until either side closes.
    async fn listen(&mut self, socket: &mut Socket, early: Bytes) {
        let mut going_on = self.take(early, socket);
        let mut timer = pin!(sleep_until(self.next_look(socket, Instant::now()).into()));
        while going_on {
            let mut fed = Ok(());
            let shards = self.door.node.shards();
            let take = |bytes: &mut [u8]| fed = feed(bytes, &mut self.decoder, shards, socket);
            tokio::select! {
                heard = hear(&self.link.stream, self.full, take) => match heard {
                    Heard::Bytes => {
                        going_on = self.after(fed, socket);
                        // Nothing else that is heard can make the next look come earlier.
                        if let Some(due) = self.message_due() {
                            let due = timer.deadline().min(due.into());
                            timer.as_mut().reset(due);
                        }
                        self.shards().room().await;
                    }
                    Heard::Writable => self.tell_writable(),
                    Heard::Gone => going_on = false,
                },
                () = self.link.changed() => {
                    self.full |= self.link.take_full();
                    going_on = !self.link.is_ending();
                }
                () = timer.as_mut() => self.keep_time(socket, timer.as_mut()),
            }
        }
    }

    /// What was fed says about going on.
    fn after(&mut self, fed: Result<(), CloseCode>, socket: &Socket) -> bool {
        if let Err(code) = fed {
            socket.end(code);
            return false;
        }
        let midway = self.decoder.is_midway();
        self.midway_since =
            if midway { self.midway_since.or_else(|| Some(Instant::now())) } else { None };
        true
    }

    fn take(&mut self, early: Bytes, socket: &mut Socket) -> bool {
        if early.is_empty() {
            return true;
        }
        let mut early = Vec::from(early);
        let fed = feed(&mut early, &mut self.decoder, self.door.node.shards(), socket);
        self.after(fed, socket)
    }

    fn message_due(&self) -> Option<Instant> {
        self.midway_since.map(|since| since + self.door.limits.message_timeout)
    }

    fn next_look(&self, socket: &Socket, now: Instant) -> Instant {
        let look = socket.next_look(now);
        self.message_due().map_or(look, |due| due.min(look))
    }

    /// The timer is moved when it fires, never on a message: a busy socket costs no timer work.
    fn keep_time(&self, socket: &mut Socket, timer: Pin<&mut Sleep>) {
        let now = Instant::now();
        if self.message_due().is_some_and(|due| due <= now) {
            socket.end(CloseCode::MessageTooBig);
        }
        socket.tick(now);
        // Half a second at least, so that a deadline that is due cannot spin.
        let next = self.next_look(socket, now).max(now + Duration::from_millis(500));
        timer.reset(next.into());
    }

    /// The rest of the closing handshake: what is queued goes out, the peer's last bytes are read
    /// and dropped, so that the kernel does not answer them with a reset that outruns our close.
    async fn linger(&mut self) {
        let close_timeout = self.door.limits.close_timeout;
        let seen_off = async {
            loop {
                self.full |= self.link.take_full();
                tokio::select! {
                    heard = hear(&self.link.stream, self.full, |_| {}) => match heard {
                        Heard::Bytes => {}
                        Heard::Writable => self.tell_writable(),
                        Heard::Gone => return,
                    },
                    () = self.link.changed() => {}
                }
            }
        };
        let _ = tokio::time::timeout(close_timeout, seen_off).await;
    }

    fn tell_writable(&mut self) {
        self.full = false;
        self.shards().writable(self.id);
    }
}

/// What the transport had to say.
enum Heard {
    /// Bytes arrived and were taken.
    Bytes,
    /// It takes bytes again.
    Writable,
    /// The peer is gone.
    Gone,
}

/// Reads once into the worker's buffer; if the shard waits for room (`full`), tells that first.
async fn hear(stream: &TcpStream, full: bool, mut take: impl FnMut(&mut [u8])) -> Heard {
    poll_fn(|cx| {
        if full && stream.poll_write_ready(cx).is_ready() {
            return Poll::Ready(Heard::Writable);
        }
        loop {
            if ready!(stream.poll_read_ready(cx)).is_err() {
                return Poll::Ready(Heard::Gone);
            }
            let heard = READ_BUFFER.with_borrow_mut(|buffer| match stream.try_read(buffer) {
                Ok(0) => Some(Heard::Gone),
                Ok(length) => {
                    take(&mut buffer[..length]);
                    Some(Heard::Bytes)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                Err(_) => Some(Heard::Gone),
            });
            if let Some(heard) = heard {
                return Poll::Ready(heard);
            }
        }
    })
    .await
}

fn feed(
    bytes: &mut [u8],
    decoder: &mut Decoder,
    shards: &Shards,
    socket: &mut Socket,
) -> Result<(), CloseCode> {
    let now = Instant::now();
    let id = socket.id();
    decoder.feed(bytes, |inbound| match inbound {
        Inbound::Text(text) => socket.receive(text, now),
        Inbound::Ping(payload) => {
            socket.heard_control_frame(now);
            shards.send(id, Frame::pong(payload));
        }
        Inbound::Pong => socket.heard_control_frame(now),
        Inbound::Close(code) => shards.finish(id, Frame::close_echo(code)),
    })
}
