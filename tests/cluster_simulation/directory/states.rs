//! What a node has in a channel becomes what all nodes have, and the others and webhooks are notified.

use std::sync::Arc;

use resound::cluster::{ChannelRecord, ChannelState, PendingLeave, Reply};

use super::channel::{Channel, CountDue, Member};
use super::messages::{self, Bytes, Change, Outcome};
use super::{COUNTS_ON_MS, Decision, Directory, Done, HOLD_MS, REMEMBERED_MS, decision};

/// What is sent at once of what a node has missed.
const PART_EVENTS: usize = 64;
const PART_BYTES: usize = 65536;

/// Sockets of a channel before and after a change.
struct Totals {
    before: i64,
    after: i64,
}

/// Users whom a request changed.
#[derive(Default)]
struct Changed {
    refused: Vec<String>,
    added: Vec<(String, String)>,
    removed: Vec<String>,
}

impl Directory {
    pub(super) fn state(&mut self, node: u64, state: &ChannelState, now: u64) -> Done {
        let mut channel = self.channels.remove(&state.topic).unwrap_or_default();
        channel.expire(now / 1000);
        let changed = change_rows(&mut channel, node, state);
        let listed = state.traits.listed.then_some(&*state.app_id);
        let count = i64::from(state.count);
        let totals = self.seats(&mut channel, (listed, &state.name), (node, count), 0, now);
        let reference = ChannelRecord {
            app_id: state.app_id.clone(),
            name: state.name.to_string(),
            traits: state.traits,
        };
        let references = self.references.entry(node).or_default();
        if count > 0 {
            references.insert(reference.clone());
            self.enlist(node, now);
        } else {
            references.remove(&reference);
        }
        let decided = match state.traits.webhooks {
            true => self.decide(&reference, &changed, &totals, now),
            false => Vec::new(),
        };
        let due = if state.traits.counts { channel.count_due(now / 1000) } else { CountDue::No };
        let count = (due == CountDue::Now).then_some(totals.after as u32);
        let mut published = Vec::new();
        let (removed, added) = (&changed.removed[..], &changed.added[..]);
        let change = Change { removed, added, count, recount: false };
        let change = messages::change(node, &change);
        published.extend(change.map(|change| (state.topic.clone(), change)));
        let outcome =
            outcome(&mut channel, (node, state), (changed, totals.after, due, &decided), now);
        let own_topic = format!("{}:node:{node:016x}", self.rules.prefix);
        published.push((own_topic.into(), messages::outcome(state.request, &outcome)));
        self.channels.insert(state.topic.clone(), channel);
        Done { reply: Reply::Done, published, decided }
    }

    /// Takes a node out of a channel that it can no longer leave itself.
    pub(super) fn take_out(
        &mut self,
        node: u64,
        reference: &ChannelRecord,
        leaving: bool,
        now: u64,
    ) -> Option<(Arc<str>, Vec<u8>)> {
        let ChannelRecord { app_id, name, traits } = reference;
        let topic = self.topic(app_id, name);
        let mut channel = self.channels.remove(&topic).unwrap_or_default();
        channel.expire(now / 1000);
        let users: Vec<String> = channel.members.keys().cloned().collect();
        let users = users.into_iter().filter(|_| traits.roster);
        let removed: Vec<String> = users.filter(|user| channel.withdraw(node, user)).collect();
        let listed = traits.listed.then_some(&**app_id);
        let least_ms = if leaving { 0 } else { REMEMBERED_MS };
        let totals = self.seats(&mut channel, (listed, name), (node, 0), least_ms, now);
        if traits.webhooks {
            let due = now / 1000 + HOLD_MS;
            removed.iter().for_each(|user| self.hold(reference, Some(user), due));
            if totals.before > 0 && totals.after <= 0 {
                self.hold(reference, None, due);
            }
        }
        let recount = traits.counts && totals.after > 0;
        self.channels.insert(topic.clone(), channel);
        let change = Change { removed: &removed, added: &[], count: None, recount };
        messages::change(0, &change).map(|change| (topic, change))
    }

    fn seats(
        &mut self,
        channel: &mut Channel,
        (listed, name): (Option<&str>, &str),
        (node, count): (u64, i64),
        least_ms: u64,
        now: u64,
    ) -> Totals {
        let before = channel.rows.as_ref().map_or(0, |rows| rows.total);
        let rows = channel.rows.get_or_insert_default();
        let had = rows.by_node.remove(&node).unwrap_or(0);
        if count > 0 {
            rows.by_node.insert(node, count);
        }
        rows.total = before - had + count;
        let after = rows.total;
        let kept_ms = self.rules.streams.map_or(COUNTS_ON_MS, |(kept_ms, _)| kept_ms);
        if before == 0 && after > 0 {
            listed.into_iter().for_each(|app_id| {
                self.occupied.entry(app_id.to_owned()).or_default().insert(name.to_owned());
            });
            channel.begin(now, None);
            channel.number.iter_mut().for_each(|number| number.until = None);
            channel.taken_until = None;
        } else if after <= 0 {
            channel.rows = None;
            channel.members.clear();
            if let Some(names) = listed.and_then(|app_id| self.occupied.get_mut(app_id)) {
                names.remove(name);
            }
            let until = Some(now / 1000 + kept_ms.max(least_ms));
            channel.number.iter_mut().for_each(|number| number.until = until);
            channel.taken_until = Some(now / 1000 + self.rules.taken_ms().max(least_ms));
        }
        Totals { before, after }
    }

