//! What clients and back ends do, drawn one step after the other.

use std::sync::Arc;

use resound::cluster::{ChannelKey, Core, PermitDecision};
use resound::protocol::{ChannelName, Member, SocketId, User};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::whole_nodes::AskedPermit;
use super::{Asking, Happening, World};
use crate::client::{Client, View};
use crate::events::{self, Event};
use crate::profile::QUEUE_BYTES;
use crate::server::OUTSIDER;

/// Who there is.
pub(crate) const USERS: [&str; 4] = ["ann", "bob", "eve", "7"];

/// What is subscribed to by name.
pub(crate) const CHANNELS: [&str; 6] =
    ["a", "private-b", "presence-c", "presence-d", "cache-e", "presence-cache-f"];

/// Of one schedule, so that channels become empty too.
const CLIENTS_MAX: usize = 12;

impl World {
    pub(super) fn step(&mut self) {
        self.steps_left = self.steps_left.saturating_sub(1);
        if self.profile.hostile && self.random.percent(20) {
            self.say_rubbish();
        }
        if self.profile.hostile && self.random.percent(20) {
            self.forge_event();
        }
        if self.profile.hostile && self.random.percent(20) {
            self.forge_change();
        }
        match self.random.below(100) {
            0..16 => self.connect_a_client(),
            16..44 => self.join_a_channel(),
            44..54 => self.leave_a_channel(),
            54..60 => self.sign_a_client_in(),
            60..64 => self.close_a_client(),
            64..80 => self.back_end_publishes(),
            80..84 => self.send_a_client_event(),
            84..86 => self.back_end_terminates(),
            86..89 => self.page_changes(),
            89 => self.back_end_lists(),
            90..92 => self.subscribe_again(),
            _ => self.something_breaks(),
        }
        if self.steps_left > 0 {
            let gap = self.profile.gap;
            let later = self.random.between(gap);
            self.plan(later, Happening::Step);
        }
    }

    pub(crate) fn spot_of(&self, name: &str) -> ChannelKey {
        ChannelKey::channel(0, &ChannelName::parse(name, 200).unwrap())
    }

    pub(super) fn some_machine(&mut self) -> Option<usize> {
        let all = 0..self.machines.len();
        let up: Vec<usize> = all.filter(|&at| self.machines[at].takes_sockets()).collect();
        self.random.pick(&up)
    }

    fn some_client(&mut self) -> Option<SocketId> {
        let all: Vec<SocketId> = self.clients.keys().copied().collect();
        self.random.pick(&all)
    }

    fn connect_a_client(&mut self) {
        let Some(at) = self.some_machine().filter(|_| self.clients.len() < CLIENTS_MAX) else {
            return;
        };
        if self.profile.is_whole {
            return self.ask_whole_node(at);
        }
        if self.profile.bound.is_none() {
            self.opens(at, false);
            return;
        }
        let home = self.profile.home();
        let place = self.part((at, home)).core.act(|core| core.request_permit(0));
        match place {
            PermitDecision::Granted => self.place_taken(at),
            PermitDecision::Refused => self.write_down(&format!("machine {at} refuses a socket")),
            PermitDecision::Pending(place) if self.random.percent(85) => {
                self.write_down(&format!("a socket asks machine {at} for a place"));
                let id = self.machines[at].id;
                let place = AskedPermit::OfCore(place);
                self.asking.push(Asking { machine: at, id, place });
            }
            PermitDecision::Pending(_) => {
                self.write_down(&format!("a socket asks machine {at}, and goes"))
            }
        }
        self.after((at, home), OUTSIDER);
    }

    pub(super) fn place_taken(&mut self, at: usize) {
        self.count_place(at);
        // A node that leaves closes what has just opened.
        match self.machines[at].is_leaving {
            false => {
                self.opens(at, true);
            }
            true => self.place_left(at),
        }
    }

    pub(super) fn count_place(&mut self, at: usize) {
        self.machines[at].places += 1;
        let open: u32 = self.machines.iter().map(|machine| machine.places).sum();
        let home = self.profile.home();
        let is_alone = self.profile.faults[home] != crate::profile::Faults::None;
        if let Some(most) = self.profile.bound.filter(|most| !is_alone && open > *most) {
            self.is_wrong(format!("{open} sockets are open, {most} may be"));
        }
    }

    fn place_left(&mut self, at: usize) {
        self.machines[at].places -= 1;
        let home = (at, self.profile.home());
        self.part(home).core.act(|core| core.release_permit(0));
        self.after(home, OUTSIDER);
    }

    pub(super) fn opens(&mut self, at: usize, has_place: bool) -> SocketId {
        self.next_socket += 1;
        let socket = SocketId::of_halves(self.next_socket, at as u32 + 1).unwrap();
        let user = self.random.pick(&USERS).unwrap();
        let watchlist = USERS.into_iter().filter(|_| self.random.percent(40)).collect();
        self.write_down(&format!("{socket} opens on machine {at} as {user}"));
        let client = Client { has_place, ..Client::new(at, user, watchlist) };
        self.clients.insert(socket, client);
        socket
    }

