//! One step of a look at the sockets of a shard: so many of them, and where the next step begins.
//!
//! What is asked for is a value ([`SocketMatch`]); nothing is changed.

use super::super::outbox::Signal;
use super::super::sighting::ClientProfile;
use super::super::socket_match::{ChannelIds, Look, Looked, SocketMatch};
use super::{Shard, Slot, SocketState, Sockets};
use crate::protocol::SocketId;

/// Sockets that one turn looks at: 0.2 ms at most, where each is compared as text.
const LOOKED_AT_PER_TURN: usize = 512;

impl Shard {
    pub(super) fn look(&self, look: &Look) -> Looked {
        let slab = &self.sockets.slab;
        let end = slab.capacity().min(look.from + LOOKED_AT_PER_TURN);
        let slots = (look.from..end).filter_map(|slot| Some((slot as Slot, slab.get(slot)?)));
        let open = slots.filter(|(_, state)| !state.ending);
        let found = open.filter(|&(slot, state)| self.fits(slot, state, &look.what));
        let found = found.map(|(_, state)| state.sighting()).collect();
        Looked { found, next: (end < slab.capacity()).then_some(end) }
    }

    fn fits(&self, slot: Slot, state: &SocketState, what: &SocketMatch) -> bool {
        let SocketMatch { hub, sockets, channels, address, client, any } = what;
        hub.is_none_or(|hub| hub == state.hub)
            && sockets.as_ref().is_none_or(|sockets| sockets.contains(&state.socket))
            && channels.as_ref().is_none_or(|channels| self.is_in(slot, channels))
            && address.as_ref().is_none_or(|start| state.address_text().starts_with(start))
            && client.as_ref().is_none_or(|text| state.client_has(text))
            && any.as_ref().is_none_or(|any| {
                state.socket.to_string().starts_with(&any.text)
                    || state.address_text().starts_with(&any.text)
                    || state.client_has(&any.text)
                    || any.sockets.contains(&state.socket)
                    || self.is_in(slot, &any.channels)
            })
    }

    fn is_in(&self, slot: Slot, channels: &ChannelIds) -> bool {
        let subscribers = channels.0.iter().filter_map(|id| self.channels.get(id));
        subscribers.into_iter().any(|slots| slots.contains(&slot))
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
    fn address_text(&self) -> String {
        self.address().map(|address| address.to_string()).unwrap_or_default()
    }

    /// Whether what the client brought contains a text, in lower case.
    fn client_has(&self, text: &str) -> bool {
        let profile = self.transport.as_ref().and_then(|transport| transport.line().client);
        profile.is_some_and(|profile| {
            let ClientProfile { library, version, protocol: _, origin, user_agent } = &*profile;
            let mut parts = [library, version, origin, user_agent].into_iter().flatten();
            parts.any(|part| part.to_lowercase().contains(text))
        })
    }
}
