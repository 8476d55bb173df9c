//! The rules of one socket, as plainly as they can be written: what each step must bring about, as lines.
//!
//! Shares no code with the server. Times are in units of five milliseconds, the interval of the bound on floods.

use std::collections::BTreeMap;

/// What the app of the socket allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AppRules {
    /// `Some(true)`: on every channel, `Some(false)`: where a signature is needed.
    pub(crate) client_events: Option<bool>,
    pub(crate) client_events_per_second: Option<u64>,
    /// Messages in a window, its length, and whether one more closes the socket.
    pub(crate) messages: Option<(u32, u64, bool)>,
    pub(crate) subscriptions: usize,
    pub(crate) authorize_within: Option<u64>,
    pub(crate) decrypts: bool,
}

/// Bounds that are the same for each app here.
pub(crate) const NAME_BYTES: usize = 30;
pub(crate) const EVENT_CHARS: usize = 20;
pub(crate) const DATA_BYTES: usize = 50;
pub(crate) const USER_BYTES: usize = 8;
pub(crate) const WATCHED: usize = 2;
pub(crate) const MEMBERS: usize = 5;
pub(crate) const PING_AFTER: u64 = 6000;
pub(crate) const PONG_WITHIN: u64 = 2000;
/// A look so long after the end of the time to answer: the server stood still, and pings again.
const STOOD_STILL: u64 = 200;
const FLOOD: u64 = 20_000;
const SECOND: u64 = 200;

/// What a client shows for a subscription or a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Nothing,
    Wrong,
    Right,
    /// Right, with this user in the signed data.
    As(&'static str),
}

pub(crate) struct SessionRules {
    rules: AppRules,
    now: u64,
    start: u64,
    /// The user of a member, and whether the subscription is pending.
    subscriptions: BTreeMap<String, (Option<String>, bool)>,
    user: Option<&'static str>,
    is_authorized: bool,
    active_at: u64,
    pinged_at: Option<u64>,
    by_frames: bool,
    window: Option<(u64, u32)>,
    /// Units until a bucket is full again.
    flood: u64,
    client_events: u64,
    looked_at: u64,
}

fn needs_auth(channel: &str) -> bool {
    channel.starts_with("private-") || channel.starts_with("presence-")
}

fn is_encrypted(channel: &str) -> bool {
    channel.starts_with("private-encrypted-")
}

fn lines(line: &str) -> Vec<String> {
    vec![line.to_owned()]
}

impl SessionRules {
    pub(crate) fn new(rules: AppRules, now: u64) -> Self {
        Self {
            rules,
            now,
            start: now,
            subscriptions: BTreeMap::new(),
            user: None,
            is_authorized: false,
            active_at: now,
            pinged_at: None,
            by_frames: false,
            window: None,
            flood: 0,
            client_events: 0,
            looked_at: now,
        }
    }

    pub(crate) fn wait(&mut self, units: u64) {
        self.now += units;
    }

    pub(crate) fn subscriptions(&self) -> Vec<(String, Option<String>)> {
        self.subscriptions.iter().map(|(name, (user, _))| (name.clone(), user.clone())).collect()
    }

    /// A message arrived. `Some` is all that comes of it.
    fn arrived(&mut self, is_client_event: bool) -> Option<Vec<String>> {
        (self.active_at, self.pinged_at) = (self.now, None);
        if let Some((most, length, closes)) = self.rules.messages {
            let (since, count) = match self.window {
                Some((since, count)) if self.now - since < length => (since, count + 1),
                _ => (self.now, 1),
            };
            self.window = Some((since, count));
            if count > most {
                let closes = closes || self.floods();
                return Some(lines(if closes { "close RateLimited" } else { "reject 4301" }));
            }
        }
        (!is_client_event && self.floods()).then(|| lines("close Flooding"))
    }

    /// Counts a message that reaches no client.
    fn floods(&mut self) -> bool {
        self.pass();
        let floods = self.flood + 1 > FLOOD;
        self.flood += u64::from(!floods);
        floods
    }

    fn pass(&mut self) {
        let passed = self.now - self.looked_at;
        self.looked_at = self.now;
        self.flood = self.flood.saturating_sub(passed);
        self.client_events = self.client_events.saturating_sub(passed);
    }

    /// `pusher:ping` and the like: the answer is that line.
    pub(crate) fn message(&mut self, answer: &[&str]) -> Vec<String> {
        self.arrived(false)
            .unwrap_or_else(|| answer.iter().map(|line| (*line).to_owned()).collect())
    }

    pub(crate) fn control_frame(&mut self) -> Vec<String> {
        (self.active_at, self.pinged_at, self.by_frames) = (self.now, None, true);
        if self.floods() { lines("close Flooding") } else { Vec::new() }
    }

    pub(crate) fn subscribe(&mut self, channel: &str, shown: Shown) -> Vec<String> {
        if let Some(ended) = self.arrived(false) {
            return ended;
        }
        vec![self.subscribed(channel, shown).unwrap_or_else(|(kind, status, has_claim)| {
            let to =
                if self.rules.decrypts && is_encrypted(channel) { "connection" } else { "channel" };
            format!("refuse {channel:?} {kind} {status} to {to} claim {has_claim}")
        })]
    }