    fn join_a_channel(&mut self) {
        let (Some(socket), Some(name)) = (self.some_client(), self.random.pick(&CHANNELS)) else {
            return;
        };
        if !self.clients[&socket].views.contains_key(name) {
            self.write_down(&format!("{socket} joins {name}"));
            self.join(socket, name);
        }
    }

    fn join(&mut self, socket: SocketId, name: &str) {
        if self.may_be_refused_twice(socket, name) {
            return;
        }
        let since = self.now;
        // What follows from a leave may have closed it.
        let Some(client) = self.clients.get_mut(&socket) else { return };
        let (at, user) = (client.machine, client.user);
        client.views.insert(name.into(), View { since, ..View::default() });
        if self.profile.is_whole {
            return self.send_subscribe(socket, name);
        }
        let spot = self.spot_of(name);
        let member = name.starts_with("presence-").then(|| member(user));
        let line = (at, self.profile.part_of(name));
        self.part(line).core.act(|core| core.join(&spot, socket, member.as_ref()));
        self.after(line, OUTSIDER);
    }

    fn leave_a_channel(&mut self) {
        let Some(socket) = self.some_client() else { return };
        let views = self.clients[&socket].views.keys();
        let named: Vec<Arc<str>> = views.filter(|name| !name.starts_with('#')).cloned().collect();
        if named.is_empty() {
            return;
        }
        let name = named[self.random.below(named.len() as u64) as usize].clone();
        self.write_down(&format!("{socket} leaves {name}"));
        self.leave(socket, &name);
    }

    fn leave(&mut self, socket: SocketId, name: &Arc<str>) {
        let Some(client) = self.clients.get_mut(&socket) else { return };
        let (at, user) = (client.machine, client.user);
        let Some(view) = client.views.remove(name) else { return };
        self.absent(name, socket);
        if self.profile.is_whole {
            return self.send_unsubscribe(socket, name, view);
        }
        let spot = self.spot_of(name);
        let user = name.starts_with("presence-").then_some(user);
        let line = (at, self.profile.part_of(name));
        self.part(line).core.act(|core| core.leave(&spot, socket, user));
        self.after(line, OUTSIDER);
    }

    /// A client subscribes again to a channel it is in.
    fn subscribe_again(&mut self) {
        let Some(socket) = self.some_client() else { return };
        let client = &self.clients[&socket];
        let name = client.views.keys().find(|name| !name.starts_with('#')).cloned();
        let (Some(name), at) = (name, client.machine) else { return };
        if self.may_be_refused_twice(socket, &name) {
            return;
        }
        self.write_down(&format!("{socket} joins {name} again"));
        if self.profile.is_whole {
            return self.send_subscribe(socket, &name);
        }
        let spot = self.spot_of(&name);
        let line = (at, self.profile.part_of(&name));
        self.part(line).core.act(|core| core.confirm(&spot, socket));
        self.after(line, OUTSIDER);
    }

    fn sign_a_client_in(&mut self) {
        let Some(socket) = self.some_client().filter(|id| !self.clients[id].is_signed_in) else {
            return;
        };
        let since = self.now;
        let client = self.clients.get_mut(&socket).unwrap();
        client.is_signed_in = true;
        let (at, own) = (client.machine, own_channel(client.user));
        client.views.insert(own, View { since, ..View::default() });
        let user = user(client);
        self.write_down(&format!("{socket} signs in, watches {:?}", user.watchlist));
        if self.profile.is_whole {
            return self.send_sign_in(socket);
        }
        for watched in &user.watchlist {
            let watchers = &mut self.machines[at].hub.watchers;
            watchers.entry(watched.clone()).or_default().insert(socket);
        }
        let home = (at, self.profile.home());
        self.part(home).core.act(|core| core.sign_in(0, socket, &user));
        self.after(home, OUTSIDER);
    }

    /// One of a machine: it joins a presence channel, or leaves one.
    pub(crate) fn client_comes_or_goes(&mut self, at: usize) {
        let here = self.clients.iter().filter(|(_, client)| client.machine == at);
        let here: Vec<SocketId> = here.map(|(&socket, _)| socket).collect();
        let presence = CHANNELS.into_iter().filter(|name| name.starts_with("presence-"));
        let presence: Vec<&str> = presence.collect();
        let (Some(socket), Some(name)) = (self.random.pick(&here), self.random.pick(&presence))
        else {
            return;
        };
        match self.clients[&socket].views.contains_key(name) {
            true => self.leave(socket, &name.into()),
            false => self.join(socket, name),
        }
    }

    fn close_a_client(&mut self) {
        if let Some(socket) = self.some_client() {
            self.write_down(&format!("{socket} closes"));
            self.close(socket);
        }
    }

