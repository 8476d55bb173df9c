//! The channels of one app as those who operate the server see them: counts of this node and of all, members,
//! cached events.
//!
//! In a cluster counts come from the directory, and no node is asked. What may be shown of data is left to the caller.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Channels;
use super::coordinator::LastEvent;
use super::gentle_work::gently;
use crate::hub::{ChannelCounts, RankedList};
use crate::protocol::ChannelName;

/// In which order channels are listed; those with equal counts by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChannelOrder {
    /// By name.
    #[default]
    Name,
    /// Those with most subscriptions first.
    Subscriptions,
    /// Those with most members first.
    Members,
}

/// Which channels are listed.
#[derive(Debug, Clone, Default)]
pub struct ChannelQuery {
    /// What the name contains, in upper or lower case.
    pub search: Option<String>,
    /// The order.
    pub order: ChannelOrder,
    /// The name behind which the list begins, where it is ordered by name.
    pub after: Option<String>,
}

/// An occupied channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelRow {
    /// Its name.
    pub channel: String,
    /// `public`, `private`, `encrypted` or `presence`.
    #[serde(rename = "type")]
    pub channel_type: &'static str,
    /// Whether it is a cache channel.
    pub cache: bool,
    /// Subscriptions on all nodes.
    pub subscriptions: usize,
    /// Those of this node.
    pub on_this_node: usize,
    /// Distinct members, of presence channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<usize>,
    /// Whether a cache channel has a cached event; absent in a cluster, where Redis has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_cached_event: Option<bool>,
}

/// The channels that were found.
#[derive(Debug, Default)]
pub struct ChannelList {
    /// The first of them.
    pub channels: Vec<ChannelRow>,
    /// How many there are.
    pub matched: usize,
}

/// What is known of one channel, occupied or not.
#[derive(Debug)]
pub struct ChannelFacts {
    /// Its counts.
    pub row: ChannelRow,
    /// Nodes that have some of its sockets.
    pub nodes: u32,
    /// Whether only this node's are known, since Redis is away.
    pub is_partial: bool,
    /// How long it has subscribers, where Redis has that.
    pub occupied_for: Option<Duration>,
    /// Some of its members, with the JSON of `user_info` where this node has it.
    pub members: Vec<(Arc<str>, Option<Box<str>>)>,
    /// The cached event of a cache channel.
    pub last_event: Option<LastEvent>,
}

/// The name of a type, and whether it is one of cache channels.
fn type_of(name: &ChannelName) -> (&'static str, bool) {
    let kind = match name {
        name if name.is_presence() => "presence",
        name if name.is_encrypted() => "encrypted",
        name if name.needs_auth() => "private",
        _ => "public",
    };
    (kind, name.is_cache())
}

impl ChannelOrder {
    /// All of them, by name.
    pub const NAMES: [(&'static str, Self); 3] =
        [("name", Self::Name), ("subscriptions", Self::Subscriptions), ("members", Self::Members)];

    /// The channels with the least come first, of equal ones by name.
    fn rank(self, counts: &ChannelCounts) -> usize {
        match self {
            Self::Name => 0,
            Self::Subscriptions => usize::MAX - counts.subscription_count,
            Self::Members => usize::MAX - counts.user_count.unwrap_or(0),
        }
    }
}

impl ChannelQuery {
    fn fits(&self, name: &ChannelName) -> bool {
        let contains = |text: &String| name.as_str().to_lowercase().contains(text);
        self.search.as_ref().is_none_or(contains)
    }

    fn is_behind(&self, name: &ChannelName) -> bool {
        self.after.as_ref().is_none_or(|after| name.as_str() > after.as_str())
    }
}

/// The channels that come first of those that fit, and how many fit.
struct FoundChannels {
    query: ChannelQuery,
    first: RankedList<(usize, ChannelName), ChannelCounts>,
    matched: usize,
}

impl FoundChannels {
    fn new(query: &ChannelQuery, most: usize) -> Self {
        let search = query.search.as_ref().map(|text| text.to_lowercase());
        let query = ChannelQuery { search, ..query.clone() };
        Self { query, first: RankedList::new(most), matched: 0 }
    }

    fn add(&mut self, name: ChannelName, counts: ChannelCounts) {
        if self.query.fits(&name) {
            self.matched += 1;
            if self.query.is_behind(&name) {
                self.first.add((self.query.order.rank(&counts), name), counts);
            }
        }
    }

    fn list(self, row: impl Fn(&ChannelName, &ChannelCounts) -> ChannelRow) -> ChannelList {
        let rows = self.first.into_sorted().map(|((_, name), counts)| row(&name, &counts));
        ChannelList { channels: gently(rows).collect(), matched: self.matched }
    }
}

impl Channels {
    /// The occupied channels that fit: so many of them, and how many there are.
    pub async fn list(self: &Arc<Self>, query: &ChannelQuery, most: usize) -> ChannelList {
        let mut found = FoundChannels::new(query, most);
        if self.coordinator().has_other_nodes() {
            for (name, counts) in gently(self.occupied("").await) {
                found.add(name, counts);
            }
            return found.list(|name, counts| {
                let here = self.hub().counts(name);
                self.row(name, counts, here.map_or(0, |here| here.subscription_count))
            });
        }
        let channels = self.clone();
        // 100 000 channels take some 30 ms, in which the thread of the internal listener would answer nothing.
        let listed = tokio::task::spawn_blocking(move || {
            for (name, counts) in gently(channels.hub().occupied_unsorted()) {
                found.add(name, counts);
            }
            found.list(|name, counts| channels.row(name, counts, counts.subscription_count))
        });
        listed.await.unwrap_or_default()
    }

    /// What is known of one channel, with so many of its members.
    pub async fn facts(&self, name: &ChannelName, most: usize) -> ChannelFacts {
        let counts = self.counts(name).await.unwrap_or(ChannelCounts {
            subscription_count: 0,
            user_count: name.is_presence().then_some(0),
        });
        let on_this_node = self.hub().counts(name).map_or(0, |counts| counts.subscription_count);
        let reach = self.coordinator().reach(name).await;
        let infos = self.coordinator().member_infos(name, most);
        let mut members: Vec<_> =
            infos.into_iter().map(|(user_id, info)| (user_id, Some(info))).collect();
        if members.is_empty() && name.is_presence() {
            let ids = self.members(name).await.into_iter().take(most);
            members.extend(ids.map(|user_id| (user_id, None)));
        }
        let last_event = match name.is_cache() {
            true => self.last_event(name, Instant::now()).await,
            false => None,
        };
        let mut row = self.row(name, &counts, on_this_node);
        row.has_cached_event = name.is_cache().then_some(last_event.is_some());
        ChannelFacts {
            row,
            nodes: reach.reach.nodes,
            is_partial: reach.reach.is_partial,
            occupied_for: reach.occupied_for,
            members,
            last_event,
        }
    }

    fn row(&self, name: &ChannelName, counts: &ChannelCounts, on_this_node: usize) -> ChannelRow {
        let (channel_type, cache) = type_of(name);
        let is_cached_here = cache && !self.coordinator().has_other_nodes();
        ChannelRow {
            channel: name.as_str().to_owned(),
            channel_type,
            cache,
            subscriptions: counts.subscription_count,
            on_this_node,
            members: counts.user_count,
            has_cached_event: is_cached_here
                .then(|| self.hub().has_last_event(name, Instant::now())),
        }
    }
}
