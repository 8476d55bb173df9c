//! One socket of the crowd: from the first byte of its handshake to its close frame.
//!
//! Owns the steps of coming in, the answers to pings and what is left to write. Refuses to know
//! when it is readable, and what its deliveries add up to.

use std::io::{self, Read, Write};

use mio::net::TcpStream;

use super::board::Board;
use super::inflate::Inflater;
use super::marker::Marker;
use super::refusal::Refusal;
use super::scanner::{Piece, Scanner, frame_bytes};
use super::speech::{self, Answer, Envelope};
use super::tally::{Tally, record};

/// Room for what is read at once; it stays in the core's own cache.
const BUFFER_BYTES: usize = 128 * 1024;

/// What the sockets of a worker read into and count in, one after another.
pub(super) struct Desk<'a> {
    pub(super) board: &'a Board,
    pub(super) tally: &'a mut Tally,
    pub(super) echo: &'a mut Echo,
    /// Made when the first deflated message comes.
    pub(super) inflater: &'a mut Option<Inflater>,
}

/// Deliveries in a row of one lane's events, told to the board together.
#[derive(Debug, Default)]
pub(super) struct Echo {
    lane: u16,
    count: u64,
}

impl Echo {
    fn add(&mut self, board: &Board, lane: u16) {
        if self.lane != lane {
            self.flush(board);
            self.lane = lane;
        }
        self.count += 1;
    }

    pub(super) fn flush(&mut self, board: &Board) {
        if self.count > 0 {
            board.arrived(self.lane, std::mem::take(&mut self.count));
        }
    }
}

/// How far a socket has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Connecting,
    Upgrading,
    Greeting,
    Subscribing { left: usize },
    Ready,
}

/// Why a socket is at its end: a close code, 1006 where none came.
#[derive(Debug)]
pub(super) struct End {
    pub(super) code: u16,
    pub(super) reason: String,
    /// Set where the reason is better told than by the code.
    pub(super) refusal: Option<Box<Refusal>>,
}

