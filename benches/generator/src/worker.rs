//! A thread that reads many sockets: a bare readiness loop, no task and no buffer per socket.
//!
//! Owns the poll, its sockets, the pace at which they connect, and the way to command it. What a
//! message means is left to the socket.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, Type};

use super::counters::Counters;
use super::inflater::Inflater;
use super::load_error::LoadError;
use super::run_state::RunState;
use super::socket::{DeliveryBatch, ReadContext, Socket, Step};
use super::socket_end::End;
use super::transport::Transport;
use super::wire;

/// Sockets of a pool that connect at once: the length of a server's accept queue everywhere.
const CONNECTING_MAX: usize = 128;
/// For each step up to the last subscription.
const STEP_TIMEOUT: Duration = Duration::from_secs(15);
/// Sockets of one source address; Linux has 28 232 ports for them.
const SOCKETS_PER_ADDRESS: usize = 25_000;
const WAKE: Token = Token(usize::MAX);

/// A request to a worker.
#[derive(Debug)]
pub(super) enum Command {
    /// Write a frame on this socket.
    Send { socket: usize, frame: Vec<u8> },
    /// Stop reading this socket.
    Stall { socket: usize },
    /// Read a stalled socket again.
    Resume { socket: usize },
    /// Close all sockets and end.
    Stop,
}

/// Sends commands to a worker.
#[derive(Debug)]
pub(super) struct WorkerHandle {
    commands: Sender<Command>,
    waker: Waker,
}

impl WorkerHandle {
    pub(super) fn send(&self, command: Command) {
        // A worker that ended has reported why; then nothing is delivered, which is counted.
        let _ = self.commands.send(command);
        let _ = self.waker.wake();
    }
}

/// Reads every `stride`th socket of the plan, from `index` on.
#[derive(Debug)]
pub(super) struct Worker {
    state: Arc<RunState>,
    index: usize,
    stride: usize,
    poll: Poll,
    /// By slot: the index in the plan divided by `stride`.
    sockets: Vec<Option<Socket>>,
    /// Slots whose sockets are not ready yet.
    opening: BTreeSet<usize>,
    commands: Receiver<Command>,
    buffer: Vec<u8>,
    records: Vec<u8>,
    inflater: Inflater,
    deliveries: DeliveryBatch,
}