    fn subscribed(
        &mut self,
        channel: &str,
        shown: Shown,
    ) -> Result<String, (&'static str, u16, bool)> {
        if channel.len() > NAME_BYTES {
            return Err(("LimitReached", 4009, false));
        }
        let own = channel.strip_prefix("#server-to-user-");
        let is_letter = |sign: char| sign.is_ascii_alphanumeric() || "_-=@,.;".contains(sign);
        let letters = own.unwrap_or(channel);
        if letters.is_empty() || !letters.chars().all(is_letter) {
            return Err(("InvalidChannel", 4009, false));
        }
        if self.subscriptions.contains_key(channel) {
            return Ok(format!("confirm {channel}"));
        }
        if let Some(user) = own {
            let is_own = self.user == Some(user);
            return if is_own {
                Ok(format!("confirm {channel}"))
            } else {
                Err(("AuthError", 401, false))
            };
        }
        if self.subscriptions.len() >= self.rules.subscriptions {
            return Err(("LimitReached", 4100, false));
        }
        if needs_auth(channel) && matches!(shown, Shown::Nothing | Shown::Wrong) {
            return Err(("AuthError", 401, true));
        }
        let member = match (channel.starts_with("presence-"), shown, self.user) {
            (false, ..) => None,
            (true, Shown::As(user), _) => Some(user),
            (true, _, Some(user)) => Some(user),
            (true, _, None) => return Err(("AuthError", 401, false)),
        };
        if member.is_some_and(|member| member.len() > USER_BYTES) {
            return Err(("LimitReached", 4301, false));
        }
        let member = member.map(str::to_owned);
        self.subscriptions.insert(channel.to_owned(), (member.clone(), false));
        Ok(format!("subscribe {channel} {member:?}"))
    }

    pub(crate) fn unsubscribe(&mut self, channel: &str) -> Vec<String> {
        if let Some(ended) = self.arrived(false) {
            return ended;
        }
        let left = self.subscriptions.remove(channel);
        left.map(|(user, _)| format!("unsubscribe {channel} {user:?}")).into_iter().collect()
    }

    pub(crate) fn sign_in(
        &mut self,
        user: &'static str,
        is_right: bool,
        watched: usize,
    ) -> Vec<String> {
        if let Some(ended) = self.arrived(false) {
            return ended;
        }
        if !is_right || user.len() > USER_BYTES {
            return lines("refuse sign-in 4009");
        }
        match self.user {
            Some(before) if before == user => lines("confirm sign-in"),
            Some(_) => lines("reject 4009"),
            None => {
                (self.user, self.is_authorized) = (Some(user), true);
                let mut all = lines("send pusher:signin_success");
                if watched > WATCHED {
                    all.push("reject 4302".to_owned());
                }
                all.push(format!("sign in {user} watching {}", watched.min(WATCHED)));
                all
            }
        }
    }

    pub(crate) fn client_event(&mut self, channel: &str, event: &str, data: &str) -> Vec<String> {
        if let Some(ended) = self.arrived(true) {
            return ended;
        }
        match self.relayed(channel, event, data) {
            Ok(relayed) => vec![relayed],
            Err(code) if !self.floods() => vec![format!("reject {code}")],
            Err(_) => lines("close Flooding"),
        }
    }

    fn relayed(&mut self, channel: &str, event: &str, data: &str) -> Result<String, u16> {
        let everywhere = self.rules.client_events.ok_or(4301_u16)?;
        let user = self.subscriptions.get(channel).ok_or(4009_u16)?.0.clone();
        let is_allowed = (needs_auth(channel) || everywhere) && !is_encrypted(channel);
        if !is_allowed || event.chars().count() > EVENT_CHARS || data.len() > DATA_BYTES {
            return Err(4301);
        }
        if let Some(most) = self.rules.client_events_per_second {
            self.pass();
            if self.client_events + SECOND / most > SECOND {
                return Err(4301);
            }
            self.client_events += SECOND / most;
        }
        Ok(format!("publish {event} {data:?} on {channel} of {user:?}"))
    }

    pub(crate) fn pending(&mut self, channel: &str) {
        self.subscriptions.get_mut(channel).expect("subscribed").1 = true;
    }

    pub(crate) fn granted(&mut self, channel: &str) {
        if let Some(subscription) = self.subscriptions.get_mut(channel) {
            subscription.1 = false;
            self.is_authorized |= needs_auth(channel);
        }
    }

    pub(crate) fn refused(&mut self, channel: &str) -> String {
        self.subscriptions.remove(channel);
        let to =
            if self.rules.decrypts && is_encrypted(channel) { "connection" } else { "channel" };
        format!("refuse {channel:?} LimitReached 4100 to {to} claim false")
    }

    pub(crate) fn withdrawn(&mut self, channel: &str) -> Option<String> {
        let is_pending = self.subscriptions.get(channel).is_some_and(|(_, is_pending)| *is_pending);
        is_pending.then(|| self.subscriptions.remove(channel)).flatten().and_then(|(user, _)| user)
    }

    fn authorize_by(&self) -> Option<u64> {
        let mut pending = self.subscriptions.iter().filter(|(_, (_, is_pending))| *is_pending);
        let is_free = self.is_authorized || pending.any(|(channel, _)| needs_auth(channel));
        self.rules.authorize_within.map(|within| self.start + within).filter(|_| !is_free)
    }

    pub(crate) fn deadline(&self) -> u64 {
        let alive = self.pinged_at.map_or(self.active_at + PING_AFTER, |at| at + PONG_WITHIN);
        self.authorize_by().map_or(alive, |by| by.min(alive))
    }

    pub(crate) fn tick(&mut self) -> Vec<String> {
        if self.now < self.deadline() {
            return Vec::new();
        }
        if self.authorize_by().is_some_and(|by| by <= self.now) {
            return lines("close NotAuthorizedInTime");
        }
        if self.pinged_at.is_some_and(|at| self.now < at + PONG_WITHIN + STOOD_STILL) {
            return lines("close PongNotReceived");
        }
        self.pinged_at = Some(self.now);
        lines(if self.by_frames { "send a ping frame" } else { "send pusher:ping" })
    }
}
