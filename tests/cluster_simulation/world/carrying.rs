//! Carries out the effects of the core, and compares them with what may be: no client is accepted that
//! has not joined, none receives a contradiction.

use std::sync::Arc;

use resound::channel_rules::{WebhookEvent, WebhookPayload};
use resound::cluster::{
    CachedReply, ChannelEffect, Core, Effect, JoinReply, MissedEvents, PublishScope,
};
use resound::protocol::{Frame, SocketId};

use super::cached::CachedBy;
use super::{Absence, Announcement, Happening, Line, World};
use crate::client::{Client, Received};
use crate::directory::Decision;
use crate::events::Event;
use crate::machine::{HeldCore, Part};
use crate::profile::{LEASE, TIMEOUT};
use crate::server::{ConnectionId, Operation};

/// For how long a leave may be under way to a client: links that break and begin again included.
const UNDER_WAY: u64 = 2 * LEASE;

impl World {
    /// After whatever was done with a core of a machine.
    pub(super) fn after(&mut self, (at, part): Line, operation: Operation) {
        let effects = match &mut self.part((at, part)).core {
            HeldCore::Alone(core) => core.take_effects(),
            HeldCore::InNode(_) => Vec::new(),
        };
        for effect in effects {
            self.carry_out((at, part), effect, operation);
        }
        self.receive_webhooks(at, operation);
        self.receive_answers();
        for socket in std::mem::take(&mut self.closing) {
            self.close(socket);
        }
        let Part { core, link, .. } = self.part((at, part));
        if core.look(Core::has_requests) && !link.will_pump {
            link.will_pump = true;
            let (id, later) = (self.machines[at].id, self.random.below(300));
            self.plan(later, Happening::Pump((at, part), id));
        }
    }

    fn carry_out(&mut self, (at, part): Line, effect: Effect, operation: Operation) {
        self.note(|| format!("machine {at}: {effect:?}"));
        match effect {
            Effect::Channel { channel, action, .. } => {
                let channel: Arc<str> = channel.as_str().into();
                if self.profile.part_of(&channel) != part {
                    self.is_wrong(format!("partition {part} decides on {channel}"));
                }
                self.on_channel((at, part), &channel, action);
            }
            Effect::Webhook { event, .. } => self.report(event, (part, operation)),
            Effect::Watchers { user_id, online, .. } => {
                let watchers = self.machines[at].hub.watchers.get(&user_id).cloned();
                for socket in watchers.unwrap_or_default() {
                    self.receive_status_of(socket, &user_id, online);
                }
            }
            Effect::Watchlist { socket, online, offline, .. } => {
                match self.clients.get_mut(&socket) {
                    Some(client) => client.receive_watchlist(&online, &offline),
                    None => self.is_wrong(format!("{socket} is closed and was sent its watchlist")),
                }
            }
            Effect::Terminate { user_id, .. } => {
                let theirs = self.signed_in(&user_id, Some(at));
                self.closing.extend(theirs);
            }
            Effect::Published(waiter, shared) => drop(waiter.send(shared)),
            Effect::Permit(waiter, taken) => drop(waiter.send(taken)),
            Effect::Answered(waiter, answer) => drop(waiter.send(answer)),
            Effect::Inquiry { .. } | Effect::InquiryAnswer { .. } => {
                unreachable!("no operator is simulated")
            }
        }
    }

