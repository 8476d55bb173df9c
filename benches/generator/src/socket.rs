//! One socket of the pool, from the first byte of its handshake to its close frame.
//!
//! Owns the steps to its last subscription, the answers to pings and the bytes that wait to be written.
//! When it is readable is left to the worker.

use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering;

use super::counters::{Counters, record};
use super::frame_reader::{FrameReader, Piece};
use super::inflater::Inflater;
use super::load_error::LoadError;
use super::marker::Marker;
use super::run_state::RunState;
use super::socket_end::End;
use super::transport::{Arrived, CONTENT_BYTES_MAX, Transport};
use super::wire::{self, Envelope, UpgradeAnswer};

/// The most that is read at once; it stays in the core's own cache.
const BUFFER_BYTES: usize = 128 * 1024;
const _: () = assert!(BUFFER_BYTES >= CONTENT_BYTES_MAX);

/// What the sockets of a worker read with and count in, one after another.
pub(super) struct ReadContext<'a> {
    pub(super) state: &'a RunState,
    pub(super) counters: &'a mut Counters,
    pub(super) deliveries: &'a mut DeliveryBatch,
    pub(super) inflater: &'a mut Inflater,
    /// Memory for records of TLS.
    pub(super) records: &'a mut Vec<u8>,
}

/// Consecutive deliveries of one publisher's events, reported together.
#[derive(Debug, Default)]
pub(super) struct DeliveryBatch {
    publisher: u16,
    count: u64,
}

impl DeliveryBatch {
    fn add(&mut self, state: &RunState, publisher: u16) {
        if self.publisher != publisher {
            self.flush(state);
            self.publisher = publisher;
        }
        self.count += 1;
    }

    pub(super) fn flush(&mut self, state: &RunState) {
        if self.count > 0 {
            state.arrived(self.publisher, std::mem::take(&mut self.count));
        }
    }
}

/// The step a socket waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Connecting,
    Upgrading,
    Greeting,
    Subscribing { left: usize },
    Ready,
}

#[derive(Debug)]
pub(super) struct Socket {
    transport: Transport,
    pub(super) step: Step,
    /// Its index in the plan.
    pub(super) index: usize,
    pub(super) started_ns: u64,
    /// Whether reading is paused.
    pub(super) stalled: bool,
    /// Whether its deliveries are counted: until it is stalled for the first time.
    pub(super) counted: bool,
    frames: FrameReader,
    unsent: Vec<u8>,
    /// The number of the last event received, by publisher.
    orders: Vec<u32>,
}

impl Socket {
    pub(super) fn new(transport: Transport, index: usize, started_ns: u64) -> Self {
        Self {
            transport,
            step: Step::Connecting,
            index,
            started_ns,
            stalled: false,
            counted: true,
            frames: FrameReader::default(),
            unsent: Vec::new(),
            orders: Vec::new(),
        }
    }

    /// Continues after the kernel reported that the socket is writable, or that its connection is
    /// established or failed.
    pub(super) fn writable(&mut self, state: &RunState) -> Result<(), End> {
        if self.step == Step::Connecting {
            if let Some(cause) = self.transport.stream.take_error()? {
                return Err(self.unreachable(state, cause));
            }
            match self.transport.stream.peer_addr() {
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(()),
                Err(cause) => return Err(self.unreachable(state, cause)),
                Ok(_) => {}
            }
            self.step = Step::Upgrading;
            let plan = &state.plan;
            let offer = plan.deflate.then_some(wire::DEFLATE_OFFER);
            let request = wire::upgrade(plan.target(self.index), &plan.credentials.key, offer);
            return Ok(self.send(request.as_bytes())?);
        }
        self.transport.flush()?;
        if self.unsent.is_empty() {
            return Ok(());
        }
        let unsent = std::mem::take(&mut self.unsent);
        Ok(self.send(&unsent)?)
    }

