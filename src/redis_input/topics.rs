//! Which channels of one input are subscribed to in Redis: those with sockets of this node.
//!
//! Pure: the caller passes the time and sends the commands. The first socket of a channel waits until Redis has
//! confirmed the subscription, so an event that is published after the answer to it arrives. A channel without
//! sockets keeps its subscription for a moment, since a page that is loaded again leaves and returns.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::held_join::HeldJoin;
use crate::protocol::session::Relay;
use crate::protocol::{ChannelName, SocketId};

/// How long the topic of a channel without sockets stays subscribed to.
const LINGER: Duration = Duration::from_secs(1);

/// The topics of one input.
#[derive(Default)]
pub(super) struct Topics {
    is_up: bool,
    topics: HashMap<ChannelName, Topic>,
    /// What is to be sent to Redis, in order.
    commands: VecDeque<TopicCommand>,
    /// Channels that may have no socket any more, in order of the time of the check.
    checks: VecDeque<(Instant, ChannelName)>,
    /// Subscriptions that were requested, and those of them that are decided.
    requested: u64,
    decided: u64,
}

#[derive(Default)]
struct Topic {
    state: TopicState,
    /// Only while the subscription is requested.
    held: Vec<HeldJoin>,
    /// A check is due.
    is_checked: bool,
    /// Sockets were in the channel while it was not subscribed to.
    has_gap: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum TopicState {
    /// The link is down.
    #[default]
    None,
    Requested,
    Active,
}

/// A change of the subscriptions of a link.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TopicCommand {
    Subscribe(ChannelName),
    Unsubscribe(ChannelName),
}

/// Whether a socket may join now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TopicAdmission {
    /// The topic is subscribed to, or the link is down and nothing waits for it.
    Now,
    /// The join is to be held.
    Later,
}

/// A subscription that Redis has confirmed.
#[derive(Debug, Default)]
pub(super) struct Confirmed {
    /// The joins that waited for it.
    pub(super) held: Vec<HeldJoin>,
    /// Events may have been lost before it.
    pub(super) has_gap: bool,
}

impl Topics {
    /// A socket wants to join a channel.
    pub(super) fn admit(&mut self, channel: &ChannelName) -> TopicAdmission {
        if !self.topics.contains_key(channel) {
            let mut topic = Topic::default();
            if self.is_up {
                topic.state = TopicState::Requested;
                self.requested += 1;
                self.commands.push_back(TopicCommand::Subscribe(channel.clone()));
            }
            self.topics.insert(channel.clone(), topic);
        }
        match self.topics.get(channel).map(|topic| topic.state) {
            Some(TopicState::Requested) => TopicAdmission::Later,
            _ => TopicAdmission::Now,
        }
    }

    /// Holds a join until the topic is subscribed to.
    pub(super) fn hold(&mut self, channel: &ChannelName, join: HeldJoin) {
        if let Some(topic) = self.topics.get_mut(channel) {
            topic.held.push(join);
        }
    }

    /// Takes a join back that is held; false if there is none.
    pub(super) fn withdraw(&mut self, channel: &ChannelName, socket: SocketId) -> bool {
        let Some(topic) = self.topics.get_mut(channel) else { return false };
        let before = topic.held.len();
        topic.held.retain(|join| join.socket != socket);
        topic.held.len() < before
    }

    /// A socket whose join is held subscribes again; false if none is held.
    pub(super) fn repeat(&mut self, channel: &ChannelName, socket: SocketId) -> bool {
        self.held(channel, socket).map(|join| join.repeats += 1).is_some()
    }

    /// Holds a client event of a socket whose join is held; returns it otherwise.
    pub(super) fn hold_relay(&mut self, relay: Relay, socket: SocketId) -> Option<Relay> {
        match self.held(&relay.channel, socket) {
            None => Some(relay),
            Some(join) => {
                join.relays.push(relay);
                None
            }
        }
    }

