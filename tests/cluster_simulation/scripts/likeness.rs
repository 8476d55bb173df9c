//! What of a message or an answer is compared: everything but the order of what has none in Redis, and
//! where a series of numbers begins, which is the time of day.

use std::collections::{BTreeMap, BTreeSet};

use resound::cluster::{Outcome, QueryAnswer, Reply, Request, TopicMessage};

/// Numbers of one series are no further apart than this.
const SERIES: u64 = 10_000;

/// How far the real numbers of each channel are from the simulated ones.
#[derive(Default)]
pub(crate) struct Numbers {
    apart: BTreeMap<String, i64>,
    last: BTreeMap<String, u64>,
}

/// The channel a request is about.
fn topic_of(request: &Request) -> &str {
    match request {
        Request::State(state) => &state.topic,
        Request::Publish(publish) => &publish.topic,
        _ => "",
    }
}

impl Numbers {
    /// A request for the simulated directory and for the real one. What a node has is drawn as so
    /// many events back.
    pub(crate) fn of_both(&self, request: &Request) -> (Request, Request) {
        let Request::State(state) = request else { return (request.clone(), request.clone()) };
        let (mut simulated, mut real) = (state.clone(), state.clone());
        if let Some(last) = self.last.get(&*state.topic) {
            simulated.known = last.saturating_sub(state.known);
            real.known = simulated.known.wrapping_add_signed(self.apart[&*state.topic]);
        }
        (Request::State(simulated), Request::State(real))
    }

    /// Learns from an answer where a series begins.
    pub(crate) fn learn_reply(&mut self, request: &Request, real: &Reply, simulated: &Reply) {
        if let (Reply::Published(real), Reply::Published(should)) = (real, simulated) {
            self.learn(topic_of(request), real.number, should.number);
        }
    }

    /// The same from messages.
    pub(crate) fn learn_messages(&mut self, request: &Request, real: &[u8], simulated: &[u8]) {
        match (TopicMessage::read(real), TopicMessage::read(simulated)) {
            (Some(TopicMessage::Event(real)), Some(TopicMessage::Event(should))) => {
                self.learn(topic_of(request), real.number, should.number);
            }
            (Some(TopicMessage::Outcome(_, real)), Some(TopicMessage::Outcome(_, should))) => {
                self.learn(topic_of(request), real.number, should.number);
            }
            _ => {}
        }
    }

    fn learn(&mut self, topic: &str, real: u64, should: u64) {
        if real == 0 || should == 0 {
            return;
        }
        let last = self.last.insert(topic.to_owned(), should);
        if last.is_none_or(|last| should.abs_diff(last) > SERIES) {
            self.apart.insert(topic.to_owned(), real.wrapping_sub(should).cast_signed());
        }
    }

    /// A real number as the simulation has it.
    pub(crate) fn simulated(&self, request: &Request, real: u64) -> u64 {
        match self.apart.get(topic_of(request)) {
            Some(apart) if real > 0 => real.wrapping_sub_signed(*apart),
            _ => real,
        }
    }
}

/// Messages in a form in which equal is equal. What one request publishes on several topics has an order
/// only on each of them, and it publishes one message at most on each.
pub(crate) fn like_messages(
    messages: &[(String, Vec<u8>)],
    number: impl Fn(u64) -> u64,
) -> Vec<String> {
    let like =
        |(topic, payload): &(String, Vec<u8>)| format!("{topic}: {}", like(payload, &number));
    let mut all: Vec<String> = messages.iter().map(like).collect();
    all.sort();
    all
}

fn like(payload: &[u8], number: &impl Fn(u64) -> u64) -> String {
    match TopicMessage::read(payload) {
        Some(TopicMessage::Outcome(request, mut outcome)) => {
            outcome.number = number(outcome.number);
            let missed = std::mem::take(&mut outcome.missed);
            let missed: Vec<String> = missed.iter().map(|message| like(message, number)).collect();
            format!("{request} {:?} {missed:?}", in_order(outcome))
        }
        Some(TopicMessage::Change(mut change)) => {
            change.removed.sort_unstable();
            format!("{change:?}")
        }
        Some(TopicMessage::Event(mut event)) => {
            event.number = number(event.number);
            format!("{event:?}")
        }
        Some(other) => format!("{other:?}"),
        None => format!("{payload:?}"),
    }
}

fn in_order(mut outcome: Outcome<'_>) -> Outcome<'_> {
    outcome.removed.sort_unstable();
    if let Some(roster) = &mut outcome.roster {
        roster.sort_by_key(|present| present.arrival);
    }
    outcome
}

/// An answer in a form in which equal is equal.
pub(crate) fn like_reply(reply: Reply, number: impl Fn(u64) -> u64) -> String {
    match reply {
        Reply::Channels(mut all) => {
            all.sort();
            format!("{all:?}")
        }
        Reply::Heartbeat(mut beat) => {
            beat.dead.sort();
            beat.due.sort();
            beat.epoch.clear();
            format!("{beat:?}")
        }
        // Its text; for how long hangs on the clock, and so does since when.
        Reply::Answer(QueryAnswer::Channel(mut look)) => {
            (look.occupied_ms, look.vacated_ms) = (None, None);
            let text = look.cached.take().map(|(text, _)| text);
            format!("{look:?} {text:?}")
        }
        // Which nodes; until when hangs on the clock.
        Reply::Answer(QueryAnswer::Leases(all)) => {
            let nodes: BTreeSet<_> = all.iter().map(|lease| lease.node).collect();
            format!("leases {nodes:?}")
        }
        Reply::Published(reply) => {
            format!("published {} {}", number(reply.number), reply.is_occupied)
        }
        other => format!("{other:?}"),
    }
}
