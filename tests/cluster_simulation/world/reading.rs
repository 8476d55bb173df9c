//! What the clients of whole nodes read from their connections: which subscription a message belongs to, and whether it
//! may be there.

use std::sync::Arc;

use resound::protocol::SocketId;
use serde_json::Value;

use super::cached::CachedBy;
use super::{Happening, World};
use crate::client::{Client, Received, View};
use crate::events::FORGED;
use crate::profile::MILLI;
use crate::whole::Sent;

/// The close code of users that a back end terminates.
const TERMINATED: u16 = 4009;

impl World {
    /// Clients of a shard that has had a turn read what is there.
    pub(super) fn read_connections(&mut self, at: usize, shard: usize) {
        let Some(whole) = &self.machines[at].whole else { return };
        let here = whole.sockets.iter().filter(|(id, _)| whole.shard_of(**id) == shard);
        let here: Vec<_> = here.map(|(id, open)| (*id, open.wire.clone())).collect();
        for (socket, wire) in here {
            match wire.take() {
                Ok(sent) => sent.into_iter().for_each(|sent| self.read(socket, sent)),
                Err(why) => self.is_wrong(format!("{socket} is sent {why}")),
            }
            if wire.is_full() {
                let later = self.random.between((100, 20 * MILLI));
                self.plan(later, Happening::Writable(socket));
            } else if let Some(client) = self.clients.get_mut(&socket) {
                // A turn carries out all that waits: of what was left before, nothing is under way.
                client.line.old.clear();
            }
            if wire.is_ending() && !wire.is_full() {
                self.closing.push(socket);
            }
        }
        self.own_channels_are_joined(at);
    }

    fn read(&mut self, socket: SocketId, sent: Sent) {
        match sent {
            Sent::Text(payload) => self.read_text(socket, &payload),
            Sent::Ping => self.send_pong(socket),
            Sent::Closed(TERMINATED) => {}
            Sent::Closed(code) => self.is_wrong(format!("{socket} is closed with {code}")),
        }
    }

    fn read_text(&mut self, socket: SocketId, payload: &[u8]) {
        self.frames.enter(self.now, socket, payload);
        self.note(|| format!("{socket} reads {}", String::from_utf8_lossy(payload)));
        let Some(client) = self.clients.get_mut(&socket) else {
            return self.is_wrong(format!("{socket} is closed and reads"));
        };
        // An outsider's event is no message of Pusher's.
        if payload == FORGED.as_bytes() {
            return;
        }
        let message: Value = serde_json::from_slice(payload).unwrap();
        let event = message["event"].as_str().unwrap();
        if std::mem::replace(&mut client.line.is_established, true)
            == (event == "pusher:connection_established")
        {
            return self.is_wrong(format!("{socket} reads {message} at first, or again"));
        }
        let name: Arc<str> = message["channel"].as_str().unwrap_or_default().into();
        match event {
            "pusher:connection_established" | "pusher:signin_success" => {}
            "pusher:ping" => self.send_pong(socket),
            "pusher_internal:watchlist_events" => self.read_watchlist(socket, &message),
            "pusher:subscription_error" => self.read_refusal(socket, &name),
            "pusher:error" if [4009, 4100].map(Value::from).contains(&message["data"]["code"]) => {}
            "pusher:error" => self.is_wrong(format!("{socket} reads {message}")),
            _ => self.read_of_channel(socket, &name, &Received::read(payload)),
        }
    }

    /// The first one is the answer to the sign-in, each further one a change.
    fn read_watchlist(&mut self, socket: SocketId, message: &Value) {
        let data: Value = serde_json::from_str(message["data"].as_str().unwrap()).unwrap();
        let users = |state: &str| -> Vec<Arc<str>> {
            let events = data["events"].as_array().unwrap().iter();
            let of_state = events.filter(|event| event["name"] == state);
            let ids = of_state.flat_map(|event| event["user_ids"].as_array().unwrap());
            ids.map(|id| id.as_str().unwrap().into()).collect()
        };
        let (online, offline) = (users("online"), users("offline"));
        let client = self.clients.get_mut(&socket).unwrap();
        if client.online.is_none() {
            return client.receive_watchlist(&online, &offline);
        }
        online.iter().for_each(|user| self.receive_status_of(socket, user, true));
        offline.iter().for_each(|user| self.receive_status_of(socket, user, false));
    }

    /// The channel is full.
    fn read_refusal(&mut self, socket: SocketId, name: &Arc<str>) {
        let client = self.clients.get_mut(&socket).unwrap();
        match client.line.attempts.entry(name.clone()).or_default().pop_front() {
            None => self.is_wrong(format!("{socket} is refused in {name}, and had not asked")),
            Some(attempt) if attempt.has_left => {}
            Some(_) => {
                if client.views.remove(name).is_some_and(|view| view.is_answered) {
                    self.is_wrong(format!("{socket} is refused in {name}, where it is"));
                }
                self.absent(name, socket);
            }
        }
    }