    /// Whether a join of the channel is held.
    pub(super) fn is_held(&self, channel: &ChannelName) -> bool {
        self.topics.get(channel).is_some_and(|topic| !topic.held.is_empty())
    }

    /// A socket has left a channel, or did not join it after all.
    pub(super) fn left(&mut self, channel: &ChannelName, now: Instant) {
        if let Some(topic) = self.topics.get_mut(channel)
            && !std::mem::replace(&mut topic.is_checked, true)
        {
            self.checks.push_back((now + LINGER, channel.clone()));
        }
    }

    /// The link is up: every topic is subscribed to again.
    pub(super) fn link_up(&mut self) {
        self.is_up = true;
        for (channel, topic) in &mut self.topics {
            topic.state = TopicState::Requested;
            topic.has_gap = true;
            self.requested += 1;
            self.commands.push_back(TopicCommand::Subscribe(channel.clone()));
        }
    }

    /// The link is down. Returns the joins that wait for it no longer.
    pub(super) fn link_lost(&mut self) -> Vec<(ChannelName, HeldJoin)> {
        self.is_up = false;
        self.commands.clear();
        self.decided = self.requested;
        let mut held = Vec::new();
        for (channel, topic) in &mut self.topics {
            topic.state = TopicState::None;
            held.extend(topic.held.drain(..).map(|join| (channel.clone(), join)));
        }
        held
    }

    /// Redis has confirmed the subscription to a channel's topic.
    pub(super) fn confirmed(&mut self, channel: &ChannelName, now: Instant) -> Confirmed {
        let Some(topic) = self.topics.get_mut(channel) else { return Confirmed::default() };
        if topic.state != TopicState::Requested {
            return Confirmed::default();
        }
        topic.state = TopicState::Active;
        self.decided += 1;
        let has_gap = std::mem::take(&mut topic.has_gap);
        let held = std::mem::take(&mut topic.held);
        // The joins may be refused, or their sockets gone.
        self.left(channel, now);
        Confirmed { held, has_gap }
    }

    /// Unsubscribes from topics of channels that have had no socket for a moment.
    pub(super) fn tick(&mut self, now: Instant, is_joined: impl Fn(&ChannelName) -> bool) {
        while self.checks.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, channel)) = self.checks.pop_front() else { return };
            let Some(topic) = self.topics.get_mut(&channel) else { continue };
            topic.is_checked = false;
            if !topic.held.is_empty() || is_joined(&channel) {
                continue;
            }
            match topic.state {
                // A confirmation that is under way must not be taken for that of a later request.
                TopicState::Requested => self.left(&channel, now),
                TopicState::None => drop(self.topics.remove(&channel)),
                TopicState::Active => {
                    self.topics.remove(&channel);
                    self.commands.push_back(TopicCommand::Unsubscribe(channel));
                }
            }
        }
    }

    /// Takes the next commands, at most this number.
    pub(super) fn take_commands(&mut self, most: usize) -> Vec<TopicCommand> {
        let count = self.commands.len().min(most);
        self.commands.drain(..count).collect()
    }

    /// How many subscriptions were requested, and how many of them are decided.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.requested, self.decided)
    }

    /// The number of topics.
    pub(super) fn len(&self) -> usize {
        self.topics.len()
    }

    fn held(&mut self, channel: &ChannelName, socket: SocketId) -> Option<&mut HeldJoin> {
        let topic = self.topics.get_mut(channel)?;
        topic.held.iter_mut().find(|join| join.socket == socket)
    }
}

#[cfg(test)]
mod tests {
    use super::{HeldJoin, Instant, LINGER, TopicAdmission, TopicCommand, Topics};
    use crate::protocol::{ChannelName, SocketId};

    fn name(text: &str) -> ChannelName {
        ChannelName::parse(text, 200).unwrap()
    }

    fn socket(number: u32) -> SocketId {
        SocketId::of_halves(1, number).unwrap()
    }

    fn join(number: u32) -> HeldJoin {
        HeldJoin::new(socket(number), None)
    }

