//! One thread that reads many sockets: a bare readiness loop, no task and no buffer per socket.
//!
//! Owns the poll, its sockets and the pace at which they connect. Refuses to know what they hear.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, Type};

use super::board::Board;
use super::refusal::Refusal;
use super::socket::{Desk, Echo, End, Socket, Step};
use super::speech;
use super::tally::Tally;

/// Sockets of a crowd that connect at once: what a server's accept queue takes everywhere.
pub(super) const CONNECTING_MAX: usize = 128;
/// For each step on the way in.
const PATIENCE: Duration = Duration::from_secs(15);
/// Sockets of one source address; Linux has 28 232 ports for them.
const PORTS: usize = 25_000;
const WAKE: Token = Token(usize::MAX);

/// What a worker is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Write a message on this socket.
    Send { socket: usize, message: Vec<u8> },
    /// Stop reading this socket, or go on.
    Stall { socket: usize, stalled: bool },
    /// Say goodbye to all.
    Stop,
}

/// Has every `stride`th socket, from `index` on.
#[derive(Debug)]
pub(super) struct Worker {
    board: Arc<Board>,
    index: usize,
    stride: usize,
    poll: Poll,
    sockets: Vec<Option<Socket>>,
    /// On their way in.
    opening: BTreeSet<usize>,
    commands: Receiver<Command>,
    buffer: Vec<u8>,
    echo: Echo,
}

impl Worker {
    pub(super) fn new(
        board: Arc<Board>,
        index: usize,
        stride: usize,
        commands: Receiver<Command>,
    ) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let worker = Self {
            board,
            index,
            stride,
            poll,
            sockets: Vec::new(),
            opening: BTreeSet::new(),
            commands,
            buffer: Vec::new(),
            echo: Echo::default(),
        };
        Ok((worker, waker))
    }

    pub(super) fn run(mut self) {
        let board = self.board.clone();
        let mut events = Events::with_capacity(1024);
        let mut goes_on = true;
        while goes_on {
            let mut tally = board.tallies[self.index].lock();
            self.open(&mut tally);
            drop(tally);
            let patience = (!self.opening.is_empty()).then_some(Duration::from_secs(1));
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return board.refuse(Refusal::Start(error));
                }
                _ => {}
            }
            let mut tally = board.tallies[self.index].lock();
            for event in &events {
                match event.token() {
                    WAKE => goes_on = self.obey(&mut tally),
                    Token(slot) => {
                        let is_over = event.is_read_closed() || event.is_error();
                        self.turn(&mut tally, slot, (event.is_writable(), is_over));
                    }
                }
            }
            drop(tally);
            self.echo.flush(&board);
            self.look_for_silence();
        }
        for socket in self.sockets.iter_mut().flatten() {
            // Whoever is gone need not be told.
            let _ = socket.send(&speech::frame(8, &1000_u16.to_be_bytes()));
        }
    }

    /// Starts as many sockets as may be on their way.
    fn open(&mut self, tally: &mut Tally) {
        let at_once = (CONNECTING_MAX / self.stride).max(1);
        while self.opening.len() < at_once {
            let slot = self.sockets.len();
            let seat = slot * self.stride + self.index;
            if seat >= self.board.plan.seats.len() {
                return;
            }
            let started_ns = self.board.now_ns();
            match self.connect(seat, slot) {
                Ok(stream) => {
                    self.sockets.push(Some(Socket::new(stream, seat, started_ns)));
                    self.opening.insert(slot);
                    // The connection may have come about before the poll knew of it.
                    self.turn(tally, slot, (true, false));
                }
                Err(refusal) => return self.board.refuse(refusal),
            }
        }
    }

    fn connect(&self, seat: usize, slot: usize) -> Result<TcpStream, Refusal> {
        let no_descriptor = |cause| Refusal::Descriptors { cause };
        let target = self.board.plan.seats[seat].target;
        let address = self.board.addresses[target];
        let socket =
            socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP));
        let socket = socket.map_err(no_descriptor)?;
        dial(&socket, address, seat).map_err(|cause| Refusal::Unreachable {
            target: self.board.plan.targets[target].clone(),
            cause,
        })?;
        let mut stream = TcpStream::from_std(socket.into());
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(&mut stream, Token(slot), interest);
        registered.map_err(no_descriptor)?;
        Ok(stream)
    }

    /// What there is to do for one socket.
    fn turn(&mut self, tally: &mut Tally, slot: usize, (is_writable, is_over): (bool, bool)) {
        let Some(Some(socket)) = self.sockets.get_mut(slot) else { return };
        if socket.stalled && !is_over {
            return;
        }
        let mut done = Ok(());
        if is_writable {
            done = socket.writable(&self.board);
        }
        if done.is_ok() && socket.step != Step::Connecting {
            let mut desk = Desk { board: &self.board, tally, echo: &mut self.echo };
            done = socket.readable(&mut desk, &mut self.buffer);
        }
        match done {
            Ok(()) if socket.step == Step::Ready => {
                self.opening.remove(&slot);
            }
            Ok(()) => {}
            Err(end) => self.end(tally, slot, end),
        }
    }

    fn end(&mut self, tally: &mut Tally, slot: usize, end: End) {
        let Some(socket) = self.sockets[slot].take() else { return };
        if socket.step == Step::Ready {
            *tally.closed.entry(end.code).or_default() += 1;
            self.board.gone.fetch_add(1, Ordering::Relaxed);
            if socket.counted {
                self.board.left(socket.seat);
            }
            return;
        }
        let plan = &self.board.plan;
        let target = plan.targets[plan.seats[socket.seat].target].clone();
        let closed = Refusal::Closed { target, code: end.code, reason: end.reason };
        self.board.refuse(end.refusal.map_or(closed, |refusal| *refusal));
    }

    /// Whether to go on.
    fn obey(&mut self, tally: &mut Tally) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Stop => return false,
                Command::Send { socket, message } => {
                    let slot = socket / self.stride;
                    if let Some(Some(socket)) = self.sockets.get_mut(slot)
                        && let Err(error) = socket.send(&message)
                    {
                        self.end(tally, slot, error.into());
                    }
                }
                Command::Stall { socket, stalled } => {
                    let slot = socket / self.stride;
                    let Some(Some(socket)) = self.sockets.get_mut(slot) else { continue };
                    socket.stalled = stalled;
                    if std::mem::replace(&mut socket.counted, false) {
                        self.board.left(socket.seat);
                    }
                    self.turn(tally, slot, (true, false));
                }
            }
        }
        true
    }

    fn look_for_silence(&self) {
        let Some(Some(socket)) = self.opening.first().map(|slot| &self.sockets[*slot]) else {
            return;
        };
        let waited = self.board.now_ns().saturating_sub(socket.started_ns);
        if waited < PATIENCE.as_nanos() as u64 {
            return;
        }
        let plan = &self.board.plan;
        self.board.refuse(Refusal::Silence {
            target: plan.targets[plan.seats[socket.seat].target].clone(),
            what: match socket.step {
                Step::Connecting => "the connection",
                Step::Upgrading => "the answer to its upgrade",
                Step::Greeting => "pusher:connection_established",
                _ => "pusher_internal:subscription_succeeded",
            },
            seconds: PATIENCE.as_secs(),
            ready: self.board.ready.load(Ordering::Relaxed),
        });
    }
}