    fn on_channel(&mut self, (at, part): Line, name: &Arc<str>, action: ChannelEffect) {
        match action {
            ChannelEffect::AddSubscriber(socket, newcomer) => {
                self.seat((at, part), name, socket, newcomer);
            }
            ChannelEffect::Answer(socket, newcomer) => {
                // A subscription that was given up is answered too; its client does not listen.
                let is_seated = self.machines[at].is_seated(name, socket);
                if is_seated && let Some(answer) = newcomer.answer {
                    self.receive(socket, name, &Received::read(answer.payload()));
                }
            }
            ChannelEffect::RemoveSubscriber(socket) => {
                let seats = self.machines[at].hub.seats.entry(name.clone()).or_default();
                if !seats.remove(&socket) {
                    self.is_wrong(format!("{socket} loses a seat in {name} that it has not"));
                }
            }
            ChannelEffect::Refuse(socket, None) => {
                self.note(|| format!("{socket} is refused, and has left"))
            }
            ChannelEffect::Refuse(socket, Some(_)) => {
                let client = self.clients.get_mut(&socket);
                let view = client.and_then(|client| client.views.remove(name));
                if view.is_some_and(|view| view.is_answered) {
                    self.is_wrong(format!("{socket} is refused in {name}, where it is seated"));
                }
                self.absent(name, socket);
            }
            ChannelEffect::Deliver { frame, except, .. } => self.deliver(at, name, &frame, except),
            ChannelEffect::CacheEvent(frame) => {
                drop(self.machines[at].hub.kept.insert(name.clone(), frame))
            }
            ChannelEffect::Missed(MissedEvents::Events(events)) => {
                *self.machines[at].missed.entry(name.clone()).or_default() += events;
            }
            ChannelEffect::Missed(MissedEvents::Unknown) => {
                self.machines[at].in_doubt.insert(name.clone());
            }
        }
    }

    fn seat(&mut self, (at, part): Line, name: &Arc<str>, socket: SocketId, newcomer: JoinReply) {
        let client = self.clients.get(&socket).filter(|client| client.machine == at);
        if !client.is_some_and(|client| client.views.contains_key(name)) {
            return self.is_wrong(format!("{socket} is seated in {name}, where it is not"));
        }
        if !self.machines[at].hub.seats.entry(name.clone()).or_default().insert(socket) {
            return self.is_wrong(format!("{socket} is seated in {name} for the second time"));
        }
        let now = self.now;
        if !self.part((at, part)).link.is_connected {
            let view = self.clients.get_mut(&socket).and_then(|client| client.views.get_mut(name));
            view.into_iter().for_each(|view| view.seated_alone = Some(now));
            self.machines[at].alone_in.insert(name.clone());
        }
        match newcomer.answer {
            Some(answer) => self.receive(socket, name, &Received::read(answer.payload())),
            None => self.receive(socket, name, &Received::Succeeded(Default::default())),
        }
        let kept = || self.machines[at].hub.kept.get(name).cloned();
        let (cached, by) = match newcomer.cached {
            CachedReply::NotKept if !name.contains("cache-") => return,
            CachedReply::NotKept => return self.is_wrong(format!("{name} keeps no event")),
            CachedReply::Miss => (None, CachedBy::Directory),
            CachedReply::Event(frame) => (Some(frame), CachedBy::Directory),
            CachedReply::Local => (kept(), CachedBy::Node),
        };
        let received = cached.map(|frame| Received::read(frame.payload()));
        let event = received.as_ref().and_then(|received| match received {
            Received::Event(event) => Some(*event),
            _ => None,
        });
        self.cached_is_right((socket, name), event, by);
        received.into_iter().for_each(|received| self.receive(socket, name, &received));
    }

    fn deliver(&mut self, at: usize, name: &Arc<str>, frame: &Frame, except: Option<SocketId>) {
        let received = Received::read(frame.payload());
        if let Received::Event(event) = received {
            self.machines[at].delivered.entry(event).or_insert(self.now);
        }
        let seats = self.machines[at].hub.seats.get(name).cloned().unwrap_or_default();
        for socket in seats.into_iter().filter(|socket| Some(*socket) != except) {
            if let Received::Event(event) = received {
                self.event_is_for(socket, name, event);
            }
            self.receive(socket, name, &received);
        }
    }

    pub(super) fn receive(&mut self, socket: SocketId, name: &Arc<str>, received: &Received) {
        let client = self.clients.get_mut(&socket);
        let Some(client) = client.filter(|client| client.views.contains_key(name)) else {
            return self
                .is_wrong(format!("{socket} receives {received:?} in {name}, where it is not"));
        };
        let view = client.views.get_mut(name).unwrap();
        if let Err(why) = view.receive(received) {
            return self.is_wrong(format!("{socket} in {name}: {why}"));
        }
        match received {
            Received::Event(event) => {
                client.received.insert(*event);
            }
            Received::Gap(missed) => self.gap_received(socket, name, *missed),
            Received::Added(..) => self.changes_received += 1,
            Received::Removed(user) => {
                self.changes_received += 1;
                self.removal_has_a_reason(socket, name, user);
            }
            _ => {}
        }
    }

