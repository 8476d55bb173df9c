//! Queries of the model's lists, and the messages it sends.

use super::{Channel, Model, SignIn, User};
use crate::received::received;
use crate::schedule::{CACHE_SECONDS, CHANNELS, USERS};

/// The channel of a user.
pub(super) fn own(user: User) -> String {
    format!("#server-to-user-{user}")
}

/// The user of a channel.
pub(super) fn owner(channel: &str) -> Option<User> {
    USERS.into_iter().find(|user| own(user) == channel)
}

impl Model {
    /// The sockets in a channel.
    pub(super) fn sockets(&self, channel: &str) -> Vec<usize> {
        if let Some(user) = owner(channel) {
            let signed_in = self.sign_ins.iter().filter(|one| one.user == user);
            return signed_in.map(|one| one.socket).collect();
        }
        let subscriptions = self.subscriptions.iter().filter(|one| one.channel == channel);
        subscriptions.map(|one| one.socket).collect()
    }

    /// The distinct users in a channel, sorted.
    pub(super) fn members(&self, channel: &str) -> Vec<User> {
        let subscriptions = self.subscriptions.iter().filter(|one| one.channel == channel);
        let mut members: Vec<User> = subscriptions.filter_map(|one| one.user).collect();
        members.sort_unstable();
        members.dedup();
        members
    }

    pub(super) fn signed_in(&self, socket: usize) -> Option<&SignIn> {
        self.sign_ins.iter().find(|one| one.socket == socket)
    }

    pub(super) fn is_online(&self, user: User) -> bool {
        self.sign_ins.iter().any(|one| one.user == user)
    }

    /// A cache channel's event and the seconds it has left.
    pub(super) fn last_event(&self, channel: &str) -> Option<(usize, u64)> {
        let &(_, number, at) = self.cached.iter().find(|(other, ..)| *other == channel)?;
        (at + CACHE_SECONDS > self.clock).then(|| (number, at + CACHE_SECONDS - self.clock))
    }

    /// The first message of a subscriber.
    pub(super) fn answer(&self, channel: &str) -> String {
        if !channel.starts_with("presence-") {
            return "succeeded".to_owned();
        }
        let present = self.present.iter().filter(|(there, ..)| *there == channel);
        let mut members: Vec<String> =
            present.map(|(_, user, info)| format!("{user}={info}")).collect();
        members.sort();
        format!("succeeded [{}]", members.join(" "))
    }

    pub(super) fn tell(&mut self, socket: usize, channel: &str, text: impl Into<String>) {
        self.report.received[socket].push(received(channel, text));
    }

    pub(super) fn tell_all(&mut self, channel: Channel, except: Option<usize>, text: &str) {
        for socket in self.sockets(channel) {
            if Some(socket) != except && self.connected.contains(&socket) {
                self.tell(socket, channel, text);
            }
        }
    }

    pub(super) fn tell_watchers(&mut self, user: User, change: &str) {
        let watchers = self.sign_ins.iter().filter(|one| one.watches.contains(&user));
        let watchers: Vec<usize> = watchers.map(|one| one.socket).collect();
        for socket in watchers {
            if self.settings.watchlists && self.connected.contains(&socket) {
                self.tell(socket, "", format!("watchlist {change}:{user}"));
            }
        }
    }

    pub(super) fn refuse(&mut self, socket: usize, channel: Channel, why: &str, code: u16) {
        self.tell(socket, channel, format!("refused {why}"));
        self.tell(socket, "", format!("error {code}"));
    }

    /// Sends the subscription count, if the app has such events.
    pub(super) fn count(&mut self, channel: Channel) {
        let count = self.sockets(channel).len();
        if self.settings.counts && count > 0 && !channel.starts_with("presence-") {
            self.tell_all(channel, None, &format!("count {count}"));
            self.see(channel, &format!("count {count}"));
        }
    }

    pub(super) fn see(&mut self, channel: Channel, text: &str) {
        self.report.seen.push(received(channel, text));
    }

    /// What the hub must answer now.
    pub(super) fn query(&mut self) {
        let users =
            |channel: &str| channel.starts_with("presence-").then(|| self.members(channel).len());
        let mut facts = Vec::new();
        let mut channels = CHANNELS;
        channels.sort_unstable();
        for prefix in ["", "presence-"] {
            let occupied = channels
                .iter()
                .filter(|channel| channel.starts_with(prefix) && !self.sockets(channel).is_empty());
            let listed = occupied.map(|channel| {
                format!("{channel} {} {:?}", self.sockets(channel).len(), users(channel))
            });
            facts.push(format!("occupied {prefix:?}: {}", listed.collect::<Vec<_>>().join(", ")));
        }
        for channel in CHANNELS {
            let sockets = self.sockets(channel).len();
            let counts = (sockets > 0).then(|| (sockets, users(channel)));
            let event = self.last_event(channel).map(|(number, left)| (number.to_string(), left));
            facts.push(format!("{channel}: {counts:?} {:?} {event:?}", self.members(channel)));
        }
        let own = USERS.iter().filter(|user| self.is_online(user)).count();
        let occupied = CHANNELS.iter().filter(|channel| !self.sockets(channel).is_empty()).count();
        facts.push(format!("{} sockets, {} channels", self.connected.len(), occupied + own));
        facts.push(format!("{} seats", self.connected.len()));
        self.report.facts.append(&mut facts);
    }
}
