//! One step of a look at the sockets of a shard: so many of them, and where the next step begins.
//!
//! What is asked for is a value ([`LookPlan`]); nothing is changed. Sockets that are named, or that are in a channel that
//! is named, are found without a look at all others. While such a channel is left, a step may miss one that moves to
//! a place before it.

use std::time::Instant;

use super::super::outbox::Signal;
use super::super::sighting::ClientProfile;
use super::super::socket_match::{ChannelIds, Look, LookPlan, Looked, SocketMatch};
use super::super::socket_order::SocketRank;
use super::super::subscriber_slots::Slot;
use super::{Shard, SocketState, Sockets};
use crate::protocol::SocketId;

/// Sockets that one turn looks at: 0.1 ms at most, where each is compared as text; 10 µs where none is.
const LOOKED_AT_PER_TURN: usize = 256;

impl Shard {
    pub(super) fn look(&self, look: &Look) -> Looked {
        let start = Instant::now();
        let Look { plan, from, last } = look;
        let (slots, next) = self.slots_of(&plan.what, *from);
        let states = slots.into_iter().filter_map(|slot| {
            Some((slot, self.sockets.slab.get(slot as usize)?)).filter(|(_, state)| !state.ending)
        });
        let fitting = states.filter(|&(slot, state)| self.fits(slot, state, &plan.what));
        let ranked = fitting.map(|(slot, state)| (state.rank(plan), slot));
        let mut ranked: Vec<(SocketRank, Slot)> = ranked.collect();
        let matched = ranked.len();
        ranked.retain(|(rank, _)| last.is_none_or(|last| *rank < last));
        if ranked.len() > plan.most {
            ranked.select_nth_unstable(plan.most);
            ranked.truncate(plan.most);
        }
        let sighting = |slot: Slot| self.sockets.slab[slot as usize].sighting();
        let found = ranked.into_iter().map(|(rank, slot)| (rank, sighting(slot))).collect();
        Looked { found, matched, next, took: start.elapsed() }
    }

    /// The slots that a step from this place on looks at, and where the next one begins.
    fn slots_of(&self, what: &SocketMatch, from: usize) -> (Vec<Slot>, Option<usize>) {
        let step = |all: usize| from..all.min(from + LOOKED_AT_PER_TURN);
        let next = |all: usize| (step(all).end < all).then_some(step(all).end);
        if let Some(sockets) = &what.sockets {
            let named = sockets.0.get(step(sockets.0.len())).unwrap_or_default();
            let slots = named.iter().filter_map(|&socket| self.sockets.slot(socket));
            return (slots.collect(), next(sockets.0.len()));
        }
        if let Some(channels) = &what.channels {
            let subscribers =
                || channels.0.iter().filter_map(|id| Some(self.channels.get(id)?.as_slice()));
            let all = subscribers().map(<[Slot]>::len).sum();
            let slots = subscribers().flatten().copied().skip(from).take(step(all).len());
            return (slots.collect(), next(all));
        }
        let all = self.sockets.slab.capacity();
        (step(all).map(|slot| slot as Slot).collect(), next(all))
    }

    fn fits(&self, slot: Slot, state: &SocketState, what: &SocketMatch) -> bool {
        let SocketMatch { hub, sockets, channels, address, client, any } = what;
        hub.is_none_or(|hub| hub == state.hub)
            && sockets.as_ref().is_none_or(|sockets| sockets.contains(state.socket))
            && channels.as_ref().is_none_or(|channels| self.is_in(slot, channels))
            && address.as_ref().is_none_or(|start| state.address_text().starts_with(start))
            && client.as_ref().is_none_or(|text| state.client_has(text))
            && any.as_ref().is_none_or(|any| {
                state.socket.to_string().starts_with(&any.text)
                    || state.address_text().starts_with(&any.text)
                    || state.client_has(&any.text)
                    || any.sockets.contains(state.socket)
                    || self.is_in(slot, &any.channels)
            })
    }

    fn is_in(&self, slot: Slot, channels: &ChannelIds) -> bool {
        let subscribers = channels.0.iter().filter_map(|id| self.channels.get(id));
        subscribers.into_iter().any(|slots| slots.contains(slot))
    }
}

impl Sockets {
    /// Asks the connection task for the session, unless the socket is ending.
    pub(super) fn describe(&self, socket: SocketId) {
        let state = self.slot(socket).map(|slot| &self.slab[slot as usize]);
        state.iter().filter(|state| !state.ending).for_each(|state| state.signal(Signal::Describe));
    }
}

impl SocketState {
    fn rank(&self, plan: &LookPlan) -> SocketRank {
        let waiting = self.outbox.bytes();
        plan.order.rank(self.socket, (self.opened, waiting), || self.line())
    }

    fn address_text(&self) -> String {
        self.address().map(|address| address.to_string()).unwrap_or_default()
    }

    /// Whether what the client brought contains a text, in lower case.
    fn client_has(&self, text: &str) -> bool {
        self.line().client.is_some_and(|profile| {
            let ClientProfile { library, version, protocol: _, origin, user_agent } = &*profile;
            let mut parts = [library, version, origin, user_agent].into_iter().flatten();
            parts.any(|part| part.to_lowercase().contains(text))
        })
    }
}
