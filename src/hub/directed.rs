//! What a hub does when it decides nothing: in a cluster, who is where is decided by all nodes, and
//! this one seats, delivers and remembers as it is told.

use std::sync::Arc;
use std::time::Instant;

use super::{Cached, Hub};
use crate::protocol::{ChannelName, Frame, SocketId, User, server_message};

impl Hub {
    /// Adds a socket to a channel's receivers, and tells it these before anything else.
    pub fn seat(&self, socket: SocketId, name: &ChannelName, first: [Option<Frame>; 2]) {
        self.registry.with(name, |channel| channel.seat(&self.shards, socket, first));
    }

    /// Takes it out again.
    pub fn unseat(&self, socket: SocketId, name: &ChannelName) {
        self.registry.with_occupied(name, |channel| channel.leave(&self.shards, socket, None));
    }

    /// Says something to a channel's receivers on this node, but one.
    pub fn deliver(&self, name: &ChannelName, frame: &Frame, except: Option<SocketId>) {
        self.registry.with_occupied(name, |channel| channel.publish(&self.shards, frame, except));
    }

    /// Remembers the last event of a cache channel.
    pub fn keep(&self, name: &ChannelName, frame: Frame, now: Instant) {
        let data = server_message::event_data(&frame).unwrap_or_default();
        self.cache.keep(&self.app.id, name, Cached::new(frame, &data), now);
    }

    /// What this node remembers of a cache channel, as a newcomer is told it.
    pub fn kept(&self, name: &ChannelName, now: Instant) -> Option<Frame> {
        self.cache.find(&self.app.id, name, now).map(|(cached, _)| cached.frame)
    }

    /// A socket is in one more presence channel as this user.
    pub fn joined_as(&self, user_id: &Arc<str>, socket: SocketId) {
        self.users.joined(user_id, socket);
    }

    /// It is in one less.
    pub fn left_as(&self, user_id: &Arc<str>, socket: SocketId) {
        self.users.left(user_id, socket);
    }

    /// A socket belongs to a user now. It watches nobody before it is told who is there.
    pub fn signed_in(&self, socket: SocketId, user: &User) {
        self.sign_ins.lock().arrive(socket, &user.id);
    }

    /// It is gone.
    pub fn signed_out(&self, socket: SocketId, user: &User) {
        self.sign_ins.lock().sign_out(socket, user);
    }

    /// A socket is told who of its watchlist is there, and from now on who comes and goes.
    pub fn tell_watchlist(&self, socket: SocketId, online: &[Arc<str>], offline: &[Arc<str>]) {
        let mut sign_ins = self.sign_ins.lock();
        [online, offline].into_iter().for_each(|user_ids| sign_ins.watch(socket, user_ids));
        let lists = [("online", online), ("offline", offline)];
        self.shards.answer(socket, server_message::watchlist_events(lists));
    }

    /// Whoever watches this user is told that it came or went. Not the user's own sockets: they have
    /// just been told.
    pub fn tell_watchers_of(&self, user_id: &Arc<str>, online: bool) {
        let (watchers, own) = {
            let sign_ins = self.sign_ins.lock();
            (sign_ins.watchers(user_id), sign_ins.sockets(user_id))
        };
        let watchers: Vec<_> = watchers.into_iter().filter(|id| !own.contains(id)).collect();
        let (this, none) = (std::slice::from_ref(user_id), &[][..]);
        let (came, went) = if online { (this, none) } else { (none, this) };
        self.tell_watchers(&watchers, [("online", came), ("offline", went)]);
    }
}