    /// No client receives an event twice, also not once from the cache and once on the wire; the cached
    /// one may be an old event. Of a Redis that is behind it is unknown whether the one before had
    /// taken an event that was under way: it is sent again.
    pub(super) fn event_is_for(&mut self, socket: SocketId, name: &Arc<str>, event: usize) {
        let has = |client: &Client| client.received.contains(&event);
        let is_known = self.clients.get(&socket).is_some_and(has);
        let is_news = !is_known || !self.servers[self.profile.part_of(name)].behind.is_empty();
        let Event { channel, except, .. } = &self.events[event];
        if !is_news || channel != name || *except == Some(socket) {
            self.is_wrong(format!("{socket} receives event {event} in {name}: is news {is_news}"));
        }
    }

    /// A member that is reported as gone was gone, or its node was. A node without Redis goes by
    /// its own sockets: a user who left here may be on another node, which it cannot see.
    fn removal_has_a_reason(&mut self, socket: SocketId, name: &Arc<str>, user: &str) {
        let (at, part) = (self.clients[&socket].machine, self.profile.part_of(name));
        let earliest = self.earliest_under_way((at, part));
        let is_alone = self.was_alone((at, part));
        let counts = |absence: &Absence| {
            // A leave waits for the links of both nodes.
            let earliest = earliest.min(self.earliest_under_way((absence.machine, part)));
            absence.at >= earliest && (absence.is_everywhere || is_alone && absence.machine == at)
        };
        let absences = self.absences.get(&(name.clone(), user.to_owned()));
        let was_absent = absences.is_some_and(|all| all.iter().any(counts));
        let mut reaped = self.servers[part].reaped.iter();
        let was_reaped = reaped.any(|reaped| self.back_from(*reaped, part) >= earliest);
        let was_forged = self.forged_in.contains(&**name);
        if !was_absent
            && !was_reaped
            && !was_forged
            && !self.missed_the_change(name, user, earliest)
        {
            self.is_wrong(format!(
                "{user} is reported as gone from {name} and has been there all the time"
            ));
        }
    }

    /// Redis has lost its data, and the node of the user could not report it again for a lease.
    fn missed_the_change(&self, name: &Arc<str>, user: &str, earliest: u64) -> bool {
        let part = self.profile.part_of(name);
        let is_there = |client: &&Client| client.user == user && client.views.contains_key(name);
        let server = &self.servers[part];
        let was_long_away = |client: &Client| {
            let outages = &self.machines[client.machine].parts[part].link.outages;
            let mut linked = client.views[name].since;
            outages.iter().any(|&(noticed, to)| {
                // A link that is held up ends when Redis starts, and its node notices it later.
                let starts =
                    server.starts.iter().filter(|start| (linked..=noticed).contains(*start));
                let from = starts.min().copied().unwrap_or(noticed);
                linked = linked.max(to);
                to.min(self.now).saturating_sub(from) >= LEASE && to >= earliest
            })
        };
        server.life > 1 && self.clients.values().filter(is_there).any(was_long_away)
    }

    /// Until when those of a node that was given up are not there: until it is back.
    fn back_from(&self, (node, at): (u64, u64), part: usize) -> u64 {
        let machine = self.machines.iter().find(|machine| machine.id == node);
        let outage = machine.and_then(|machine| machine.parts[part].link.outages.last());
        outage.map_or(at, |(_, until)| at.max(*until))
    }

    /// Since when a leave may be under way to a machine. While its link is gone it receives none, and
    /// after each start of Redis leaves are doubted for a lease, since not every node may have spoken.
    fn earliest_under_way(&self, (at, part): Line) -> u64 {
        let starts = self.servers[part].starts.iter().map(|start| (*start, start + LEASE));
        let outages = self.machines[at].parts[part].link.outages.iter().copied();
        let mut delays: Vec<(u64, u64)> = starts.chain(outages).collect();
        delays.sort_unstable();
        let mut earliest = self.now.saturating_sub(UNDER_WAY + self.longest_delay());
        for (from, to) in delays.into_iter().rev() {
            if to >= earliest {
                earliest = earliest.min(from.saturating_sub(UNDER_WAY));
            }
        }
        earliest
    }

