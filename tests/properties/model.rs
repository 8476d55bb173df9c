//! The server as plainly as it can be written: lists of who is where, searched anew each time.
//!
//! Shares no code with the server. The effect of a schedule is defined here and nowhere else.

use crate::report::Report;
use crate::schedule::{CHANNELS, Settings, Shows, Step, WAIT_SECONDS, info, user_data};

// The suite `fuzzing` includes this file by its path, from where the folder of the module would be another one.
#[path = "model/lists.rs"]
mod lists;

use lists::{own, owner};

type User = &'static str;
type Channel = &'static str;

/// One socket in one channel.
#[derive(Clone, Copy, PartialEq)]
struct Subscription {
    socket: usize,
    channel: Channel,
    user: Option<User>,
}

struct SignIn {
    socket: usize,
    user: User,
    info: u8,
    watches: Vec<User>,
}

/// Everything there is.
pub(crate) struct Model {
    settings: Settings,
    connected: Vec<usize>,
    subscriptions: Vec<Subscription>,
    /// The info of a present user: the one of the user's first socket.
    present: Vec<(Channel, User, String)>,
    sign_ins: Vec<SignIn>,
    /// The last event of a channel and the second it was triggered in.
    cached: Vec<(Channel, usize, u64)>,
    clock: u64,
    report: Report,
}

