//! Whole nodes: when their shards have a turn, what their clients send, and what becomes of permits, webhooks and calls.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use hmac::{Hmac, KeyInit, Mac};
use resound::cluster::Core;
use resound::node::{ConnectionPermit, Triggered};
use resound::protocol::server_message::OutboundEvent;
use resound::protocol::{ChannelName, CloseCode, SocketId};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::oneshot;

use super::asking::Termination;
use super::steps::own_channel;
use super::{Asking, Happening, Line, World};
use crate::client::View;
use crate::machine::Machine;
use crate::profile::{MILLI, SECOND};
use crate::server::OUTSIDER;
use crate::whole::{Attempt, SHARDS, Wire};

/// The longest time from a decision of the core until the client of a whole node has read it.
const LONGEST_DELAY: u64 = 2 * SECOND;

/// A permit of a node.
type PermitOfNode = Result<ConnectionPermit, CloseCode>;

/// A call of a back end that waits for its answer.
type PendingCall = Pin<Box<dyn Future<Output = ()>>>;

/// A permit that was asked for.
pub(super) enum AskedPermit {
    OfCore(oneshot::Receiver<bool>),
    OfNode(Pin<Box<dyn Future<Output = PermitOfNode>>>),
}

/// Whether it is granted.
pub(super) enum DecidedPermit {
    OfCore(bool),
    OfNode(PermitOfNode),
}

impl AskedPermit {
    pub(super) fn poll(&mut self) -> Option<DecidedPermit> {
        match self {
            Self::OfCore(place) => match place.try_recv() {
                Ok(is_taken) => Some(DecidedPermit::OfCore(is_taken)),
                Err(oneshot::error::TryRecvError::Empty) => None,
                Err(oneshot::error::TryRecvError::Closed) => Some(DecidedPermit::OfCore(false)),
            },
            Self::OfNode(permit) => {
                let polled = permit.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                match polled {
                    Poll::Ready(permit) => Some(DecidedPermit::OfNode(permit)),
                    Poll::Pending => None,
                }
            }
        }
    }
}

/// What clients of whole nodes received, as a number, and what else whole nodes are asked.
pub(crate) struct Frames {
    /// Of every frame with its time and its receiver, in order: two runs of one seed have the same.
    pub(crate) hash: u64,
    pub(crate) count: u64,
    /// Calls of back ends that are not answered, each with the process that it was made to.
    pub(crate) calls: Vec<(u64, PendingCall)>,
    /// Webhook events of the endpoint that gets some of them.
    pub(crate) filtered: usize,
}

impl Default for Frames {
    fn default() -> Self {
        // The basis of FNV-1a.
        Self { hash: 0xcbf2_9ce4_8422_2325, count: 0, calls: Vec::new(), filtered: 0 }
    }
}

