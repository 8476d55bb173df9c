//! Applies directory decisions to local sockets; performs no checks.
//!
//! In a cluster the directory decides who is in a channel and in which order events are delivered. The
//! hub then only keeps the sockets of this node and delivers to them.

use std::sync::Arc;
use std::time::Instant;

use super::channel::Channel;
use super::sign_ins::WaitingAnswers;
use super::{CachedEvent, Hub};
use crate::protocol::{Broadcast, ChannelName, Frame, SocketId, User, server_message};

impl Hub {
    /// Adds a socket to a channel. These frames precede everything else it receives there.
    pub fn add_subscriber(&self, socket: SocketId, name: &ChannelName, first: [Option<Frame>; 2]) {
        self.registry.with(name, |channel| {
            if channel.subscription_count() == 0 {
                self.history.occupied(name);
            }
            channel.add_subscriber(&self.shards, socket, first)
        });
        self.metrics.subscribed(name);
    }

    /// Removes a socket from a channel.
    pub fn remove_subscriber(&self, socket: SocketId, name: &ChannelName) {
        let leave = |channel: &mut Channel| {
            channel.leave(&self.shards, socket, None);
            if channel.subscription_count() == 0 {
                self.history.vacated(name, socket);
            }
        };
        if self.registry.with_occupied(name, leave).is_some() {
            self.metrics.unsubscribed(name);
        }
    }

    /// Delivers a frame to the channel's sockets on this node but one. Returns the number of its subscribers
    /// here.
    pub fn deliver(
        &self,
        name: &ChannelName,
        broadcast: &Broadcast,
        except: Option<SocketId>,
    ) -> usize {
        let deliver = |channel: &mut Channel| {
            channel.publish(&self.shards, broadcast, except);
            channel.subscription_count()
        };
        self.registry.with_occupied(name, deliver).unwrap_or(0)
    }

    /// Sends the subscribers of a channel the app's gap event, if it has one: events were lost on the way to this
    /// node, or may have been (`None`). Subscribers of an encrypted channel could not decrypt it.
    pub fn deliver_gap_event(&self, name: &ChannelName, missed: Option<u64>) {
        let app = self.app();
        if let Some(event) = app.gap_event.as_ref().filter(|_| !name.is_encrypted()) {
            let events = missed.map_or_else(|| "null".to_owned(), |events| events.to_string());
            let data = format!("{{\"missed\":{events}}}");
            let event = server_message::OutboundEvent::new(event, &data);
            self.deliver(name, &event.broadcast(name), None);
        }
    }

    /// Caches the last event of a cache channel.
    pub fn cache_event(&self, name: &ChannelName, frame: Frame, now: Instant) {
        let data = server_message::event_data(&frame).unwrap_or_default();
        self.cache.insert(&self.app().id, name, CachedEvent::new(frame, &data), now);
    }

    /// The last event of a cache channel, as a subscriber receives it.
    pub fn cached_event(&self, name: &ChannelName, now: Instant) -> Option<Frame> {
        self.cache.get(&self.app().id, name, now).map(|(event, _)| event.frame)
    }

    /// Counts a presence channel that a socket joins as this user.
    pub fn joined_as(&self, user_id: &Arc<str>, socket: SocketId) {
        self.users.joined(user_id, socket);
    }

    /// Counts a presence channel that a socket leaves as this user.
    pub fn left_as(&self, user_id: &Arc<str>, socket: SocketId) {
        self.users.left(user_id, socket);
    }

    /// Records that a socket signed in. Its answers wait until it is in the user's channel, or are sent at once to a user whose
    /// id fits in the name of none. It becomes a watcher with [`send_watchlist`](Self::send_watchlist). Returns the bytes
    /// that were queued.
    pub fn signed_in(&self, socket: SocketId, user: &User, answers: [Option<Frame>; 2]) -> usize {
        let has_channel = ChannelName::server_to_user(&user.id, usize::MAX).is_some();
        let mut sign_ins = self.sign_ins.lock();
        sign_ins.arrive(socket, &user.id);
        if has_channel {
            sign_ins.answer_later(socket, answers);
            return 0;
        }
        drop(sign_ins);
        self.answer_all(socket, answers)
    }

    /// Answers a second sign-in of a socket: behind the answers to the first one, and with its text where they still wait.
    /// Returns the bytes that were queued.
    pub fn confirm_sign_in(&self, socket: SocketId, answer: Frame) -> usize {
        // Until it is queued, so that it does not overtake answers that are being sent.
        let mut sign_ins = self.sign_ins.lock();
        if sign_ins.repeat(socket) { 0 } else { self.answer(socket, answer) }
    }

    /// Adds a socket to the channel of the user that it signed in as, with the answers that waited for that first.
    pub fn add_signed_in(&self, socket: SocketId, name: &ChannelName) {
        let mut sign_ins = self.sign_ins.lock();
        let WaitingAnswers { first, repeats } = sign_ins.take_answers(socket);
        let again = first[0].clone();
        self.add_subscriber(socket, name, first);
        for frame in again.iter().cycle().take(repeats) {
            self.answer(socket, frame.clone());
        }
    }

    /// Forgets the sign-in of a socket that is closed.
    pub fn signed_out(&self, socket: SocketId, user: &User) {
        self.sign_ins.lock().sign_out(socket, user);
    }

    /// Sends a socket the state of its watchlist and makes it a watcher of these users.
    pub fn send_watchlist(&self, socket: SocketId, online: &[Arc<str>], offline: &[Arc<str>]) {
        let mut sign_ins = self.sign_ins.lock();
        [online, offline].into_iter().for_each(|user_ids| sign_ins.watch(socket, user_ids));
        let lists = [("online", online), ("offline", offline)];
        self.shards.answer(socket, server_message::watchlist_events(lists));
    }

    /// Notifies the sockets that watch this user that it came online or went offline. The user's own
    /// sockets are left out: their watchlist has just included it.
    pub fn notify_watchers_of(&self, user_id: &Arc<str>, online: bool) {
        let (watchers, own) = {
            let sign_ins = self.sign_ins.lock();
            (sign_ins.watchers(user_id), sign_ins.sockets(user_id))
        };
        let watchers: Vec<_> = watchers.into_iter().filter(|id| !own.contains(id)).collect();
        let (this, none) = (std::slice::from_ref(user_id), &[][..]);
        let (came, went) = if online { (this, none) } else { (none, this) };
        self.notify_watchers(&watchers, [("online", came), ("offline", went)]);
    }
}
