//! What one socket received of one channel, cut at its subscriptions: each cut must be a piece of
//! the channel's one order, without a gap, and must add up to what is so in the end. The same
//! for what it received of its watchlist.

use std::collections::BTreeSet;

use crate::received::Received;

/// What one subscription received, in order.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// The channel's events, the cached one included.
    pub(crate) events: Vec<String>,
    /// A cache channel had no event yet.
    pub(crate) missed: bool,
    /// The last number it received.
    pub(crate) count: Option<usize>,
    /// Who is there, by the roster and what was announced since.
    pub(crate) members: BTreeSet<String>,
}

/// Every subscription of a socket to a channel, in order.
pub(crate) fn windows(all: &[Received], channel: &str) -> Result<Vec<Window>, String> {
    let mut windows: Vec<Window> = Vec::new();
    for received in all.iter().filter(|received| received.channel == channel) {
        let (word, rest) = received.text.split_once(' ').unwrap_or((&received.text, ""));
        if word == "succeeded" {
            let ids = rest.trim_matches(['[', ']']).split(' ').filter(|one| !one.is_empty());
            let members = ids.map(|one| one.split('=').next().unwrap().to_owned()).collect();
            windows.push(Window { members, ..Window::default() });
            continue;
        }
        let wrong = |why: &str| format!("{why}: {received:?} in {all:#?}");
        let window = windows.last_mut().ok_or_else(|| wrong("before subscription_succeeded"))?;
        let user = rest.split(' ').next().unwrap().to_owned();
        let is_right = match word {
            "event" => {
                window.events.push(rest.to_owned());
                true
            }
            "cache_miss" => {
                window.missed = true;
                window.events.is_empty()
            }
            "count" => {
                window.count = rest.parse().ok();
                true
            }
            "member_added" => window.members.insert(user),
            "member_removed" => window.members.remove(&user),
            _ => false,
        };
        if !is_right {
            return Err(wrong("contradicts what was received before"));
        }
    }
    Ok(windows)
}

impl Window {
    /// Where in the channel's order the window lies; `Err` if it is no piece of it.
    pub(crate) fn fits(&self, order: &[String]) -> Result<(), String> {
        let Some(first) = self.events.first() else { return Ok(()) };
        let start = order.iter().position(|event| event == first);
        let piece = start.and_then(|start| order.get(start..start + self.events.len()));
        if piece != Some(&self.events[..]) {
            return Err(format!("{:?}\nis no piece of\n{order:?}", self.events));
        }
        if self.missed && start != Some(0) {
            return Err(format!("a cache_miss, then {first:?}, which is not the first event"));
        }
        Ok(())
    }
}

/// Whatever two of these lists have in common is in the same order in both.
pub(crate) fn in_one_order(lists: &[Vec<String>]) -> Result<(), String> {
    for (at, list) in lists.iter().enumerate() {
        for other in &lists[..at] {
            let here = list.iter().filter(|event| other.contains(event));
            let there = other.iter().filter(|event| list.contains(event));
            if !here.eq(there) {
                return Err(format!("two orders:\n{list:?}\n{other:?}"));
            }
        }
    }
    Ok(())
}

/// Who is online by a first list and the changes after it; `None` if one of them changes nothing.
pub(crate) fn online<'a>(lists: &[&'a str]) -> Option<BTreeSet<&'a str>> {
    let mut online = BTreeSet::new();
    for (at, list) in lists.iter().enumerate() {
        for change in list.strip_prefix("watchlist ")?.split(' ') {
            let (name, users) = change.split_once(':')?;
            let in_turn = users.split(',').all(|user| match name {
                "online" => online.insert(user),
                _ => online.remove(user) || at == 0,
            });
            if !in_turn {
                return None;
            }
        }
    }
    Some(online)
}