impl Frames {
    pub(super) fn enter(&mut self, now: u64, socket: SocketId, payload: &[u8]) {
        self.count += 1;
        let (first, second) = socket.halves();
        let head = [now, u64::from(first), u64::from(second)].map(u64::to_be_bytes);
        for byte in head.as_flattened().iter().chain(payload) {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl World {
    /// Shards that were woken get a turn, some of them late.
    pub(super) fn plan_turns(&mut self) {
        for (at, shard) in
            (0..self.machines.len()).flat_map(|at| (0..SHARDS).map(move |shard| (at, shard)))
        {
            let Some(whole) = &mut self.machines[at].whole else { continue };
            if !whole.shards[shard].becomes_due() {
                continue;
            }
            let most = match self.random.below(100) {
                0..80 => 300,
                80..97 => 5 * MILLI,
                _ => 40 * MILLI,
            };
            let later = self.random.below(most);
            self.plan(later, Happening::Turn(at, self.machines[at].id, shard));
        }
    }

    pub(super) fn shard_turns(&mut self, at: usize, id: u64, shard: usize) {
        if !self.is_running(at, id) {
            return;
        }
        self.machines[at].whole.as_mut().unwrap().shards[shard].turn();
        self.read_connections(at, shard);
        self.after((at, self.profile.home()), OUTSIDER);
    }

    /// Waits until nothing is on its way to a client. A ping may be at any time.
    pub(super) fn come_to_idle(&mut self) -> Result<(), String> {
        for _ in 0..1000 {
            if self.machines.iter().all(Machine::is_idle) {
                return Ok(());
            }
            self.settle(MILLI)?;
        }
        Err("whole nodes do not come to rest".to_owned())
    }

    /// A connection that was full takes some bytes again.
    pub(super) fn connection_writable(&mut self, socket: SocketId) {
        let Some(at) = self.clients.get(&socket).map(|client| client.machine) else { return };
        let room = self.random.between((100, 3000)) as usize;
        if let Some(whole) = &self.machines[at].whole {
            whole.writable(socket, room);
        }
    }

    pub(super) fn ask_whole_node(&mut self, at: usize) {
        let channels = self.machines[at].whole.as_ref().unwrap().channels();
        let permit = Box::pin(async move { ConnectionPermit::acquire(&channels).await });
        let mut place = AskedPermit::OfNode(permit);
        match place.poll() {
            Some(decided) => self.permit_decided(at, decided),
            None if self.random.percent(85) => {
                self.write_down(&format!("a socket asks machine {at} for a permit"));
                let id = self.machines[at].id;
                self.asking.push(Asking { machine: at, id, place });
            }
            None => self.write_down(&format!("a socket asks machine {at}, and goes")),
        }
        self.after((at, self.profile.home()), OUTSIDER);
    }

    pub(super) fn permit_decided(&mut self, at: usize, decided: DecidedPermit) {
        let permit = match decided {
            DecidedPermit::OfCore(true) => return self.place_taken(at),
            DecidedPermit::OfNode(Ok(permit)) => permit,
            DecidedPermit::OfCore(false) | DecidedPermit::OfNode(Err(_)) => {
                return self.write_down(&format!("machine {at} refuses a socket"));
            }
        };
        self.count_place(at);
        // A node that leaves closes what has just opened.
        if self.machines[at].is_leaving {
            self.machines[at].places -= 1;
            return;
        }
        let socket = self.opens(at, true);
        let is_narrow = self.random.percent(30);
        let room = if is_narrow { self.random.below(500) as usize } else { usize::MAX };
        let (now, wire) = (self.instant(), Arc::new(Wire::new(room)));
        self.machines[at].whole.as_mut().unwrap().open(socket, permit, wire, now);
    }

    fn send(&mut self, socket: SocketId, message: &Value, part: usize) {
        let (now, at) = (self.instant(), self.clients[&socket].machine);
        let text = message.to_string();
        self.note(|| format!("{socket} sends {text}"));
        if let Some(whole) = &mut self.machines[at].whole {
            whole.receive(socket, &text, now);
        }
        self.after((at, part), OUTSIDER);
    }

    /// A client that subscribes to a full channel again before it is answered cannot tell which of the two is refused: one
    /// refusal answers all that the node had, and what arrives behind it is a subscription of its own.
    pub(super) fn may_be_refused_twice(&self, socket: SocketId, name: &str) -> bool {
        let client = self.clients.get(&socket);
        let attempts = client.and_then(|client| client.line.attempts.get(name));
        let is_answered = attempts.is_none_or(|attempts| attempts.is_empty());
        name.starts_with("presence-") && self.profile.members_max < 100 && !is_answered
    }

    pub(super) fn send_subscribe(&mut self, socket: SocketId, name: &str) {
        let (now, part) = (self.now, self.profile.part_of(name));
        let name: Arc<str> = name.into();
        let client = self.clients.get_mut(&socket).unwrap();
        let (at, user) = (client.machine, client.user);
        let attempts = client.line.attempts.entry(name.clone()).or_default();
        let view = client.views.get_mut(&name).unwrap();
        let is_first = !view.is_answered && attempts.iter().all(|attempt| attempt.has_left);
        let is_single = attempts.is_empty();
        attempts.push_back(Attempt { has_left: false, is_first, is_single });
        if is_first && !self.machines[at].parts[part].link.is_connected {
            view.seated_alone = Some(now);
            self.machines[at].alone_in.insert(name.clone());
        }
        let member = name
            .starts_with("presence-")
            .then(|| format!("{{\"user_id\":\"{user}\",\"user_info\":{{\"name\":\"{user}\"}}}}"));
        let signed = member.as_ref().map(|data| format!(":{data}")).unwrap_or_default();
        let auth = signature(&format!("{socket}:{name}{signed}"));
        let mut data = json!({ "channel": &*name, "auth": auth });
        if let Some(member) = member {
            data["channel_data"] = member.into();
        }
        self.send(socket, &json!({ "event": "pusher:subscribe", "data": data }), part);
    }

    /// The client has removed its view; messages that are under way belong to it.
    pub(super) fn send_unsubscribe(&mut self, socket: SocketId, name: &Arc<str>, view: View) {
        let line = &mut self.clients.get_mut(&socket).unwrap().line;
        let attempts = line.attempts.get_mut(name).into_iter().flatten();
        attempts.for_each(|attempt| attempt.has_left = true);
        if view.is_answered {
            line.old.insert(name.clone(), view);
        }
        let message = json!({ "event": "pusher:unsubscribe", "data": { "channel": &**name } });
        self.send(socket, &message, self.profile.part_of(name));
    }

    pub(super) fn send_sign_in(&mut self, socket: SocketId) {
        let (now, home) = (self.now, self.profile.home());
        let client = self.clients.get_mut(&socket).unwrap();
        let (at, user, own) = (client.machine, client.user, own_channel(client.user));
        if !self.machines[at].parts[home].link.is_connected {
            let view = client.views.get_mut(&own).unwrap();
            view.seated_alone = Some(now);
            self.machines[at].alone_in.insert(own);
        }
        let user_data = json!({ "id": user, "watchlist": &client.watchlist }).to_string();
        let auth = signature(&format!("{socket}::user::{user_data}"));
        let data = json!({ "auth": auth, "user_data": user_data });
        self.send(socket, &json!({ "event": "pusher:signin", "data": data }), home);
    }

    pub(super) fn send_pong(&mut self, socket: SocketId) {
        self.send(socket, &json!({ "event": "pusher:pong", "data": {} }), self.profile.home());
    }

    /// An event of a back end, or of a client of the node.
    pub(super) fn give_whole_node(
        &mut self,
        at: usize,
        number: usize,
        filling: usize,
        is_of_back_end: bool,
    ) {
        let (now, data) = (self.instant(), crate::events::data(number, filling));
        let event = &self.events[number];
        let (channel, except, part) =
            (event.channel.clone(), event.except, self.profile.part_of(&event.channel));
        if !is_of_back_end {
            let sender = except.unwrap();
            let message = json!({ "event": "client-x", "channel": &*channel, "data": data });
            return self.send(sender, &message, part);
        }
        let name = ChannelName::parse(&channel, 200).unwrap();
        let channels = self.machines[at].whole.as_ref().unwrap().channels();
        let event = OutboundEvent::new("news", &data);
        match channels.trigger(&name, &event, &data, except, now) {
            Triggered::Published(scope) => self.events[number].waiter = Some(scope),
            Triggered::Delivered(_) => self.is_wrong("a node of a cluster asked no other".into()),
        }
        self.after((at, part), OUTSIDER);
    }

    pub(super) fn whole_node_terminates(&mut self, at: usize, user: &'static str) {
        let (sockets, id) = (self.signed_in(user, None), self.machines[at].id);
        self.terminations.push(Termination::asked(user, sockets, at, id));
        let channels = self.machines[at].whole.as_ref().unwrap().channels();
        let call = Box::pin(async move { channels.terminate_user(user).await });
        self.frames.calls.push((id, call));
        self.receive_calls();
        self.after((at, self.profile.home()), OUTSIDER);
    }

    fn receive_calls(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        self.frames.calls.retain_mut(|(_, call)| call.as_mut().poll(&mut context).is_pending());
    }

    /// A socket is gone, and with it everything it was in.
    pub(super) fn close_whole(&mut self, socket: SocketId) {
        let Some(client) = self.clients.get_mut(&socket) else { return };
        let at = client.machine;
        client.is_signed_in = false;
        let names: Vec<Arc<str>> = client.views.keys().cloned().collect();
        for name in names {
            self.clients.get_mut(&socket).unwrap().views.remove(&name);
            self.absent(&name, socket);
        }
        self.clients.remove(&socket);
        self.machines[at].places -= 1;
        let now = self.instant();
        if let Some(whole) = &mut self.machines[at].whole {
            whole.close(socket, now);
        }
        (0..self.profile.partitions).for_each(|part| self.after((at, part), OUTSIDER));
    }

    /// Webhook events that the node has made since the last time, and calls that are answered.
    pub(super) fn receive_webhooks(&mut self, at: usize, operation: u64) {
        let now = self.instant();
        let Some(whole) = &mut self.machines[at].whole else { return };
        for (event, endpoints) in whole.take_webhooks(now) {
            self.frames.filtered += usize::from(endpoints.contains(&1));
            let part = self.profile.part_of(event.channel.as_str());
            if endpoints.contains(&0) {
                self.report(event, (part, operation));
            }
        }
        self.receive_calls();
    }

    pub(super) fn sessions_tick(&mut self, at: usize) {
        let now = self.instant();
        if let Some(whole) = &mut self.machines[at].whole {
            whole.tick(now);
            self.after((at, self.profile.home()), OUTSIDER);
        }
    }

    /// The link of a whole node is about to break: it decides itself what has no answer yet.
    pub(super) fn subscriptions_are_alone(&mut self, (at, part): Line) {
        let is_connected = self.machines[at].parts[part].core.look(Core::is_connected);
        if !self.profile.is_whole || !is_connected {
            return;
        }
        let (now, profile) = (self.now, &self.profile);
        for client in self.clients.values_mut().filter(|client| client.machine == at) {
            let views = client.views.iter_mut().filter(|(name, _)| profile.part_of(name) == part);
            for (name, view) in views.filter(|(_, view)| !view.is_answered) {
                view.seated_alone = Some(now);
                self.machines[at].alone_in.insert(name.clone());
            }
        }
    }

    /// Whether a node was without Redis when it decided what its clients receive now.
    pub(super) fn was_alone(&self, (at, part): Line) -> bool {
        let link = &self.machines[at].parts[part].link;
        let is_late = |(_, to): &(u64, u64)| to.saturating_add(self.longest_delay()) > self.now;
        !link.is_connected || self.profile.is_whole && link.outages.iter().any(is_late)
    }

    /// How long a message may be under way within a node.
    pub(super) fn longest_delay(&self) -> u64 {
        if self.profile.is_whole { LONGEST_DELAY } else { 0 }
    }
}

/// What the back end signs: an implementation of its own.
fn signature(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
    mac.update(text.as_bytes());
    format!("key:{}", hex::encode(mac.finalize().into_bytes()))
}