    fn read_of_channel(&mut self, socket: SocketId, name: &Arc<str>, received: &Received) {
        if let Received::Succeeded(_) = received {
            return self.read_answer(socket, name, received);
        }
        let client = self.clients.get_mut(&socket).unwrap();
        let awaited = matches!(received, Received::Event(_) | Received::CacheMiss);
        let is_sure = client.line.awaits_cached.get(name).copied().unwrap_or_default();
        let is_cached = awaited && client.line.awaits_cached.remove(name).is_some();
        let is_miss = matches!(received, Received::CacheMiss);
        let is_current = client.views.get_mut(name).is_some_and(|view| {
            // A user's own channel is joined without an answer.
            view.is_answered |= name.starts_with('#');
            view.is_answered
        });
        let old = client.line.old.get_mut(name).filter(|_| !is_current);
        let contradiction = old.map(|old| old.receive(received));
        if is_miss && !is_cached || !is_current && contradiction.is_none() {
            let text = format!("{socket} reads {received:?} in {name}, where it may not");
            return self.is_wrong(text);
        }
        if let Some(Err(why)) = contradiction {
            return self.is_wrong(format!("{socket} in {name}, which it has left: {why}"));
        }
        if let Received::Event(event) = received {
            // A cached event may be one that the node missed on the topic.
            if !is_cached {
                self.event_is_for(socket, name, *event);
                let at = self.clients[&socket].machine;
                self.machines[at].delivered.entry(*event).or_insert(self.now);
            }
        }
        if is_current && is_cached && is_sure {
            let view = &self.clients[&socket].views[name];
            let was_alone = view.seated_alone.is_some();
            let by = if was_alone { CachedBy::Either } else { CachedBy::Directory };
            let event = if let Received::Event(event) = received { Some(*event) } else { None };
            self.cached_is_right((socket, name), event, by);
        }
        if is_current {
            self.receive(socket, name, received);
        } else if let (Received::Event(event), Some(client)) =
            (received, self.clients.get_mut(&socket))
        {
            client.received.insert(*event);
        }
    }

    /// Every message that subscribes is answered once, in order.
    fn read_answer(&mut self, socket: SocketId, name: &Arc<str>, received: &Received) {
        let line = &mut self.clients.get_mut(&socket).unwrap().line;
        let Some(attempt) = line.attempts.entry(name.clone()).or_default().pop_front() else {
            return self.is_wrong(format!("{socket} reads an answer in {name}, and had not asked"));
        };
        if attempt.is_first && name.contains("cache-") {
            let was_awaited = line.awaits_cached.insert(name.clone(), attempt.is_single);
            line.awaits_cached.extend(was_awaited.map(|_| (name.clone(), false)));
        }
        line.old.remove(name);
        if !attempt.has_left {
            return self.receive(socket, name, received);
        }
        let mut view = View::default();
        match view.receive(received) {
            Ok(()) => drop(line.old.insert(name.clone(), view)),
            Err(why) => self.is_wrong(format!("{socket} in {name}: {why}")),
        }
    }

    pub(super) fn gap_received(&mut self, socket: SocketId, name: &Arc<str>, missed: Option<u64>) {
        let client = &self.clients[&socket];
        let (at, all) = (client.machine, client.views[name].missed);
        match missed {
            None => drop(self.machines[at].in_doubt.insert(name.clone())),
            Some(_) => {
                let counted = self.machines[at].missed.entry(name.clone()).or_default();
                *counted = all.max(*counted);
            }
        }
    }

    /// A user's own channel is joined without an answer: its sockets are there once the hub has all of them.
    fn own_channels_are_joined(&mut self, at: usize) {
        let Some(whole) = &self.machines[at].whole else { return };
        // Names of such channels come before all others.
        let first = |client: &Client| {
            client
                .views
                .iter()
                .next()
                .is_some_and(|(name, view)| !view.is_answered && name.starts_with('#'))
        };
        if !self.clients.values().any(|client| client.machine == at && first(client)) {
            return;
        }
        for user in super::USERS {
            let own = super::steps::own_channel(user);
            let here = || self.clients.values().filter(|client| client.machine == at);
            let views = || here().filter_map(|client| client.views.get(&own));
            let is_open = views().any(|view| !view.is_answered);
            if is_open && whole.subscribers(&own) == views().count() {
                let here = self.clients.values_mut().filter(|client| client.machine == at);
                let views = here.filter_map(|client| client.views.get_mut(&own));
                views.for_each(|view| view.is_answered = true);
            }
        }
    }
}
