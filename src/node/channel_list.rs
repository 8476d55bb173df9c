//! The channels of one app as those who operate the server see them: counts of this node and of all, members,
//! cached events.
//!
//! In a cluster counts come from the directory, and no node is asked. What may be shown of data is left to the caller.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Channels;
use super::coordinator::LastEvent;
use crate::hub::ChannelCounts;
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

    fn sort(self, all: &mut [(ChannelName, ChannelCounts)]) {
        match self {
            Self::Name => {}
            Self::Subscriptions => {
                all.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.subscription_count));
            }
            Self::Members => all.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.user_count)),
        }
    }
}

impl ChannelQuery {
    fn fits(&self, name: &str) -> bool {
        let contains = |text: &String| name.to_lowercase().contains(&text.to_lowercase());
        self.search.as_ref().is_none_or(contains)
    }
}

impl Channels {
    /// The occupied channels that fit: so many of them, and how many there are.
    pub async fn list(self: &Arc<Self>, query: &ChannelQuery, most: usize) -> ChannelList {
        let hub = self.hub().clone();
        // 100 000 channels take some 30 ms, in which a worker would deliver nothing.
        let local = tokio::task::spawn_blocking(move || hub.occupied(""));
        let local = local.await.unwrap_or_default();
        let (mut all, here) = match self.coordinator().has_other_nodes() {
            false => (local, None),
            true => (self.occupied("").await, Some(local.into_iter().collect::<HashMap<_, _>>())),
        };
        all.retain(|(name, _)| query.fits(name.as_str()));
        let matched = all.len();
        query.order.sort(&mut all);
        let is_behind = |name: &ChannelName| {
            query.after.as_ref().is_none_or(|after| name.as_str() > after.as_str())
        };
        let listed = all.into_iter().filter(|(name, _)| is_behind(name)).take(most);
        let rows = listed.map(|(name, counts)| {
            let on_this_node = match &here {
                None => counts.subscription_count,
                Some(here) => here.get(&name).map_or(0, |counts| counts.subscription_count),
            };
            self.row(&name, &counts, on_this_node)
        });
        ChannelList { channels: rows.collect(), matched }
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