    fn decide(
        &mut self,
        reference: &ChannelRecord,
        changed: &Changed,
        totals: &Totals,
        now: u64,
    ) -> Vec<Decision> {
        let due = now / 1000 + HOLD_MS;
        let mut decided = Vec::new();
        if totals.before == 0 && totals.after > 0 && !self.cancel(reference, None) {
            decided.push(decision(&leave(reference, None), true));
        }
        changed.removed.iter().for_each(|user| self.hold(reference, Some(user), due));
        for (user, _) in &changed.added {
            if !self.cancel(reference, Some(user)) {
                decided.push(decision(&leave(reference, Some(user)), true));
            }
        }
        if totals.before > 0 && totals.after <= 0 {
            self.hold(reference, None, due);
        }
        decided
    }

    fn hold(&mut self, reference: &ChannelRecord, user: Option<&String>, due: u64) {
        self.held.insert(leave(reference, user), due);
    }

    fn cancel(&mut self, reference: &ChannelRecord, user: Option<&String>) -> bool {
        self.held.remove(&leave(reference, user)).is_some()
    }
}

fn change_rows(channel: &mut Channel, node: u64, state: &ChannelState) -> Changed {
    let mut changed = Changed::default();
    for (user, info) in &state.rows {
        let Some(info) = info else {
            if channel.withdraw(node, user) {
                changed.removed.push(user.to_string());
            }
            continue;
        };
        if let Some(member) = channel.members.get_mut(&**user) {
            if !member.nodes.contains(&node) {
                member.nodes.push(node);
            }
        } else if state.flags.bounded && channel.members.len() >= state.members_max {
            changed.refused.push(user.to_string());
        } else {
            let rows = channel.rows.get_or_insert_default();
            rows.arrivals += 1;
            let (arrival, nodes) = (rows.arrivals, vec![node]);
            let member = Member { arrival, nodes, info: info.to_string() };
            channel.members.insert(user.to_string(), member);
            changed.added.push((user.to_string(), info.to_string()));
        }
    }
    if state.flags.whole {
        let is_announced = |user: &String| {
            state.rows.iter().any(|(mine, info)| **mine == **user && info.is_some())
        };
        let others: Vec<String> =
            channel.members.keys().filter(|user| !is_announced(user)).cloned().collect();
        changed.removed.extend(others.into_iter().filter(|user| channel.withdraw(node, user)));
    }
    changed
}

fn outcome(
    channel: &mut Channel,
    (node, state): (u64, &ChannelState),
    (changed, total, due, decided): (Changed, i64, CountDue, &[Decision]),
    now: u64,
) -> Outcome {
    let flags = &state.flags;
    let cached = channel.cached.as_ref().filter(|_| flags.cached).map(|(text, _)| text.clone());
    let report_miss = flags.cached && cached.is_none() && channel.missed_until < now / 1000;
    if report_miss {
        channel.missed_until = now / 1000 + HOLD_MS;
    }
    let present = |(user, Member { arrival, nodes, info }): (&String, &Member)| {
        [Bytes(user.clone().into_bytes()), messages::member(*arrival, nodes, info)]
    };
    let (missed, more) = missed(channel, state);
    Outcome {
        number: channel.number.as_ref().map_or(0, |number| number.value),
        total: total.max(0) as u32,
        report_occupied: decided.iter().any(|one| one.user.is_none()),
        count: match due {
            CountDue::No => None,
            CountDue::Now => Some("sent"),
            CountDue::Later => Some("later"),
        },
        report_miss,
        refused: changed.refused,
        added: changed.added.into_iter().map(|(user, _)| user).collect(),
        removed: changed.removed,
        report_added: decided.iter().filter_map(|one| one.user.clone()).collect(),
        roster: flags.roster.then(|| channel.members.iter().flat_map(present).collect()),
        cached,
        own: channel.taken.get(&node).copied().filter(|_| flags.whole).unwrap_or_default(),
        missed,
        more,
    }
}

/// The next part of what a node has missed, and whether it is not all.
fn missed(channel: &Channel, state: &ChannelState) -> (Vec<Bytes>, bool) {
    let (mut missed, mut bytes) = (Vec::new(), 0);
    let since = channel.events.iter().filter(|(number, _)| *number > state.known);
    for (_, message) in since.filter(|_| state.flags.missed) {
        bytes += message.len();
        missed.push(Bytes(message.clone()));
        if missed.len() == PART_EVENTS || bytes > PART_BYTES {
            return (missed, true);
        }
    }
    (missed, false)
}

fn leave(channel: &ChannelRecord, user_id: Option<&String>) -> PendingLeave {
    PendingLeave { channel: channel.clone(), user_id: user_id.cloned() }
}
