//! An outsider publishes on the topics of a partition: rubbish, events and changes that no node sent.

use resound::cluster::TopicMessage;

use super::{USERS, World};
use crate::directory::messages;
use crate::events::FORGED;
use crate::profile::Faults;
use crate::server::OUTSIDER;

impl World {
    /// Somebody else publishes on our topics: noise, and our own messages with a part missing or
    /// one bit wrong. What is by chance a message is left out: it could have any content.
    pub(super) fn say_rubbish(&mut self) {
        let part = self.some_part();
        let topics = self.servers[part].topics();
        if topics.is_empty() {
            return;
        }
        let topic = topics[self.random.below(topics.len() as u64) as usize].clone();
        let heads =
            [&b"R\x02E"[..], b"R\x02C", b"R\x02O", b"R\x02T", b"R\x03E", b"R", b"", b"\xff"];
        let mut payload = heads[self.random.below(heads.len() as u64) as usize].to_vec();
        for _ in 0..self.random.below(60) {
            let byte = if self.random.percent(60) { 0 } else { self.random.below(256) as u8 };
            payload.push(byte);
        }
        if TopicMessage::read(&payload).is_none() && self.servers[part].is_up {
            self.note(|| format!("rubbish on {topic}: {payload:?}"));
            let written = self.servers[part].publish(&topic, &payload, OUTSIDER);
            self.send_down(written);
        }
    }

    /// An outsider publishes an event with any number on the topic of a channel: what it costs is
    /// itself. Where events get lost, its number is none that the channel can have: a number that
    /// one of them had would stand for it.
    pub(super) fn forge_event(&mut self) {
        let part = self.some_part();
        let topics = self.servers[part].topics();
        if topics.is_empty() || !self.servers[part].is_up {
            return;
        }
        let topic = topics[self.random.below(topics.len() as u64) as usize].clone();
        let number = self.servers[part].directory.number(&topic);
        let far = [0, 1 << 63, u64::MAX, number.saturating_sub(900_000), number + 900_000];
        let near = [number.saturating_sub(1), number, number + 1, number + 2, number + 9];
        let numbers = match self.profile.faults[part] {
            Faults::None if self.random.percent(50) => near,
            _ => far,
        };
        let number = numbers[self.random.below(5) as usize];
        let origin = u64::MAX - self.random.below(3);
        let payload = messages::event(&messages::event_head(origin, 0), number, FORGED);
        self.write_down(&format!("an event with the number {number} is forged on {topic}"));
        let written = self.servers[part].publish(&topic, &payload, OUTSIDER);
        self.send_down(written);
    }

    /// An outsider publishes a change on the topic of a channel: no user came or went, and a lease later
    /// no node thinks so. A node without Redis cannot see it, so this is for schedules without faults.
    pub(super) fn forge_change(&mut self) {
        let part = self.some_part();
        let topics = self.servers[part].topics();
        if topics.is_empty() || self.profile.faults[part] != Faults::None {
            return;
        }
        let topic = topics[self.random.below(topics.len() as u64) as usize].clone();
        let head = format!("{}{{1:", self.profile.prefix(part));
        let name = topic.trim_start_matches(&*head).trim_end_matches('}');
        let users: &[&str] = match name.split('-').next() {
            Some("presence") => &USERS,
            Some("#server") => &[""],
            _ => &[],
        };
        let mut some = || -> Vec<String> {
            let drawn = users.iter().filter(|_| self.random.percent(30));
            drawn.map(|user| (*user).to_owned()).collect()
        };
        let (removed, added) = (some(), some());
        let with_info = |user: String| match &*user {
            "" => (user, String::new()),
            _ => (user.clone(), format!("{{\"name\":\"{user}\"}}")),
        };
        let added: Vec<_> = added.into_iter().map(with_info).collect();
        let count = if users.is_empty() { self.random.below(9) as u32 } else { 0 };
        let count = Some(count).filter(|count| *count > 0);
        let origin = u64::MAX - self.random.below(3);
        let change = messages::Change { removed: &removed, added: &added, count, recount: false };
        let Some(payload) = messages::change(origin, &change) else { return };
        self.write_down(&format!("-{removed:?} +{added:?} {count:?} is forged on {topic}"));
        self.forged_in.insert(name.to_owned());
        let written = self.servers[part].publish(&topic, &payload, OUTSIDER);
        self.send_down(written);
    }
}