/// On this machine one source address after another, so that ports suffice for any crowd.
fn source(target: IpAddr, seat: usize) -> Option<IpAddr> {
    let is_local = matches!(target, IpAddr::V4(ip) if ip.is_loopback());
    let nth = u8::try_from(seat / PORTS).unwrap_or(u8::MAX);
    (is_local && nth > 0).then(|| Ipv4Addr::new(127, 0, 1, nth).into())
}

/// Starts the connection; whether it comes about is reported by the poll.
fn dial(socket: &socket2::Socket, address: SocketAddr, seat: usize) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = source(address.ip(), seat) {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    match socket.connect(&address.into()) {
        Err(error) if !is_under_way(&error) => Err(error),
        _ => Ok(()),
    }
}

fn is_under_way(error: &io::Error) -> bool {
    // EINPROGRESS has no kind of its own on the oldest compiler we build with.
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(IN_PROGRESS)
}

#[cfg(target_os = "linux")]
const IN_PROGRESS: i32 = 115;
#[cfg(not(target_os = "linux"))]
const IN_PROGRESS: i32 = 36;

#[cfg(test)]
mod tests {
    use super::{PORTS, source};

    #[test]
    fn large_crowds_on_this_machine_come_from_several_addresses() {
        let from = |target: &str, seat| source(target.parse().unwrap(), seat);
        assert_eq!(from("127.0.0.1", PORTS - 1), None);
        assert_eq!(from("127.0.0.1", PORTS), Some("127.0.1.1".parse().unwrap()));
        assert_eq!(from("10.0.0.1", PORTS), None);
        assert_eq!(from("::1", PORTS), None);
    }
}
