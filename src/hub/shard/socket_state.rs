//! The write side of one socket, and what a list shows of it.
//!
//! All of it fits into two cache lines. In which order sockets are flushed is left to the shard.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use super::super::ids::HubId;
use super::super::outbox::{FlushEnd, Outbox, Signal, Transport};
use super::super::sighting::{LineFacts, SocketSighting, tenths_since_start};
use super::super::socket_ends::SocketEnds;
use super::super::tally::Tally;
use crate::metrics::ClosedBy;
use crate::protocol::SocketId;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Urgent,
    Bulk,
}

/// The write side of one socket. Aligned, so that a delivery touches two cache lines of it and never
/// three: 12 % more deliveries a second in a closed loop.
#[repr(align(64))]
pub(super) struct SocketState {
    pub(super) socket: SocketId,
    pub(super) hub: HubId,
    /// `None` once the stream has ended, until the socket is forgotten.
    pub(super) transport: Option<Arc<dyn Transport>>,
    pub(super) outbox: Outbox,
    pub(super) in_urgent: bool,
    pub(super) in_bulk: bool,
    pub(super) blocked: bool,
    /// The connection task reads no further message until answers have gone out.
    pub(super) reading_stopped: bool,
    /// The peer negotiated permessage-deflate.
    pub(super) reads_deflated: bool,
    /// The close frame is queued, and nothing is queued behind it.
    pub(super) ending: bool,
    /// When it opened, in tenths of a second since the start of the process, and its address: 20 bytes that
    /// the alignment leaves anyway.
    pub(super) opened: u32,
    address: Ipv6Addr,
}

impl SocketState {
    pub(super) fn new(
        (hub, socket): (HubId, SocketId),
        transport: Arc<dyn Transport>,
        client: Option<IpAddr>,
    ) -> Self {
        let address = match client {
            None => Ipv6Addr::UNSPECIFIED,
            Some(IpAddr::V4(address)) => address.to_ipv6_mapped(),
            Some(IpAddr::V6(address)) => address,
        };
        Self {
            socket,
            hub,
            reads_deflated: transport.reads_deflated(),
            transport: Some(transport),
            outbox: Outbox::default(),
            in_urgent: false,
            in_bulk: false,
            blocked: false,
            reading_stopped: false,
            ending: false,
            opened: tenths_since_start(),
            address,
        }
    }

    /// The client's address, if it is known.
    pub(super) fn address(&self) -> Option<IpAddr> {
        (!self.address.is_unspecified()).then(|| self.address.to_canonical())
    }

    /// What a list shows of it.
    pub(super) fn sighting(&self) -> SocketSighting {
        SocketSighting {
            socket: self.socket,
            hub: self.hub,
            opened: self.opened,
            address: self.address(),
            outbox_bytes: self.outbox.bytes(),
            is_deflated: self.reads_deflated,
            line: self.line(),
        }
    }

    /// What its connection has.
    pub(super) fn line(&self) -> LineFacts {
        self.transport.as_ref().map(|transport| transport.line()).unwrap_or_default()
    }

    pub(super) fn marked(&mut self, lane: Lane) -> &mut bool {
        match lane {
            Lane::Urgent => &mut self.in_urgent,
            Lane::Bulk => &mut self.in_bulk,
        }
    }

    /// Whether the socket has to be queued in that lane now; it is marked as queued then.
    pub(super) fn mark(&mut self, lane: Lane) -> bool {
        !self.blocked && !std::mem::replace(self.marked(lane), true)
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(transport) = &self.transport {
            transport.signal(signal);
        }
    }

    pub(super) fn flush(&mut self, tally: &mut Tally, ends: &SocketEnds) {
        let Some(transport) = self.transport.as_deref().filter(|_| !self.blocked) else { return };
        let before = self.outbox.bytes();
        let flushed = self.outbox.flush(transport);
        tally.outbox_bytes -= before - self.outbox.bytes();
        tally.sent_bytes += flushed.written;
        if self.reading_stopped && self.outbox.has_room_for_answers() {
            self.reading_stopped = false;
            transport.signal(Signal::ReadOn);
        }
        match flushed.end {
            FlushEnd::Done if self.ending => {
                transport.finish();
                self.transport = None;
            }
            FlushEnd::Done => {}
            FlushEnd::Blocked => {
                self.blocked = true;
                transport.signal(Signal::AwaitWritable);
            }
            FlushEnd::Broken => {
                tracing::debug!(socket = %self.socket, "peer is gone while writing");
                tally.write_failed();
                if !self.ending {
                    ends.record(self.sighting(), ClosedBy::Network);
                }
                // Without it a task that does not read would never notice.
                transport.signal(Signal::Ending);
                self.transport = None;
                self.ending = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SocketState;

    #[test]
    fn a_socket_takes_two_cache_lines() {
        assert_eq!(size_of::<SocketState>(), 128);
    }
}