impl Model {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            connected: Vec::new(),
            subscriptions: Vec::new(),
            present: Vec::new(),
            sign_ins: Vec::new(),
            cached: Vec::new(),
            clock: 0,
            report: Report::default(),
        }
    }

    /// What this step must bring about.
    pub(crate) fn apply(&mut self, number: usize, step: &Step) -> Report {
        match *step {
            Step::Connect(socket) if !self.connected.contains(&socket) => {
                self.connected.push(socket);
                self.tell(socket, "", "established");
            }
            Step::Trigger(channel, except) => self.trigger(number, channel, except),
            Step::Terminate(user) => self.terminate(user),
            Step::Wait => self.clock += WAIT_SECONDS,
            Step::Subscribe(socket, ..)
            | Step::Unsubscribe(socket, _)
            | Step::SignIn { socket, .. }
            | Step::ClientEvent(socket, _)
            | Step::Close(socket)
            | Step::Crash(socket)
                if !self.connected.contains(&socket) => {}
            Step::Subscribe(socket, channel, shows) => self.subscribe(socket, channel, shows),
            Step::Unsubscribe(socket, channel) => self.unsubscribe(socket, channel),
            Step::SignIn { socket, user, info, ref watches, signed } => {
                self.sign_in(SignIn { socket, user, info, watches: watches.clone() }, signed);
            }
            Step::ClientEvent(socket, channel) => self.client_event(number, socket, channel),
            Step::Close(socket) => {
                self.tell(socket, "", "closed 1000");
                self.gone(socket);
            }
            Step::Crash(socket) => self.gone(socket),
            Step::Connect(_) => {}
        }
        self.report.seen.sort_by(|a, b| a.channel.cmp(&b.channel));
        self.query();
        std::mem::take(&mut self.report)
    }

    fn subscribe(&mut self, socket: usize, channel: Channel, shows: Shows) {
        if self.sockets(channel).contains(&socket) {
            return self.tell(socket, channel, self.answer(channel));
        }
        if owner(channel).is_some() {
            return self.refuse(socket, channel, "AuthError 401", 4009);
        }
        let taken = self.subscriptions.iter().filter(|taken| taken.socket == socket).count();
        if taken >= self.settings.subscriptions {
            return self.refuse(socket, channel, "LimitReached 4100", 4100);
        }
        let needs_auth = channel.starts_with("private-") || channel.starts_with("presence-");
        if needs_auth && matches!(shows, Shows::Nothing | Shows::Wrong) {
            return self.refuse(socket, channel, "AuthError 401", 4009);
        }
        if !channel.starts_with("presence-") {
            return self.join(socket, channel, None);
        }
        let member = match (shows, self.signed_in(socket)) {
            (Shows::As(user, info), _) => (user, info),
            (_, Some(sign_in)) => (sign_in.user, sign_in.info),
            (_, None) => return self.refuse(socket, channel, "AuthError 401", 4009),
        };
        let members = self.members(channel);
        if !members.contains(&member.0) && members.len() >= self.settings.members {
            return self.refuse(socket, channel, "LimitReached 4100", 4100);
        }
        self.join(socket, channel, Some(member));
    }

    fn join(&mut self, socket: usize, channel: Channel, member: Option<(User, u8)>) {
        if self.sockets(channel).is_empty() {
            self.see(channel, "occupied");
        }
        if let Some((user, number)) = member
            && !self.members(channel).contains(&user)
        {
            let info = info(number).unwrap_or("null".to_owned());
            self.tell_all(channel, None, &format!("member_added {user} {info}"));
            self.see(channel, &format!("member_added {user}"));
            self.present.push((channel, user, info));
        }
        let user = member.map(|(user, _)| user);
        self.subscriptions.push(Subscription { socket, channel, user });
        self.tell(socket, channel, self.answer(channel));
        if channel.contains("cache-") {
            match self.last_event(channel) {
                Some((number, _)) => self.tell(socket, channel, format!("event news {number}")),
                None => {
                    self.tell(socket, channel, "cache_miss");
                    self.see(channel, "cache_miss");
                }
            }
        }
        self.count(channel);
    }

    fn unsubscribe(&mut self, socket: usize, channel: Channel) {
        let is_this = |one: &&Subscription| one.socket == socket && one.channel == channel;
        let Some(left) = self.subscriptions.iter().find(is_this).copied() else { return };
        self.subscriptions.retain(|one| *one != left);
        if let Some(user) = left.user
            && !self.members(channel).contains(&user)
        {
            self.present.retain(|(there, who, _)| (*there, *who) != (channel, user));
            self.tell_all(channel, None, &format!("member_removed {user}"));
            self.see(channel, &format!("member_removed {user}"));
        }
        if self.sockets(channel).is_empty() {
            self.see(channel, "vacated");
        }
        self.count(channel);
    }

    fn sign_in(&mut self, new: SignIn, signed: bool) {
        let (socket, user) = (new.socket, new.user);
        if !signed {
            self.tell(socket, "", "error 4009");
            self.tell(socket, "", "closed 4009");
            return self.gone(socket);
        }
        if self.signed_in(socket).is_some_and(|before| before.user != user) {
            return self.tell(socket, "", "error 4009");
        }
        let user_data = user_data(user, new.info, &new.watches);
        self.tell(socket, "", format!("signed in {user_data}"));
        if self.signed_in(socket).is_some() {
            return;
        }
        if !self.is_online(user) {
            self.tell_watchers(user, "online");
        }
        let mut watches = new.watches.clone();
        self.sign_ins.push(new);
        watches.sort_unstable();
        watches.dedup();
        let (online, offline): (Vec<User>, Vec<User>) =
            watches.iter().partition(|user| self.is_online(user));
        let list = |name: &str, users: &[User]| match users {
            [] => String::new(),
            users => format!(" {name}:{}", users.join(",")),
        };
        if self.settings.watchlists && !watches.is_empty() {
            let lists = [list("online", &online), list("offline", &offline)].concat();
            self.tell(socket, "", format!("watchlist{lists}"));
        }
    }

    fn client_event(&mut self, number: usize, socket: usize, channel: Channel) {
        let is_this = |one: &&Subscription| one.socket == socket && one.channel == channel;
        let Some(sender) = self.subscriptions.iter().find(is_this).copied() else {
            return self.tell(socket, "", "error 4009");
        };
        let is_signed = channel.starts_with("private-") || channel.starts_with("presence-");
        if !is_signed && !self.settings.whispers_everywhere {
            return self.tell(socket, "", "error 4301");
        }
        let data = format!("{{\"n\":{number}}}");
        let from = sender.user.map(|user| format!(" from {user}")).unwrap_or_default();
        self.tell_all(channel, Some(socket), &format!("event client-x {data}{from}"));
        let place = Some(socket);
        self.see(channel, &format!("client-x {data:?} of {place:?} as {:?}", sender.user));
    }

    fn trigger(&mut self, number: usize, channel: Channel, except: Option<usize>) {
        if channel.contains("cache-") {
            self.cached.retain(|(other, ..)| *other != channel);
            self.cached.push((channel, number, self.clock));
        }
        self.tell_all(channel, except, &format!("event news {number}"));
        let delivered = self.sockets(channel).len();
        self.report.facts.push(format!("delivered to {delivered}"));
    }

    fn terminate(&mut self, user: User) {
        let is_signed_in = |socket: usize| self.sockets(&own(user)).contains(&socket);
        let is_member = |socket: usize| {
            let mut all = self.subscriptions.iter();
            all.any(|one| one.socket == socket && one.user == Some(user))
        };
        let reaches_members = self.settings.terminate_presence;
        let mut ended = self.connected.clone();
        ended.retain(|&at| is_signed_in(at) || reaches_members && is_member(at));
        ended.sort_unstable();
        self.report.facts.push(format!("terminated {}", ended.len()));
        for &socket in &ended {
            self.tell(socket, "", "error 4009");
            self.tell(socket, "", "closed 4009");
            self.connected.retain(|other| *other != socket);
        }
        ended.into_iter().for_each(|socket| self.gone(socket));
    }

    /// A closed socket receives nothing of its own departure.
    fn gone(&mut self, socket: usize) {
        self.connected.retain(|other| *other != socket);
        if let Some(user) = self.signed_in(socket).map(|sign_in| sign_in.user) {
            self.sign_ins.retain(|one| one.socket != socket);
            if !self.is_online(user) {
                self.tell_watchers(user, "offline");
            }
        }
        let mut channels = CHANNELS;
        channels.sort_unstable();
        channels.into_iter().for_each(|channel| self.unsubscribe(socket, channel));
    }
}
