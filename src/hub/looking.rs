//! Looking at the sockets of this node: there is no map of them, so a question goes to each shard.
//!
//! Who asks waits; the shards do not. In which order the answers are listed is left to `node`.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::command::ShardCommand;
use super::ids::HubId;
use super::shards::Shards;
use super::sighting::ClosedSocket;
use super::sketch_requests::SessionSketch;
use super::socket_match::{Look, LookPlan, Looked};
use super::socket_order::SocketRank;
use crate::protocol::SocketId;

impl Shards {
    /// One step of a look at a shard, from the place that the step before returned. What ranks behind `last` is
    /// counted alone.
    pub fn look(
        &self,
        shard: usize,
        plan: &Arc<LookPlan>,
        from: usize,
        last: Option<SocketRank>,
    ) -> oneshot::Receiver<Looked> {
        let (answer, looked) = oneshot::channel();
        let look = Look { plan: plan.clone(), from, last };
        self.push(shard, ShardCommand::Look { look, answer });
        looked
    }

    /// The sockets of a shard that ended last, the oldest first.
    pub fn closed(&self, shard: usize) -> oneshot::Receiver<Vec<ClosedSocket>> {
        let (answer, closed) = oneshot::channel();
        self.push(shard, ShardCommand::Closed { answer });
        closed
    }

    /// Asks the session of a socket for a sketch; one that is closing gives none.
    pub fn ask(&self, socket: SocketId) -> oneshot::Receiver<SessionSketch> {
        let (answer, sketch) = oneshot::channel();
        self.sketch_requests().0.lock().entry(socket).or_default().push(answer);
        self.push(self.of(socket), ShardCommand::Describe { socket });
        sketch
    }

    /// The id of the app of a hub.
    pub fn app_of(&self, hub: HubId) -> Option<String> {
        self.hub_apps.lock().get(hub.0 as usize).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, IoSlice};

    use super::super::outbox::{Signal, Transport};
    use super::super::shard::Shard;
    use super::super::sighting::LineFacts;
    use super::super::socket_match::{ChannelIds, SocketMatch, SocketSet};
    use super::super::socket_order::SocketOrder;
    use super::{Arc, HubId, LookPlan, Shards, SocketId, SocketRank};
    use crate::config::{Config, Sources};
    use crate::metrics::Metrics;

    /// A connection over which so many bytes were sent.
    struct Line(u64);

    impl Transport for Line {
        fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
            Ok(bytes.iter().map(|slice| slice.len()).sum())
        }
        fn reads_deflated(&self) -> bool {
            false
        }
        fn signal(&self, _: Signal) {}
        fn finish(&self) {}
        fn line(&self) -> LineFacts {
            LineFacts { sent_bytes: self.0, ..LineFacts::default() }
        }
    }

    const SOCKETS: u64 = 1000;

    /// One shard with sockets of which each was sent another number of bytes, below their own number.
    fn shard() -> (Arc<Shards>, Vec<Shard>, Vec<SocketId>) {
        let limits = Config::new(&Sources::default()).unwrap().websocket;
        let (shards, mut turned) = Shards::new(1, limits, &Arc::new(Metrics::default()));
        let open = |number: u64| {
            let socket = shards.new_socket_id(0);
            shards.open(HubId(0), socket, Arc::new(Line(number * 7919 % SOCKETS)), None);
            socket
        };
        let sockets: Vec<_> = (0..SOCKETS).map(open).collect();
        shards.settle(&mut turned);
        (shards, turned, sockets)
    }

    /// All steps of a look: what was sent to the first sockets, how many fit, and how many steps it took.
    fn look(shards: &Shards, turned: &mut [Shard], plan: &LookPlan) -> (Vec<u64>, usize, usize) {
        let (plan, most) = (Arc::new(plan.clone()), plan.most);
        let mut first: Vec<(SocketRank, u64)> = Vec::new();
        let (mut next, mut matched, mut steps) = (Some(0), 0, 0);
        while let Some(from) = next {
            let last = first.get(most - 1).map(|(rank, _)| *rank);
            let mut looked = shards.look(0, &plan, from, last);
            shards.settle(turned);
            let looked = looked.try_recv().unwrap();
            assert!(looked.found.len() <= most, "{} of {most}", looked.found.len());
            (next, matched, steps) = (looked.next, matched + looked.matched, steps + 1);
            first.extend(looked.found.iter().map(|(rank, found)| (*rank, found.line.sent_bytes)));
            first.sort_unstable();
            first.truncate(most);
        }
        (first.into_iter().map(|(_, sent)| sent).collect(), matched, steps)
    }

    #[test]
    fn a_look_takes_steps_and_finds_those_that_come_first() {
        let (shards, mut turned, _) = shard();
        let plan = LookPlan { order: SocketOrder::Sent, most: 5, ..LookPlan::default() };
        let (first, matched, steps) = look(&shards, &mut turned, &plan);
        assert_eq!((first, matched), (vec![999, 998, 997, 996, 995], 1000));
        assert!(steps >= 4, "{steps} steps for {SOCKETS} sockets");
    }

    #[test]
    fn sockets_that_are_named_are_found_without_a_look_at_the_others() {
        let (shards, mut turned, sockets) = shard();
        let named = Some(SocketSet::from_iter([sockets[7], sockets[0], sockets[7]]));
        let what = SocketMatch { sockets: named, ..SocketMatch::default() };
        let plan = LookPlan { what, order: SocketOrder::Sent, most: 5 };
        assert_eq!(look(&shards, &mut turned, &plan), (vec![7 * 7919 % SOCKETS, 0], 2, 1));
    }

    #[test]
    fn sockets_of_a_channel_are_found_without_a_look_at_the_others() {
        let (shards, mut turned, sockets) = shard();
        let (channel, other) = (shards.new_channel_id(), shards.new_channel_id());
        sockets.iter().take(300).for_each(|&socket| {
            shards.add_subscriber(socket, channel, [None, None]);
        });
        shards.add_subscriber(sockets[999], other, [None, None]);
        let what = |ids| SocketMatch { channels: Some(ChannelIds(ids)), ..SocketMatch::default() };
        let plan = |ids| LookPlan { what: what(ids), order: SocketOrder::Oldest, most: 400 };
        let (found, matched, steps) = look(&shards, &mut turned, &plan(vec![channel]));
        assert_eq!((found.len(), matched, steps), (300, 300, 2));
        let (found, matched, steps) = look(&shards, &mut turned, &plan(vec![other]));
        assert_eq!((found, matched, steps), (vec![999 * 7919 % SOCKETS], 1, 1));
        assert_eq!(look(&shards, &mut turned, &plan(vec![])), (vec![], 0, 1));
    }
}
