//! The schedule of a phase: which event is due when, and on which channel.
//!
//! Owns the tickets that the publishers of a phase draw, and the totals of what they published. A late
//! publisher delays no other, and a late event counts from the time it was due.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use super::phase::{EventSource, Pace, Phase};
use super::run_state::{PUBLISHERS_MAX, RunState};

/// The most requests under way in an open loop; beyond, events are sent late, and counted so.
const OPEN_LOOP_PUBLISHERS_MAX: u64 = 64;

/// Shared by the publishers of a phase.
#[derive(Debug)]
pub(super) struct Schedule<'a> {
    pub(super) state: &'a RunState,
    pub(super) phase: &'a Phase,
    /// The number of the phase, which markers carry.
    pub(super) number: u16,
    /// Whether a socket receives each publisher's events in order: not if it subscribes to several
    /// channels.
    pub(super) is_ordered: bool,
    pub(super) start_ns: AtomicU64,
    pub(super) published: AtomicU64,
    /// Deliveries that the published events should lead to.
    pub(super) expected: AtomicU64,
    channels: Vec<ScheduledChannel>,
    tickets: AtomicU64,
}

/// A channel that events are published on.
#[derive(Debug)]
pub(super) struct ScheduledChannel {
    pub(super) index: usize,
    /// The sockets that may send client events on it.
    pub(super) senders: Vec<usize>,
}

/// The next event of a publisher.
#[derive(Debug, Clone, Copy)]
pub(super) struct DueEvent {
    /// Its number in the phase, from 0.
    pub(super) ticket: u64,
    pub(super) due_ns: u64,
}

impl<'a> Schedule<'a> {
    pub(super) fn new(state: &'a RunState, phase: &'a Phase, number: u16) -> Self {
        let plan = &state.plan;
        let is_client = phase.source == EventSource::Clients;
        Self {
            state,
            phase,
            number,
            is_ordered: !is_client && plan.sockets.iter().all(|socket| socket.channels.len() <= 1),
            start_ns: AtomicU64::new(0),
            published: AtomicU64::new(0),
            expected: AtomicU64::new(0),
            channels: channels(state, phase),
            tickets: AtomicU64::new(0),
        }
    }

    /// As many publishers as may have an event under way: in an open loop, what is due within a second.
    pub(super) fn publishers(&self) -> u16 {
        let publishers = match (self.phase.pace, self.phase.source) {
            // Client events need a sender.
            _ if self.channels.is_empty() => 0,
            (Pace::Idle, _) => 0,
            (Pace::Rate(_), EventSource::Clients) => 1,
            (Pace::Rate(rate), EventSource::BackEnd) => {
                (rate as u64).clamp(4, OPEN_LOOP_PUBLISHERS_MAX)
            }
            (Pace::InFlight(count), _) => count.clamp(1, PUBLISHERS_MAX) as u64,
        };
        publishers as u16
    }

    /// Whether a publisher waits for the deliveries of its event before the next one.
    pub(super) fn is_closed_loop(&self) -> bool {
        matches!(self.phase.pace, Pace::InFlight(_))
    }

    /// Waits until the next event is due; `None` at the end of the phase.
    pub(super) fn next(&self) -> Option<DueEvent> {
        let batch = self.phase.batch.max(1) as u64;
        let start_ns = self.start_ns.load(Ordering::Relaxed);
        let end_ns = start_ns.saturating_add(self.phase.duration.as_nanos() as u64);
        let ticket = self.tickets.fetch_add(batch, Ordering::Relaxed);
        if self.phase.events.is_some_and(|events| ticket >= events) {
            return None;
        }
        let due_ns = match self.phase.pace {
            Pace::Rate(rate) => start_ns + (ticket as f64 / rate * 1e9) as u64,
            Pace::InFlight(_) | Pace::Idle => self.state.now_ns().max(start_ns),
        };
        if due_ns >= end_ns {
            return None;
        }
        let wait = self.state.instant(due_ns).saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            thread::sleep(wait);
        }
        Some(DueEvent { ticket, due_ns })
    }

    /// The events of the request that begins with `ticket`.
    pub(super) fn batch(&self, ticket: u64) -> u64 {
        let left = self.phase.events.map_or(u64::MAX, |events| events - ticket);
        (self.phase.batch.max(1) as u64).min(left)
    }

    /// The channel of an event: each in turn.
    pub(super) fn channel(&self, ticket: u64) -> &ScheduledChannel {
        &self.channels[(ticket % self.channels.len() as u64) as usize]
    }

    /// The socket that sends a client event: of each channel's senders, each in turn.
    pub(super) fn sender(&self, ticket: u64) -> usize {
        let senders = &self.channel(ticket).senders;
        let nth = (ticket / self.channels.len() as u64) % senders.len() as u64;
        senders[nth as usize]
    }

    /// Counts events that the server took, and the deliveries that should follow.
    pub(super) fn count_published(&self, events: u64, deliveries: u64) {
        self.published.fetch_add(events, Ordering::Relaxed);
        self.expected.fetch_add(deliveries, Ordering::Relaxed);
    }
}

fn channels(state: &RunState, phase: &Phase) -> Vec<ScheduledChannel> {
    let plan = &state.plan;
    let chosen: BTreeSet<usize> = if phase.channels.is_empty() {
        (0..plan.channels.len()).collect()
    } else {
        phase.channels.iter().copied().collect()
    };
    let subscribers = |channel: usize| -> Vec<usize> {
        let sockets = plan.sockets.iter().enumerate();
        let subscribed = sockets.filter(|(_, socket)| socket.channels.contains(&channel));
        subscribed.map(|(index, _)| index).collect()
    };
    let is_client = phase.source == EventSource::Clients;
    let scheduled = chosen.into_iter().map(|index| {
        let senders = if is_client { subscribers(index) } else { Vec::new() };
        ScheduledChannel { index, senders }
    });
    scheduled.filter(|channel| !is_client || !channel.senders.is_empty()).collect()
}
