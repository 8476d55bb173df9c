//! One client: what it requested, what it received, and whether that is consistent.
//!
//! Has nothing but what a client can have: every check here holds for the messages, in the order
//! in which they arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::events::FORGED;
use crate::profile::GAP;
use crate::whole::ClientLine;

/// Members in the view of a client: id and info.
pub(crate) type Members = BTreeMap<String, String>;

/// A socket and what it received.
pub(crate) struct Client {
    pub(crate) machine: usize,
    /// As whom it joins presence channels, and signs in.
    pub(crate) user: &'static str,
    pub(crate) is_signed_in: bool,
    pub(crate) watchlist: Vec<&'static str>,
    /// Which of them are online, once it was notified.
    pub(crate) online: Option<BTreeMap<String, bool>>,
    pub(crate) views: BTreeMap<Arc<str>, View>,
    /// Every event it ever received.
    pub(crate) received: BTreeSet<usize>,
    pub(crate) has_place: bool,
    /// What a client of a whole node has besides, whose messages are under way.
    pub(crate) line: ClientLine,
}

/// One subscription as its client sees it.
#[derive(Default)]
pub(crate) struct View {
    pub(crate) since: u64,
    /// Seated while its node was without Redis, which had not reported where the channel's numbers are.
    pub(crate) seated_alone: Option<u64>,
    pub(crate) is_answered: bool,
    pub(crate) members: Members,
    /// Events in the order they were received, the cached one included.
    pub(crate) received: Vec<usize>,
    pub(crate) count: Option<u64>,
    /// Events that were reported as lost.
    pub(crate) missed: u64,
}

/// The content of a message.
#[derive(Debug)]
pub(crate) enum Received {
    Event(usize),
    Succeeded(Members),
    Added(String, String),
    Removed(String),
    Count(u64),
    CacheMiss,
    /// An event that no node published.
    Forged,
    /// So many events were lost on the way to the node; `None`: perhaps.
    Gap(Option<u64>),
}

impl Received {
    pub(crate) fn read(payload: &[u8]) -> Self {
        if let Some(event) = crate::events::number_of(payload) {
            return Self::Event(event);
        }
        if payload == FORGED.as_bytes() {
            return Self::Forged;
        }
        let message: Value = serde_json::from_slice(payload).unwrap();
        let data = message["data"].as_str().unwrap_or("null");
        let data: Value = serde_json::from_str(data).unwrap();
        let user = || data["user_id"].as_str().unwrap().to_owned();
        match message["event"].as_str().unwrap() {
            "pusher_internal:subscription_succeeded" => Self::Succeeded(members(&data)),
            "pusher_internal:member_added" => Self::Added(user(), data["user_info"].to_string()),
            "pusher_internal:member_removed" => Self::Removed(user()),
            "pusher_internal:subscription_count" => {
                Self::Count(data["subscription_count"].as_u64().unwrap())
            }
            "pusher:cache_miss" => Self::CacheMiss,
            GAP => Self::Gap(data["missed"].as_u64()),
            other => panic!("no node sends {other}"),
        }
    }
}

fn members(data: &Value) -> Members {
    let Some(hash) = data["presence"]["hash"].as_object() else { return Members::new() };
    let ids = data["presence"]["ids"].as_array().unwrap();
    assert_eq!(ids.len(), hash.len(), "a roster that contradicts itself: {data}");
    hash.iter().map(|(user, info)| (user.clone(), info.to_string())).collect()
}

impl View {
    /// A message for this subscription. `Err` names the contradiction.
    pub(crate) fn receive(&mut self, received: &Received) -> Result<(), String> {
        match received {
            Received::Succeeded(members) if !self.is_answered => {
                (self.is_answered, self.members) = (true, members.clone());
            }
            Received::Succeeded(members) if *members == self.members => {}
            Received::Succeeded(members) => {
                return Err(format!("sent {members:?} again, had {:?}", self.members));
            }
            _ if !self.is_answered => return Err(format!("{received:?} before the answer")),
            Received::Event(event) => self.received.push(*event),
            Received::Added(user, info) => {
                if self.members.insert(user.clone(), info.clone()).is_some() {
                    return Err(format!("{user} added, who was there"));
                }
            }
            Received::Removed(user) => {
                if self.members.remove(user).is_none() {
                    return Err(format!("{user} removed, who was not there"));
                }
            }
            Received::Count(count) => self.count = Some(*count),
            Received::Gap(missed) => self.missed += missed.unwrap_or_default(),
            Received::CacheMiss | Received::Forged => {}
        }
        Ok(())
    }
}

impl Client {
    pub(crate) fn new(machine: usize, user: &'static str, watchlist: Vec<&'static str>) -> Self {
        let (is_signed_in, online, views, received, has_place, line) = Default::default();
        Self { machine, user, is_signed_in, watchlist, online, views, received, has_place, line }
    }

    /// Who of its watchlist is there and who is not.
    pub(crate) fn receive_watchlist(&mut self, online: &[Arc<str>], offline: &[Arc<str>]) {
        let there = online.iter().map(|user| (user.to_string(), true));
        let gone = offline.iter().map(|user| (user.to_string(), false));
        self.online = Some(there.chain(gone).collect());
    }

    /// A user of its watchlist came or went. Before it received the state of all, that is not checked.
    pub(crate) fn receive_status_of(&mut self, user: &str, is_online: bool) -> Result<(), String> {
        let Some(known) = self.online.as_mut().and_then(|online| online.get_mut(user)) else {
            return Ok(());
        };
        if std::mem::replace(known, is_online) == is_online {
            return Err(format!("{user} is online: {is_online}, which it knew"));
        }
        Ok(())
    }
}