    /// A socket is gone, and leaves everything it was in.
    pub(super) fn close(&mut self, socket: SocketId) {
        if self.profile.is_whole {
            return self.close_whole(socket);
        }
        let Some(client) = self.clients.get_mut(&socket) else { return };
        let (at, has_place) = (client.machine, client.has_place);
        if std::mem::take(&mut client.is_signed_in) {
            let (user, own) = (user(client), own_channel(client.user));
            client.views.remove(&own);
            self.absent(&own, socket);
            for watched in &user.watchlist {
                let watchers = self.machines[at].hub.watchers.get_mut(watched).unwrap();
                watchers.remove(&socket);
            }
            let now = self.instant();
            let home = (at, self.profile.home());
            self.part(home).core.act(|core| core.sign_out(0, socket, &user, now));
            self.after(home, OUTSIDER);
        }
        let names: Vec<Arc<str>> = self.clients[&socket].views.keys().cloned().collect();
        names.iter().for_each(|name| self.leave(socket, name));
        self.clients.remove(&socket);
        if has_place {
            self.place_left(at);
        }
    }

    pub(crate) fn back_end_publishes(&mut self) {
        let Some(at) = self.some_machine() else { return };
        let name: Arc<str> = match self.random.percent(85) {
            true => self.random.pick(&CHANNELS).unwrap().into(),
            false => own_channel(self.random.pick(&USERS).unwrap()),
        };
        let except = if self.random.percent(30) { self.some_client() } else { None };
        let line = (at, self.profile.part_of(&name));
        for _ in 0..self.random.between((1, 3)) {
            // The HTTP API waits for room.
            if self.part(line).core.look(Core::queued_bytes) <= QUEUE_BYTES {
                self.publish(at, &name, except, By::BackEnd);
            }
        }
    }

    fn publish(&mut self, at: usize, name: &Arc<str>, except: Option<SocketId>, by: By) {
        let (event, now) = (self.events.len(), self.instant());
        let filling = self.random.below(400) as usize;
        let frame = events::frame(event, filling);
        let receives = |(socket, client): (&SocketId, &Client)| {
            let view = client.views.get(name).filter(|view| view.is_answered);
            view.filter(|_| Some(*socket) != except).map(|_| *socket)
        };
        let expected: Vec<SocketId> = self.clients.iter().filter_map(receives).collect();
        self.write_down(&format!("machine {at}: event {event} on {name}, not to {except:?}"));
        let waits = matches!(by, By::BackEnd);
        let (waiter, answer) = waits.then(oneshot::channel).unzip();
        self.events.push(Event {
            channel: name.clone(),
            origin: self.machines[at].id,
            at: self.now,
            is_of_back_end: waits,
            expected,
            except,
            answer: None,
            waiter: answer,
        });
        self.unanswered.extend(waits.then_some(event));
        if self.profile.is_whole {
            return self.give_whole_node(at, event, filling, waits);
        }
        let spot = self.spot_of(name);
        let line = (at, self.publishing_part(name));
        self.part(line).core.act(|core| core.publish(spot, frame, except, waiter, now));
        self.after(line, OUTSIDER);
    }

    fn send_a_client_event(&mut self) {
        let Some(socket) = self.some_client() else { return };
        let client = &self.clients[&socket];
        let at = client.machine;
        let mut views = client.views.iter().filter(|(_, view)| view.is_answered);
        let Some(name) =
            views.find(|(name, _)| name.starts_with('p')).map(|(name, _)| name.clone())
        else {
            return;
        };
        let line = (at, self.profile.part_of(&name));
        if self.part(line).core.look(Core::queued_bytes) <= QUEUE_BYTES {
            self.publish(at, &name, Some(socket), By::Client);
        }
    }

    /// Everybody on one machine leaves everything and comes back, some as they leave.
    fn page_changes(&mut self) {
        let Some(at) = self.some_machine() else { return };
        self.write_down(&format!("all of machine {at} leave and come back"));
        let here = self.clients.iter().filter(|(_, client)| client.machine == at);
        let here: Vec<SocketId> = here.map(|(&socket, _)| socket).collect();
        for socket in here {
            let views =
                self.clients.get(&socket).into_iter().flat_map(|client| client.views.keys());
            let names: Vec<Arc<str>> =
                views.filter(|name| !name.starts_with('#')).cloned().collect();
            for name in names {
                self.leave(socket, &name);
                self.join(socket, &name);
            }
        }
    }
}

/// Who publishes. A back end waits for an answer, a client does not.
#[derive(Clone, Copy)]
enum By {
    BackEnd,
    Client,
}

pub(super) fn own_channel(user: &str) -> Arc<str> {
    format!("#server-to-user-{user}").into()
}

fn info(user: &str) -> Box<RawValue> {
    RawValue::from_string(format!("{{\"name\":\"{user}\"}}")).unwrap()
}

fn member(user: &str) -> Member {
    Member { user_id: user.into(), user_info: Some(info(user)) }
}

fn user(client: &Client) -> User {
    let watchlist = client.watchlist.iter().map(|user| Arc::from(*user)).collect();
    User { id: client.user.into(), info: None, watchlist, watchlist_over: None }
}