    fn up() -> Topics {
        let mut topics = Topics::default();
        topics.link_up();
        topics
    }

    #[test]
    fn the_first_socket_waits_for_the_subscription_and_the_others_do_not() {
        let (mut topics, now) = (up(), Instant::now());
        assert_eq!(topics.admit(&name("a")), TopicAdmission::Later);
        topics.hold(&name("a"), join(1));
        assert_eq!(topics.admit(&name("a")), TopicAdmission::Later);
        topics.hold(&name("a"), join(2));
        assert_eq!(topics.take_commands(9), [TopicCommand::Subscribe(name("a"))]);
        let confirmed = topics.confirmed(&name("a"), now);
        let held: Vec<SocketId> = confirmed.held.iter().map(|join| join.socket).collect();
        assert_eq!((held, confirmed.has_gap), (vec![socket(1), socket(2)], false));
        assert_eq!(topics.admit(&name("a")), TopicAdmission::Now);
        assert_eq!(topics.take_commands(9), []);
        assert_eq!(topics.progress(), (1, 1));
    }

    #[test]
    fn without_a_link_nothing_waits_and_afterwards_events_may_be_missing() {
        let (mut topics, now) = (Topics::default(), Instant::now());
        assert_eq!(topics.admit(&name("a")), TopicAdmission::Now);
        topics.link_up();
        assert_eq!(topics.admit(&name("a")), TopicAdmission::Later);
        topics.hold(&name("a"), join(1));
        let held = topics.link_lost();
        assert_eq!((held.len(), topics.take_commands(9).len()), (1, 0));
        assert_eq!(topics.progress(), (1, 1), "no socket waits for a link that is down");
        topics.link_up();
        assert!(topics.confirmed(&name("a"), now).has_gap);
        assert!(!topics.confirmed(&name("a"), now).has_gap, "once");
    }

    #[test]
    fn a_topic_without_sockets_is_left_after_a_moment() {
        let (mut topics, start) = (up(), Instant::now());
        topics.admit(&name("a"));
        topics.confirmed(&name("a"), start);
        topics.take_commands(9);
        topics.tick(start + LINGER, |_| true);
        topics.left(&name("a"), start + LINGER);
        topics.left(&name("a"), start + LINGER);
        assert_eq!(topics.checks.len(), 1, "one check, however many sockets leave");
        topics.tick(start + LINGER, |_| false);
        assert_eq!(topics.take_commands(9), []);
        topics.tick(start + 2 * LINGER, |_| false);
        assert_eq!(topics.take_commands(9), [TopicCommand::Unsubscribe(name("a"))]);
        assert_eq!((topics.len(), topics.admit(&name("a"))), (0, TopicAdmission::Later));
    }

    #[test]
    fn a_socket_that_returns_within_the_moment_keeps_the_topic() {
        let (mut topics, start) = (up(), Instant::now());
        topics.admit(&name("a"));
        topics.confirmed(&name("a"), start);
        topics.left(&name("a"), start);
        assert_eq!(topics.admit(&name("a")), TopicAdmission::Now);
        topics.tick(start + LINGER, |_| true);
        assert_eq!(topics.take_commands(9), [TopicCommand::Subscribe(name("a"))]);
    }

    #[test]
    fn a_topic_whose_confirmation_is_under_way_is_left_only_after_it() {
        let (mut topics, start) = (up(), Instant::now());
        topics.admit(&name("a"));
        topics.hold(&name("a"), join(1));
        assert!(topics.withdraw(&name("a"), socket(1)));
        assert!(!topics.withdraw(&name("a"), socket(1)));
        topics.left(&name("a"), start);
        topics.tick(start + LINGER, |_| false);
        assert_eq!(topics.take_commands(9), [TopicCommand::Subscribe(name("a"))]);
        topics.confirmed(&name("a"), start);
        topics.tick(start + 2 * LINGER, |_| false);
        assert_eq!(topics.take_commands(9), [TopicCommand::Unsubscribe(name("a"))]);
    }
}