impl Worker {
    pub(super) fn new(
        state: Arc<RunState>,
        index: usize,
        stride: usize,
    ) -> io::Result<(Self, WorkerHandle)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let (commands, received) = mpsc::channel();
        let worker = Self {
            state,
            index,
            stride,
            poll,
            sockets: Vec::new(),
            opening: BTreeSet::new(),
            commands: received,
            buffer: Vec::new(),
            records: Vec::new(),
            inflater: Inflater::default(),
            deliveries: DeliveryBatch::default(),
        };
        Ok((worker, WorkerHandle { commands, waker }))
    }

    pub(super) fn run(mut self) {
        let state = self.state.clone();
        let mut events = Events::with_capacity(1024);
        let mut goes_on = true;
        while goes_on {
            let mut counters = state.counters[self.index].lock();
            self.open(&mut counters);
            drop(counters);
            let timeout = (!self.opening.is_empty()).then_some(Duration::from_secs(1));
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    return state.fail(LoadError::Start(error));
                }
                _ => {}
            }
            let mut counters = state.counters[self.index].lock();
            for event in &events {
                match event.token() {
                    WAKE => goes_on = self.run_commands(&mut counters),
                    Token(slot) => {
                        let is_over = event.is_read_closed() || event.is_error();
                        self.turn(&mut counters, slot, (event.is_writable(), is_over));
                    }
                }
            }
            drop(counters);
            self.deliveries.flush(&state);
            self.check_timeout();
        }
        for socket in self.sockets.iter_mut().flatten() {
            // A server that is gone needs no close frame.
            let _ = socket.send(&wire::close_frame(1000));
        }
    }

    /// Starts as many sockets as may connect at once.
    fn open(&mut self, counters: &mut Counters) {
        let at_once = (CONNECTING_MAX / self.stride).max(1);
        while self.opening.len() < at_once {
            let slot = self.sockets.len();
            let index = slot * self.stride + self.index;
            if index >= self.state.plan.sockets.len() {
                return;
            }
            let started_ns = self.state.now_ns();
            match self.connect(index, slot) {
                Ok(stream) => {
                    let transport =
                        Transport::new(stream, self.state.plan.target(index).tls.as_ref());
                    self.sockets.push(Some(Socket::new(transport, index, started_ns)));
                    self.opening.insert(slot);
                    // The connection may be established before the poll reports it.
                    self.turn(counters, slot, (true, false));
                }
                Err(error) => return self.state.fail(error),
            }
        }
    }

    fn connect(&self, index: usize, slot: usize) -> Result<TcpStream, LoadError> {
        let no_descriptor = |cause| LoadError::Descriptors { cause };
        let address = self.state.addresses[self.state.plan.sockets[index].target];
        let socket =
            socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP));
        let socket = socket.map_err(no_descriptor)?;
        dial(&socket, address, index).map_err(|cause| LoadError::Unreachable {
            target: self.state.plan.target(index).clone(),
            cause,
        })?;
        let mut stream = TcpStream::from_std(socket.into());
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(&mut stream, Token(slot), interest);
        registered.map_err(no_descriptor)?;
        Ok(stream)
    }

    /// Writes and reads one socket as far as the kernel allows.
    fn turn(&mut self, counters: &mut Counters, slot: usize, (is_writable, is_over): (bool, bool)) {
        let Some(Some(socket)) = self.sockets.get_mut(slot) else { return };
        if socket.stalled && !is_over {
            return;
        }
        let mut done = Ok(());
        if is_writable {
            done = socket.writable(&self.state);
        }
        if done.is_ok() && socket.step != Step::Connecting {
            let mut context = ReadContext {
                state: &self.state,
                counters,
                deliveries: &mut self.deliveries,
                inflater: &mut self.inflater,
                records: &mut self.records,
            };
            done = socket.readable(&mut context, &mut self.buffer);
        }
        match done {
            Ok(()) if socket.step == Step::Ready => {
                self.opening.remove(&slot);
            }
            Ok(()) => {}
            Err(end) => self.end(counters, slot, end),
        }
    }

    fn end(&mut self, counters: &mut Counters, slot: usize, end: End) {
        let Some(socket) = self.sockets[slot].take() else { return };
        if socket.step == Step::Ready {
            *counters.closed.entry(end.code).or_default() += 1;
            self.state.closed.fetch_add(1, Ordering::Relaxed);
            if socket.counted {
                self.state.remove_subscriber(socket.index);
            }
            return;
        }
        let target = self.state.plan.target(socket.index).clone();
        let closed = LoadError::Closed { target, code: end.code, reason: end.reason };
        self.state.fail(end.error.map_or(closed, |error| *error));
    }

    /// Runs the commands that wait; false after the last one.
    fn run_commands(&mut self, counters: &mut Counters) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Stop => return false,
                Command::Send { socket, frame } => {
                    let slot = socket / self.stride;
                    if let Some(Some(socket)) = self.sockets.get_mut(slot)
                        && let Err(error) = socket.send(&frame)
                    {
                        self.end(counters, slot, error.into());
                    }
                }
                Command::Stall { socket } => {
                    let slot = socket / self.stride;
                    let Some(Some(socket)) = self.sockets.get_mut(slot) else { continue };
                    socket.stalled = true;
                    if std::mem::replace(&mut socket.counted, false) {
                        self.state.remove_subscriber(socket.index);
                    }
                }
                Command::Resume { socket } => {
                    let slot = socket / self.stride;
                    let Some(Some(socket)) = self.sockets.get_mut(slot) else { continue };
                    socket.stalled = false;
                    self.turn(counters, slot, (true, false));
                }
            }
        }
        true
    }

    /// Fails if the oldest socket that is not ready has waited for too long.
    fn check_timeout(&self) {
        let Some(Some(socket)) = self.opening.first().map(|slot| &self.sockets[*slot]) else {
            return;
        };
        let waited = self.state.now_ns().saturating_sub(socket.started_ns);
        if waited < STEP_TIMEOUT.as_nanos() as u64 {
            return;
        }
        self.state.fail(LoadError::Silence {
            target: self.state.plan.target(socket.index).clone(),
            what: socket.awaited(),
            seconds: STEP_TIMEOUT.as_secs(),
            ready: self.state.ready.load(Ordering::Relaxed),
        });
    }
}

/// The source address of a socket. Towards this machine it changes, so that ports suffice for any number.
fn source(target: IpAddr, index: usize) -> Option<IpAddr> {
    let is_local = matches!(target, IpAddr::V4(ip) if ip.is_loopback());
    let nth = u8::try_from(index / SOCKETS_PER_ADDRESS).unwrap_or(u8::MAX);
    (is_local && nth > 0).then(|| Ipv4Addr::new(127, 0, 1, nth).into())
}

/// Starts the connection; the poll reports its outcome.
fn dial(socket: &socket2::Socket, address: SocketAddr, index: usize) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = source(address.ip(), index) {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    match socket.connect(&address.into()) {
        Err(error) if !is_under_way(&error) => Err(error),
        _ => Ok(()),
    }
}

fn is_under_way(error: &io::Error) -> bool {
    // EINPROGRESS has no kind of its own on the oldest compiler that is supported.
    error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(IN_PROGRESS)
}

#[cfg(target_os = "linux")]
const IN_PROGRESS: i32 = 115;
#[cfg(not(target_os = "linux"))]
const IN_PROGRESS: i32 = 36;

#[cfg(test)]
mod tests {
    use super::{SOCKETS_PER_ADDRESS, source};

    #[test]
    fn large_pools_on_this_machine_connect_from_several_addresses() {
        let from = |target: &str, index| source(target.parse().unwrap(), index);
        assert_eq!(from("127.0.0.1", SOCKETS_PER_ADDRESS - 1), None);
        assert_eq!(from("127.0.0.1", SOCKETS_PER_ADDRESS), Some("127.0.1.1".parse().unwrap()));
        assert_eq!(from("10.0.0.1", SOCKETS_PER_ADDRESS), None);
        assert_eq!(from("::1", SOCKETS_PER_ADDRESS), None);
    }
}