    /// Writes, and keeps what the kernel does not take.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while self.unsent.is_empty() && !rest.is_empty() {
            match self.transport.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unsent.extend_from_slice(rest);
        Ok(())
    }

    /// What the socket waits for, unless it is ready.
    pub(super) fn awaited(&self) -> &'static str {
        match self.step {
            Step::Connecting => "the connection",
            Step::Upgrading if self.transport.is_shaking_hands() => "the handshake of TLS",
            Step::Upgrading => "the answer to its upgrade",
            Step::Greeting => "pusher:connection_established",
            Step::Subscribing { .. } | Step::Ready => "pusher_internal:subscription_succeeded",
        }
    }

    /// Reads until the kernel has nothing more. A short read shows that; a second one would only cost.
    pub(super) fn readable(
        &mut self,
        context: &mut ReadContext<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), End> {
        loop {
            let cut = self.frames.cut();
            let size = (cut.len() + BUFFER_BYTES).max(self.frames.cut_frame_bytes());
            if buffer.len() < size {
                buffer.resize(size, 0);
            }
            buffer[..cut.len()].copy_from_slice(cut);
            let start = cut.len();
            let arrived = match self.transport.read(&mut buffer[start..], context.records) {
                Ok(Arrived { wire: 0, .. }) => return Err(self.cut(context.state)),
                Ok(arrived) => arrived,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(cause) if self.transport.is_shaking_hands() => {
                    return Err(self.unreachable(context.state, cause));
                }
                Err(error) => return Err(error.into()),
            };
            let now_ns = context.state.now_ns();
            context.counters.bytes += arrived.wire as u64;
            self.take(context, &buffer[..start + arrived.content], now_ns)?;
            if arrived.is_drained {
                return Ok(());
            }
        }
    }

    fn take(
        &mut self,
        context: &mut ReadContext<'_>,
        mut bytes: &[u8],
        now_ns: u64,
    ) -> Result<(), End> {
        if matches!(self.step, Step::Connecting | Step::Upgrading) {
            match UpgradeAnswer::parse(bytes) {
                UpgradeAnswer::Cut => {
                    self.frames.keep(bytes);
                    return Ok(());
                }
                UpgradeAnswer::Open { bytes: head, deflated } => {
                    bytes = &bytes[head..];
                    self.step = Step::Greeting;
                    context.state.deflated.fetch_add(usize::from(deflated), Ordering::Relaxed);
                }
                UpgradeAnswer::Refused(answer) => {
                    return Err(self.no_web_socket(context.state, answer));
                }
            }
        }
        // Pieces borrow the reader while the rest of the socket changes.
        let mut frames = std::mem::take(&mut self.frames);
        let done = self.take_pieces(&mut frames, context, &mut bytes, now_ns);
        frames.keep(bytes);
        self.frames = frames;
        done
    }

    fn take_pieces(
        &mut self,
        frames: &mut FrameReader,
        context: &mut ReadContext<'_>,
        bytes: &mut &[u8],
        now_ns: u64,
    ) -> Result<(), End> {
        while let Some(piece) = frames.next(bytes).map_err(|error| End::cut(&error.to_string()))? {
            match piece {
                Piece::Message { payload, deflated: false } => {
                    self.message(context, payload, now_ns)?;
                }
                Piece::Message { payload, deflated: true } => {
                    let message = context.inflater.inflate(payload);
                    let message =
                        message.map_err(|_| End::cut("a message could not be inflated"))?;
                    self.message(context, &message, now_ns)?;
                }
                Piece::Ping(payload) => self.send(&wire::pong_frame(payload))?,
                Piece::Pong => {}
                Piece::Close(code, reason) => {
                    // The socket is dropped in either case.
                    let _ = self.send(&wire::close_frame(code));
                    let reason = String::from_utf8_lossy(reason).into_owned();
                    return Err(End { code, reason, error: None });
                }
            }
        }
        Ok(())
    }

    fn message(
        &mut self,
        context: &mut ReadContext<'_>,
        message: &[u8],
        now_ns: u64,
    ) -> Result<(), End> {
        match context.state.stamp.find(message) {
            Some(marker) => {
                self.delivery(context, marker, now_ns);
                Ok(())
            }
            None => self.protocol_message(context, message, now_ns),
        }
    }

    fn delivery(&mut self, context: &mut ReadContext<'_>, marker: Marker, now_ns: u64) {
        if !self.counted {
            return;
        }
        let counters = &mut *context.counters;
        if marker.phase != counters.phase {
            counters.late += 1;
            return;
        }
        counters.delivered += 1;
        counters.last_ns = now_ns;
        record(&mut counters.latency, now_ns.saturating_sub(marker.due_ns));
        if marker.order > 0 {
            let publisher = usize::from(marker.publisher);
            if publisher >= self.orders.len() {
                self.orders.resize(publisher + 1, 0);
            }
            let last = std::mem::replace(&mut self.orders[publisher], marker.order);
            counters.disordered += u64::from(last >= marker.order);
        }
        if context.state.reports_arrivals.load(Ordering::Relaxed) {
            context.deliveries.add(context.state, marker.publisher);
        }
    }

    /// Handles a message without a marker: the greeting, answers, pings and errors.
    fn protocol_message(
        &mut self,
        context: &mut ReadContext<'_>,
        message: &[u8],
        now_ns: u64,
    ) -> Result<(), End> {
        // While a large presence channel fills, most messages are these.
        let start = &message[..message.len().min(64)];
        if memchr::memmem::find(start, b"pusher_internal:member_").is_some() {
            return Ok(());
        }
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(message) else { return Ok(()) };
        let took_ns = now_ns.saturating_sub(self.started_ns);
        match (&*envelope.event, self.step) {
            ("pusher:connection_established", Step::Greeting) => {
                let data = envelope.data();
                self.subscribe(context.state, data["socket_id"].as_str().unwrap_or_default())?;
                if self.step == Step::Ready {
                    context.state.add_subscriber(self.index, took_ns);
                }
            }
            ("pusher_internal:subscription_succeeded", Step::Subscribing { left: 1 }) => {
                self.step = Step::Ready;
                context.state.add_subscriber(self.index, took_ns);
            }
            ("pusher_internal:subscription_succeeded", Step::Subscribing { left }) => {
                self.step = Step::Subscribing { left: left - 1 };
            }
            ("pusher:ping", _) => self.send(&wire::pong_message())?,
            ("pusher:error" | "pusher:subscription_error", Step::Ready) => {
                context.counters.errors += 1;
                context.counters.error.get_or_insert_with(|| envelope.error().1);
            }
            ("pusher:error" | "pusher:subscription_error", _) => {
                return Err(self.refused(context.state, &envelope));
            }
            _ => {}
        }
        Ok(())
    }

    fn subscribe(&mut self, state: &RunState, socket_id: &str) -> io::Result<()> {
        let plan = &state.plan;
        let index = self.index;
        let channels = &plan.sockets[index].channels;
        let member =
            format!("{{\"user_id\":\"load-{index}\",\"user_info\":{{\"name\":\"Load {index}\"}}}}");
        let mut frames = Vec::new();
        for channel in channels {
            let name = &plan.channels[*channel];
            let message = wire::subscribe(&plan.credentials, socket_id, name, Some(&member));
            frames.extend(wire::text_frame(message.as_bytes()));
        }
        self.step = match channels.len() {
            0 => Step::Ready,
            left => Step::Subscribing { left },
        };
        self.send(&frames)
    }

    /// The end of a connection that the server closed without a close frame.
    fn cut(&self, state: &RunState) -> End {
        if self.transport.is_shaking_hands() {
            return self.unreachable(state, ErrorKind::UnexpectedEof.into());
        }
        End::cut("the connection was cut")
    }

    fn unreachable(&self, state: &RunState, cause: io::Error) -> End {
        let target = state.plan.target(self.index).clone();
        End::failed(LoadError::Unreachable { target, cause })
    }

    fn no_web_socket(&self, state: &RunState, answer: String) -> End {
        let target = state.plan.target(self.index).clone();
        let path = wire::path(&target, &state.plan.credentials.key);
        let path = path.split('?').next().unwrap_or_default().to_owned();
        End::failed(LoadError::NoWebSocket { target, path, answer })
    }

    fn refused(&self, state: &RunState, envelope: &Envelope<'_>) -> End {
        let (code, message) = envelope.error();
        let plan = &state.plan;
        let target = plan.target(self.index).clone();
        let error = if self.step == Step::Greeting {
            LoadError::Closed { target, code, reason: message }
        } else {
            let channels = plan.sockets[self.index].channels.iter();
            let names: Vec<&str> =
                channels.map(|channel| plan.channels[*channel].as_str()).collect();
            LoadError::Subscription { target, channels: names.join(", "), message }
        };
        End { code, ..End::failed(error) }
    }
}
