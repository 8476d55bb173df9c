//! Client events: at most once, in the order of their sender, to all other subscribers and never to the sender.
//!
//! They have no answer. So each one must arrive whose sender is still connected at the end of the page, at every
//! subscriber that was there before it was sent and is there at the end of the page, unless nodes were without Redis.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::fact::{Micros, Name, SocketNumber};
use super::finding::{Broken, Findings, Loss};

/// How long before a fault a whisper may be sent that is still under way when the fault comes.
const UNDER_WAY: Micros = 1_000_000;

struct Whisper {
    at: Micros,
    sender: SocketNumber,
    number: u64,
}

#[derive(Default)]
struct Listener {
    since: Micros,
    heard: HashSet<(SocketNumber, u64)>,
    last: HashMap<SocketNumber, u64>,
}

#[derive(Default)]
pub(crate) struct Whispers {
    /// Of this page.
    sent: HashMap<Name, Vec<Whisper>>,
    /// The open subscriptions.
    listeners: BTreeMap<(SocketNumber, Name), Listener>,
    open: HashSet<SocketNumber>,
    /// Whether nodes are without Redis.
    is_split: bool,
    /// The time of this page in which they were, from the first to the last moment.
    split: Option<(Micros, Micros)>,
    pub(crate) expected: u64,
    pub(crate) received: u64,
}

impl Whispers {
    pub(crate) fn opened(&mut self, socket: SocketNumber) {
        self.open.insert(socket);
    }

    pub(crate) fn closed(&mut self, socket: SocketNumber) {
        self.open.remove(&socket);
        self.listeners.retain(|(of, _), _| *of != socket);
    }

    pub(crate) fn begin(&mut self, at: Micros, socket: SocketNumber, channel: &Name) {
        let listener = Listener { since: at, ..Listener::default() };
        self.listeners.insert((socket, channel.clone()), listener);
    }

    pub(crate) fn end(&mut self, socket: SocketNumber, channel: &Name) {
        self.listeners.remove(&(socket, channel.clone()));
    }

    pub(crate) fn whispered(
        &mut self,
        at: Micros,
        sender: SocketNumber,
        channel: &Name,
        number: u64,
    ) {
        self.sent.entry(channel.clone()).or_default().push(Whisper { at, sender, number });
    }

    pub(crate) fn heard(
        &mut self,
        (socket, channel): (SocketNumber, &Name),
        sender: SocketNumber,
        number: u64,
        findings: &mut Findings,
    ) {
        let what = format!("whisper {number} of socket {sender} on {channel} at socket {socket}");
        if socket == sender {
            findings.add(Broken::Echoed, &what);
        }
        let Some(listener) = self.listeners.get_mut(&(socket, channel.clone())) else { return };
        if !listener.heard.insert((sender, number)) {
            findings.add(Broken::Doubled, &what);
        } else if listener.last.get(&sender).is_some_and(|last| number < *last) {
            findings.add(Broken::Reordered, &what);
        }
        listener.last.insert(sender, number);
    }

    pub(crate) fn split_begins(&mut self, at: Micros) {
        self.is_split = true;
        let from = self.split.map_or(at.saturating_sub(UNDER_WAY), |(from, _)| from);
        self.split = Some((from, Micros::MAX));
    }

    pub(crate) fn split_ends(&mut self, at: Micros) {
        if std::mem::replace(&mut self.is_split, false) {
            self.split = self.split.map(|(from, _)| (from, at));
        }
    }

    /// A link was lost at a time that is not known: no whisper of the page is judged as due.
    pub(crate) fn page_is_split(&mut self) {
        self.split = Some((0, Micros::MAX));
    }

    /// How many are still under way.
    pub(crate) fn outstanding(&self) -> usize {
        let of_channel = |(channel, all): (&Name, &Vec<Whisper>)| {
            let due = all
                .iter()
                .filter(|one| self.is_due(one))
                .map(|one| self.unheard(channel, one).count());
            due.sum::<usize>()
        };
        self.sent.iter().map(of_channel).sum()
    }

    pub(crate) fn turn_page(&mut self, findings: &mut Findings) {
        for (channel, all) in &self.sent {
            for whisper in all.iter().filter(|one| self.open.contains(&one.sender)) {
                let unheard: Vec<_> = self.unheard(channel, whisper).collect();
                let listeners = self.listeners_of(channel, whisper).count();
                self.expected += listeners as u64;
                self.received += (listeners - unheard.len()) as u64;
                if !self.is_due(whisper) {
                    findings.count_loss(Loss::WhisperWithoutRedis, unheard.len() as u64);
                    continue;
                }
                for socket in unheard {
                    let Whisper { at, sender, number } = whisper;
                    let text = format!(
                        "{number} of socket {sender} on {channel} at {at} µs, not at {socket}"
                    );
                    findings.add(Broken::WhisperLost, text);
                }
            }
        }
        // A whisper of this page may not come again on the next one; what is older is not kept.
        let kept: HashSet<(SocketNumber, u64)> =
            self.sent.values().flatten().map(|one| (one.sender, one.number)).collect();
        for listener in self.listeners.values_mut() {
            listener.heard.retain(|one| kept.contains(one));
        }
        self.sent.clear();
        self.split = self.split.filter(|_| self.is_split);
    }

    fn is_due(&self, whisper: &Whisper) -> bool {
        let is_split = self.split.is_some_and(|(from, to)| (from..=to).contains(&whisper.at));
        self.open.contains(&whisper.sender) && !is_split
    }

    fn listeners_of<'a>(
        &'a self,
        channel: &'a Name,
        whisper: &'a Whisper,
    ) -> impl Iterator<Item = (SocketNumber, &'a Listener)> {
        let all = self.listeners.iter().filter(move |((socket, of), listener)| {
            of == channel && *socket != whisper.sender && listener.since < whisper.at
        });
        all.map(|((socket, _), listener)| (*socket, listener))
    }

    fn unheard<'a>(
        &'a self,
        channel: &'a Name,
        whisper: &'a Whisper,
    ) -> impl Iterator<Item = SocketNumber> + 'a {
        let all = self.listeners_of(channel, whisper);
        let key = (whisper.sender, whisper.number);
        all.filter(move |(_, listener)| !listener.heard.contains(&key)).map(|(socket, _)| socket)
    }
}
