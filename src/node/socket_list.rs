//! The sockets of this node, found and described for those who operate it.
//!
//! One look at a time goes over the shards, a step a turn and with pauses, so that no number of viewers delays a
//! delivery. What is answered is bounded by the caller.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::gentle_work::gently;
use super::socket_query::SocketQuery;
use super::socket_row::{SocketList, SocketRow};
use super::{Channels, Node};
use crate::hub::{
    AnyMatch, ChannelIds, ClosedSocket, LookPlan, RankedList, SessionSketch, SocketMatch,
    SocketOrder, SocketSet, SocketSighting,
};
use crate::protocol::{ChannelName, CloseCode, SocketId};

/// How long connection tasks may take to answer. One that waits for a full shard is listed without its session.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// A look pauses for so many times what it has taken of a shard: at most a fifth of a worker goes to lists. A million
/// sockets, of which a step compares 256 in 15 µs, take 0.3 s.
const PAUSE_TIMES: u32 = 4;

/// A step that seems to have taken longer waited for a core itself, which is no reason to wait for it.
const LONGEST_STEP: Duration = Duration::from_micros(250);

/// What a step costs a worker beside comparing: being woken, and waking the thread that lists.
const STEP_OVERHEAD: Duration = Duration::from_micros(10);

/// The finest time that timers have; what is owed below it goes to the next pause.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// Connection tasks that are asked at once: each takes its worker 2 µs.
const ASKED_AT_ONCE: usize = 16;

impl Node {
    /// The open sockets of this node that fit: so many of them, and how many there are.
    pub async fn sockets(&self, query: &SocketQuery, most: usize) -> SocketList {
        let Some(what) = self.socket_match(query) else { return SocketList::default() };
        let (found, matched) = self.look_for(what, query.order, most).await;
        let ids: Vec<_> = found.iter().map(|found| found.socket).collect();
        let mut sketches = self.sketches(&ids).await;
        let row = |found: SocketSighting| {
            let sketch = sketches.remove(&found.socket);
            self.row_of(&found).without_channels(sketch)
        };
        SocketList { sockets: gently(found).map(row).collect(), matched }
    }

    /// The sockets of this node that ended last, the newest first.
    pub async fn closed_sockets(&self, query: &SocketQuery, most: usize) -> SocketList {
        let rows = self.all_closed().await.into_iter().map(|closed| self.closed_row(&closed));
        let fitting: Vec<_> = rows.filter(|row| row.fits(query)).collect();
        let matched = fitting.len();
        SocketList { sockets: fitting.into_iter().take(most).collect(), matched }
    }

    /// One socket of this node, open or one of those that ended last.
    pub async fn socket(&self, id: SocketId) -> Option<SocketRow> {
        let only =
            SocketMatch { sockets: Some(SocketSet::from_iter([id])), ..SocketMatch::default() };
        let (found, _) = self.look_for(only, SocketOrder::Newest, 1).await;
        if let Some(found) = found.first() {
            let sketch = self.sketches(&[id]).await.remove(&id);
            return Some(self.row_of(found).with_channels(sketch));
        }
        let closed = self.all_closed().await.into_iter().find(|closed| closed.socket.socket == id);
        closed.map(|closed| self.closed_row(&closed))
    }

    /// Closes a socket as terminating its user does. Returns its app, or `None` if it is not open on this node.
    pub async fn terminate_socket(&self, id: SocketId) -> Option<String> {
        let row = self.socket(id).await.filter(|row| row.is_open())?;
        self.shards.end(id, CloseCode::Terminated);
        row.app
    }

    /// The subscribers of a channel on this node, as many as `most`.
    pub async fn subscribers(
        &self,
        channels: &Channels,
        name: &ChannelName,
        most: usize,
    ) -> SocketList {
        let (app, channel) = (channels.app().id.clone(), name.as_str().to_owned());
        let (app, channel) = (Some(app), Some(channel));
        self.sockets(&SocketQuery { app, channel, ..SocketQuery::default() }, most).await
    }