#[derive(Debug)]
pub(super) struct Socket {
    pub(super) stream: TcpStream,
    pub(super) step: Step,
    pub(super) seat: usize,
    pub(super) started_ns: u64,
    /// Not read from, and its deliveries no longer counted.
    pub(super) stalled: bool,
    pub(super) counted: bool,
    scanner: Scanner,
    unsent: Vec<u8>,
    /// The last place heard, by lane.
    orders: Vec<u32>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, seat: usize, started_ns: u64) -> Self {
        Self {
            stream,
            step: Step::Connecting,
            seat,
            started_ns,
            stalled: false,
            counted: true,
            scanner: Scanner::default(),
            unsent: Vec::new(),
            orders: Vec::new(),
        }
    }

    /// The kernel can take more, or the connection has come about, or has not.
    pub(super) fn writable(&mut self, board: &Board) -> Result<(), End> {
        if self.step == Step::Connecting {
            if let Some(cause) = self.stream.take_error()? {
                return Err(self.unreachable(board, cause));
            }
            match self.stream.peer_addr() {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
                Err(cause) => return Err(self.unreachable(board, cause)),
                Ok(_) => {}
            }
            self.step = Step::Upgrading;
            let plan = &board.plan;
            let target = &plan.targets[plan.seats[self.seat].target];
            let request = speech::upgrade(target, &plan.credentials.key, plan.deflate);
            return Ok(self.send(request.as_bytes())?);
        }
        if self.unsent.is_empty() {
            return Ok(());
        }
        let unsent = std::mem::take(&mut self.unsent);
        Ok(self.send(&unsent)?)
    }

    fn unreachable(&self, board: &Board, cause: io::Error) -> End {
        let plan = &board.plan;
        let target = plan.targets[plan.seats[self.seat].target].clone();
        let refusal = Some(Box::new(Refusal::Unreachable { target, cause }));
        End { code: 1006, reason: String::new(), refusal }
    }

    /// Writes, or keeps what the kernel does not take.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while self.unsent.is_empty() && !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unsent.extend_from_slice(rest);
        Ok(())
    }

    /// Reads until the kernel has nothing more. A short read says so: a second one would only cost.
    pub(super) fn readable(
        &mut self,
        desk: &mut Desk<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), End> {
        loop {
            let held = self.scanner.cut().len();
            let frame = frame_bytes(self.scanner.cut()).ok().flatten().unwrap_or_default();
            let room = BUFFER_BYTES.max(held + 4096).max(frame.0 + frame.1);
            if buffer.len() < room {
                buffer.resize(room, 0);
            }
            buffer[..held].copy_from_slice(self.scanner.cut());
            let read = match self.stream.read(&mut buffer[held..]) {
                Ok(0) => return Err(End::cut("the connection was cut")),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let now_ns = desk.board.now_ns();
            desk.tally.bytes += read as u64;
            let bytes = held + read;
            let is_drained = bytes < buffer.len();
            self.take(desk, &buffer[..bytes], now_ns)?;
            if is_drained {
                return Ok(());
            }
        }
    }

    fn take(&mut self, desk: &mut Desk<'_>, bytes: &[u8], now_ns: u64) -> Result<(), End> {
        let mut bytes = bytes;
        if matches!(self.step, Step::Connecting | Step::Upgrading) {
            match speech::answer(bytes) {
                Answer::Cut => {
                    self.scanner.keep(bytes);
                    return Ok(());
                }
                Answer::Open { bytes: head, deflated } => {
                    bytes = &bytes[head..];
                    self.step = Step::Greeting;
                    let count = &desk.board.deflated;
                    count.fetch_add(usize::from(deflated), std::sync::atomic::Ordering::Relaxed);
                }
                Answer::Refused(answer) => return Err(self.no_web_socket(desk.board, answer)),
            }
        }
        // Pieces borrow the scanner, and what they lead to changes the rest of the socket.
        let mut scanner = std::mem::take(&mut self.scanner);
        let done = self.take_pieces(&mut scanner, desk, &mut bytes, now_ns);
        scanner.keep(bytes);
        self.scanner = scanner;
        done
    }

    fn take_pieces(
        &mut self,
        scanner: &mut Scanner,
        desk: &mut Desk<'_>,
        bytes: &mut &[u8],
        now_ns: u64,
    ) -> Result<(), End> {
        while let Some(piece) = scanner.next(bytes).map_err(|error| End::cut(&error.to_string()))? {
            match piece {
                Piece::Message { payload, deflated: false } => self.hear(desk, payload, now_ns)?,
                Piece::Message { payload, deflated: true } => {
                    // The inflater holds the message while it is heard.
                    let mut inflater = desk.inflater.take().unwrap_or_else(Inflater::new);
                    let message = inflater.inflate(payload);
                    let message =
                        message.ok_or_else(|| End::cut("a message could not be inflated"))?;
                    self.hear(desk, message, now_ns)?;
                    *desk.inflater = Some(inflater);
                }
                Piece::Ping(payload) => self.send(&speech::frame(10, payload))?,
                Piece::Pong => {}
                Piece::Close(code, reason) => {
                    // The socket is dropped either way.
                    let _ = self.send(&speech::frame(8, &code.to_be_bytes()));
                    let reason = String::from_utf8_lossy(reason).into_owned();
                    return Err(End { code, reason, refusal: None });
                }
            }
        }
        Ok(())
    }

    fn hear(&mut self, desk: &mut Desk<'_>, message: &[u8], now_ns: u64) -> Result<(), End> {
        match desk.board.stamp.find(message) {
            Some(marker) => {
                self.delivered(desk, marker, now_ns);
                Ok(())
            }
            None => self.understand(desk, message, now_ns),
        }
    }

    fn delivered(&mut self, desk: &mut Desk<'_>, marker: Marker, now_ns: u64) {
        if !self.counted {
            return;
        }
        let tally = &mut *desk.tally;
        if marker.phase != tally.phase {
            tally.late += 1;
            return;
        }
        tally.delivered += 1;
        tally.last_ns = now_ns;
        record(&mut tally.latency, now_ns.saturating_sub(marker.due_ns));
        if marker.order > 0 {
            let lane = usize::from(marker.lane);
            if lane >= self.orders.len() {
                self.orders.resize(lane + 1, 0);
            }
            let last = std::mem::replace(&mut self.orders[lane], marker.order);
            tally.disordered += u64::from(last >= marker.order);
        }
        if desk.board.echoes.load(std::sync::atomic::Ordering::Relaxed) {
            desk.echo.add(desk.board, marker.lane);
        }
    }

    /// What is not an event of ours: the greeting, answers, pings and errors.
    fn understand(&mut self, desk: &mut Desk<'_>, message: &[u8], now_ns: u64) -> Result<(), End> {
        // In a large presence channel these are most of what is heard while it fills.
        let start = &message[..message.len().min(64)];
        if memchr::memmem::find(start, b"pusher_internal:member_").is_some() {
            return Ok(());
        }
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(message) else { return Ok(()) };
        match (&*envelope.event, self.step) {
            ("pusher:connection_established", Step::Greeting) => {
                let data = envelope.data();
                self.subscribe(desk.board, data["socket_id"].as_str().unwrap_or_default())?;
                if self.step == Step::Ready {
                    desk.board.joined(self.seat, now_ns.saturating_sub(self.started_ns));
                }
            }
            ("pusher_internal:subscription_succeeded", Step::Subscribing { left: 1 }) => {
                self.step = Step::Ready;
                desk.board.joined(self.seat, now_ns.saturating_sub(self.started_ns));
            }
            ("pusher_internal:subscription_succeeded", Step::Subscribing { left }) => {
                self.step = Step::Subscribing { left: left - 1 };
            }
            ("pusher:ping", _) => self.send(&speech::text(speech::PONG))?,
            ("pusher:error" | "pusher:subscription_error", Step::Ready) => {
                desk.tally.errors += 1;
                desk.tally.error.get_or_insert_with(|| envelope.error().1);
            }
            ("pusher:error" | "pusher:subscription_error", _) => {
                return Err(self.refused(desk.board, &envelope));
            }
            _ => {}
        }
        Ok(())
    }

    fn subscribe(&mut self, board: &Board, socket_id: &str) -> io::Result<()> {
        let plan = &board.plan;
        let channels = &plan.seats[self.seat].channels;
        let mut frames = Vec::new();
        for channel in channels {
            let name = &plan.channels[*channel];
            let message = speech::subscribe(&plan.credentials, socket_id, name, self.seat);
            frames.extend(speech::text(message.as_bytes()));
        }
        self.step = match channels.len() {
            0 => Step::Ready,
            left => Step::Subscribing { left },
        };
        self.send(&frames)
    }

    fn no_web_socket(&self, board: &Board, answer: String) -> End {
        let plan = &board.plan;
        let target = plan.targets[plan.seats[self.seat].target].clone();
        let path = speech::path(&target, &plan.credentials.key);
        let path = path.split('?').next().unwrap_or_default().to_owned();
        let refusal = Some(Box::new(Refusal::NoWebSocket { target, path, answer }));
        End { code: 1006, reason: String::new(), refusal }
    }

    fn refused(&self, board: &Board, envelope: &Envelope<'_>) -> End {
        let (code, message) = envelope.error();
        let plan = &board.plan;
        let seat = &plan.seats[self.seat];
        let target = plan.targets[seat.target].clone();
        let refusal = if self.step == Step::Greeting {
            Refusal::Closed { target, code, reason: message }
        } else {
            let names = seat.channels.iter().map(|channel| plan.channels[*channel].as_str());
            let channels = names.collect::<Vec<_>>().join(", ");
            Refusal::Subscription { target, channels, message }
        };
        End { code, reason: String::new(), refusal: Some(Box::new(refusal)) }
    }
}

impl End {
    fn cut(reason: &str) -> Self {
        Self { code: 1006, reason: reason.to_owned(), refusal: None }
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::cut(&error.to_string())
    }
}
