//! Watchlists: which of their users are online is sent to a socket once this node has the rosters of all.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use super::channel::ClusterChannel;
use super::effect::Effect;
use super::exchange::Exchange;
use crate::cluster::directory::key::ChannelKey;
use crate::protocol::{SocketId, User};

/// The watchlists that wait for rosters.
#[derive(Default)]
pub(super) struct Watchlists(Vec<PendingWatchlist>);

/// The watchlist of a socket that signed in.
struct PendingWatchlist {
    app: usize,
    socket: SocketId,
    user_ids: Vec<Arc<str>>,
    /// Topics of the users whose roster has not arrived.
    missing: HashSet<Arc<str>>,
}

impl Watchlists {
    /// A socket that signs in watches the users on its list.
    pub(super) fn watch(
        &mut self,
        exchange: &mut Exchange,
        app: usize,
        (socket, user): (SocketId, &User),
    ) {
        if !exchange.channels.app(app).watchlist_events || user.watchlist.is_empty() {
            return;
        }
        let mut missing = HashSet::new();
        // Behind the answer to the sign-in, which waits for the user's own channel.
        if exchange.is_up() {
            missing.insert(exchange.channels.topic(&ChannelKey::user(app, &user.id)));
        }
        for user_id in &user.watchlist {
            let (topic, channel) = exchange.channels.entry(&ChannelKey::user(app, user_id));
            channel.watch();
            // A user on its own watchlist waits for its own sign-in, which is under way too.
            let is_known = channel.members.is_current && *user_id != user.id;
            if exchange.is_up() && !is_known {
                exchange.changed(&topic);
                missing.insert(topic);
            }
        }
        let watchlist = PendingWatchlist { app, socket, user_ids: user.watchlist.clone(), missing };
        match watchlist.missing.is_empty() {
            true => watchlist.send(exchange),
            false => self.0.push(watchlist),
        }
    }

    /// A socket that had signed in is gone.
    pub(super) fn unwatch(
        &mut self,
        exchange: &mut Exchange,
        app: usize,
        (socket, user): (SocketId, &User),
        now: Instant,
    ) {
        if !exchange.channels.app(app).watchlist_events {
            return;
        }
        self.0.retain(|watchlist| watchlist.socket != socket);
        for user_id in &user.watchlist {
            let topic = exchange.channels.topic(&ChannelKey::user(app, user_id));
            if let Some(channel) = exchange.channels.get_mut(&topic) {
                channel.unwatch();
                exchange.settle(&topic, now);
            }
        }
    }

    /// A roster arrived: the watchlists that waited for it alone are sent.
    pub(super) fn roster_arrived(&mut self, topic: &str, exchange: &mut Exchange) {
        for watchlist in &mut self.0 {
            watchlist.missing.remove(topic);
        }
        let complete = self.0.extract_if(.., |watchlist| watchlist.missing.is_empty());
        complete.for_each(|watchlist| watchlist.send(exchange));
    }

    /// No further roster will arrive: all are sent with what this node knows.
    pub(super) fn link_lost(&mut self, exchange: &mut Exchange) {
        self.0.drain(..).for_each(|watchlist| watchlist.send(exchange));
    }
}

impl PendingWatchlist {
    fn send(self, exchange: &mut Exchange) {
        let Self { app, socket, user_ids, .. } = self;
        let is_online = |user_id: &Arc<str>| {
            let topic = exchange.channels.topic(&ChannelKey::user(app, user_id));
            exchange.channels.get(&topic).is_some_and(ClusterChannel::is_online)
        };
        let (online, offline) = user_ids.into_iter().partition(is_online);
        exchange.effects.push(Effect::Watchlist { app, socket, online, offline });
    }
}