    pub(super) fn receive_status_of(&mut self, socket: SocketId, user: &str, online: bool) {
        let Some(client) = self.clients.get_mut(&socket) else {
            return self.is_wrong(format!("{socket} is closed and was sent the status of {user}"));
        };
        // Its own sockets are not notified.
        if client.is_signed_in && client.user == user {
            return;
        }
        self.changes_received += 1;
        if let Err(why) = client.receive_status_of(user, online) {
            self.is_wrong(format!("{socket} watches {user}: {why}"));
        }
    }

    pub(super) fn report(&mut self, event: WebhookEvent, (part, operation): (usize, Operation)) {
        let (user, came) = match event.payload {
            WebhookPayload::ChannelOccupied => (None, true),
            WebhookPayload::ChannelVacated => (None, false),
            WebhookPayload::MemberAdded(user) => (Some(user.to_string()), true),
            WebhookPayload::MemberRemoved(user) => (Some(user.to_string()), false),
            WebhookPayload::ClientEvent { .. }
            | WebhookPayload::CacheMiss
            | WebhookPayload::SubscriptionCount(_) => return,
        };
        let (app_id, channel) = ("1".to_owned(), event.channel.to_string());
        let decision = Decision { app_id, channel, user, came };
        self.announced.push(Announcement { part, operation, decision });
    }

    /// Publishers and those who wait for a place go on.
    fn receive_answers(&mut self) {
        let (now, events) = (self.now, &mut self.events);
        self.unanswered.retain(|&event| {
            let event = &mut events[event];
            let Ok(shared) = event.waiter.as_mut().unwrap().try_recv() else { return true };
            event.answer = Some((shared, now));
            false
        });
        self.receive_lists();
        let mut asking = std::mem::take(&mut self.asking);
        asking.retain_mut(|asking| match asking.place.poll() {
            Some(decided) => {
                if self.is_running(asking.machine, asking.id) {
                    self.permit_decided(asking.machine, decided);
                }
                false
            }
            None => true,
        });
        self.asking.extend(asking);
    }

    /// The last socket of a user may have left a channel.
    pub(super) fn absent(&mut self, name: &Arc<str>, socket: SocketId) {
        let Some(&Client { user, machine, .. }) = self.clients.get(&socket) else { return };
        let is_there = |client: &&Client| client.user == user && client.views.contains_key(name);
        let there = self.clients.values().filter(is_there);
        // Until the directory has received of a socket, its user is not there for others.
        let is_known = |client: &Client| {
            client.views[name].is_answered && self.known_from(client, name) <= self.now
        };
        let is_everywhere = !there.clone().any(is_known);
        if is_everywhere || there.clone().all(|client| client.machine != machine) {
            let key = (name.clone(), user.to_owned());
            let absence = Absence { at: self.now, machine, is_everywhere };
            self.absences.entry(key).or_default().push(absence);
        }
    }

    /// From when on both the directory and the node have this subscription of a client.
    pub(crate) fn known_from(&self, client: &Client, name: &str) -> u64 {
        let view = &client.views[name];
        let Some(seated) = view.seated_alone else { return view.since };
        let (node, topic) = (self.machines[client.machine].id, self.topic_of(name));
        let is_first = |(connection, on, at): &&(ConnectionId, Arc<str>, u64)| {
            let connection = &self.connections[*connection as usize];
            // The answer to what was sent on a link that ended never came.
            let is_answered = connection.closed_at.is_none_or(|closed| closed > at + TIMEOUT);
            connection.node == node && is_answered && **on == *topic && *at > seated
        };
        let states = &self.servers[self.profile.part_of(name)].states;
        states.iter().find(is_first).map_or(u64::MAX, |(.., at)| *at)
    }

    /// Whether an event reached Redis in the view of its publisher.
    pub(crate) fn was_shared(&self, event: usize) -> Option<u64> {
        self.events[event]
            .answer
            .filter(|(shared, _)| *shared != PublishScope::NodeOnly)
            .map(|(_, at)| at)
    }
}