    /// `None` if no socket can fit.
    fn socket_match(&self, query: &SocketQuery) -> Option<SocketMatch> {
        let served = self.apps.served();
        let is_asked = |channels: &&Arc<Channels>| {
            query.app.as_ref().is_none_or(|app| *app == channels.app().id)
        };
        let asked: Vec<_> = served.iter().filter(is_asked).collect();
        let of_user = |user: &str| -> SocketSet {
            asked.iter().flat_map(|channels| channels.hub().sockets_of_user(user, true)).collect()
        };
        let of_channel = |name: &str| {
            let ids = |channels: &&Arc<Channels>| {
                let name = ChannelName::parse(name, usize::MAX).ok()?;
                channels.hub().channel_ids(&name)
            };
            ChannelIds::of(asked.iter().filter_map(ids))
        };
        let hub = match &query.app {
            Some(_) => Some(asked.first()?.hub().id()),
            None => None,
        };
        Some(SocketMatch {
            hub,
            sockets: query.user.as_deref().map(of_user),
            channels: query.channel.as_deref().map(of_channel),
            address: query.address.clone(),
            client: query.client.as_ref().map(|text| text.to_lowercase()),
            any: query.search.as_deref().map(|text| AnyMatch {
                text: text.to_lowercase(),
                sockets: of_user(text),
                channels: of_channel(text),
            }),
        })
    }

    async fn look_for(
        &self,
        what: SocketMatch,
        order: SocketOrder,
        most: usize,
    ) -> (Vec<SocketSighting>, usize) {
        let _turn = self.looks.0.lock().await;
        let plan = Arc::new(LookPlan { what, order, most });
        let (mut list, mut matched, mut owed) = (RankedList::new(most), 0, Duration::ZERO);
        for shard in 0..self.shards.count() {
            let mut next = Some(0);
            while let Some(from) = next {
                // A shard that is gone has no sockets.
                let look = self.shards.look(shard, &plan, from, list.last().copied());
                let looked = look.await.unwrap_or_default();
                next = looked.next;
                matched += looked.matched;
                looked.found.into_iter().for_each(|(rank, found)| list.add(rank, found));
                owed += (looked.took.min(LONGEST_STEP) + STEP_OVERHEAD) * PAUSE_TIMES;
                if owed >= SHORTEST_PAUSE {
                    sleep(std::mem::take(&mut owed)).await;
                }
            }
        }
        (list.into_sorted().map(|(_, found)| found).collect(), matched)
    }

    /// What the sessions of these sockets have; one that does not answer in time is left out.
    async fn sketches(&self, sockets: &[SocketId]) -> HashMap<SocketId, SessionSketch> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let mut asked = Vec::with_capacity(sockets.len());
        for (number, &id) in sockets.iter().enumerate() {
            if number > 0 && number % ASKED_AT_ONCE == 0 {
                sleep(SHORTEST_PAUSE).await;
            }
            asked.push((id, self.shards.ask(id)));
        }
        let mut sketches = HashMap::new();
        for (socket, sketch) in asked {
            if let Ok(Ok(sketch)) = timeout_at(deadline, sketch).await {
                sketches.insert(socket, sketch);
            }
        }
        self.shards.sketch_requests().drop_abandoned();
        sketches
    }

    async fn all_closed(&self) -> Vec<ClosedSocket> {
        let mut all = Vec::new();
        for shard in 0..self.shards.count() {
            all.extend(self.shards.closed(shard).await.unwrap_or_default());
        }
        all.sort_by_key(|closed| std::cmp::Reverse(closed.at));
        all
    }

    fn row_of(&self, seen: &SocketSighting) -> SocketRow {
        SocketRow::of(seen, self.shards.app_of(seen.hub), self.name())
    }

    fn closed_row(&self, closed: &ClosedSocket) -> SocketRow {
        self.row_of(&closed.socket).ended(closed)
    }
}
