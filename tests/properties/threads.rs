//! The hub under real threads: four that join, leave, sign in and trigger on the same channels,
//! one that turns the shards meanwhile, and an observer who was there before all of them.
//!
//! What the observer received is the channel's order; all others must have received pieces of it.
//! One more channel has only visitors, so that joins meet its last leave.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use resound::hub::{Hub, Shard, Shards};
use resound::metrics::Metrics;
use resound::protocol::server_message::{OutboundEvent, signin_success};
use resound::protocol::{Member, SocketId, User};

use crate::cases;
use crate::fixture::{self, name};
use crate::ledger::Ledger;
use crate::received::{DEFLATE_MIN_BYTES, Memory, Received, Wire};
use crate::record::Record;
use crate::schedule::{CACHE_SECONDS, channel_data, user_data};
use crate::window::{in_one_order, online, windows};

const THREADS: usize = 4;
/// Sockets of each thread.
const OWN: usize = 3;
const CHANNELS: [&str; 4] = ["a", "presence-c", "cache-e", "presence-cache-d"];
/// Of these the observer is in all but the last, which is joined only for a moment each time.
const OBSERVED: usize = 3;
const VISITED: usize = 3;
/// Whom threads join and sign in as: fewer than threads, so that they share users.
const USERS: [&str; 2] = ["ann", "bob"];

/// One move of a thread; which socket, where it matters which.
#[derive(Debug, Clone, Copy)]
enum Move {
    /// Joins the channel, or leaves it if it is there.
    Toggle(usize, usize),
    Trigger(usize),
    /// Joins the visited channel, triggers an event there and leaves it.
    Visit(usize),
    /// The thread's first socket signs in, or out if it is signed in: so few that users come
    /// and go all the time.
    Sign,
}

/// The moves of each thread, shown in a line each.
struct Moves(Vec<Vec<Move>>);

impl fmt::Debug for Moves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|thread| write!(f, "\n  {thread:?}"))
    }
}

fn moves() -> impl Strategy<Value = Moves> {
    let one = prop_oneof![
        5 => (0..OWN, 0..OBSERVED).prop_map(|(socket, at)| Move::Toggle(socket, at)),
        4 => (0..OBSERVED).prop_map(Move::Trigger),
        2 => (0..OWN).prop_map(Move::Visit),
        3 => Just(Move::Sign),
    ];
    prop::collection::vec(prop::collection::vec(one, 100..200), THREADS).prop_map(Moves)
}

/// One socket and where it is.
struct Peer {
    id: SocketId,
    wire: Arc<Wire>,
    user: User,
    member: Member,
    joined: [bool; CHANNELS.len()],
    /// The events it triggered on the visited channel, one a visit.
    visits: Vec<String>,
    signed_in: bool,
}

impl Peer {
    fn open(hub: &Hub, shards: &Shards, user: &str) -> Self {
        let shard = hub.socket_count() as usize % shards.count();
        let (id, wire) = (shards.new_socket_id(shard), Arc::new(Wire::default()));
        hub.open(id, Arc::new(Memory { wire: wire.clone(), reads_deflated: true }), None);
        let app = hub.app();
        let limits = &app.limits;
        let user_data = user_data(user, 0, &USERS);
        let member = Member::parse(Some(&channel_data(user, 0)), limits).unwrap();
        let user = User::parse(&user_data, limits).unwrap();
        let joined = [false; CHANNELS.len()];
        Self { id, wire, user, member, joined, visits: Vec::new(), signed_in: false }
    }

    fn toggle(&mut self, hub: &Hub, at: usize) {
        let (channel, now) = (name(CHANNELS[at]), Instant::now());
        let member = Some(&self.member).filter(|_| channel.is_presence());
        self.joined[at] = !self.joined[at];
        if !self.joined[at] {
            hub.unsubscribe(self.id, &channel, member.map(|member| &member.user_id), now);
        } else {
            hub.subscribe(self.id, &channel, member, now).expect("far from full");
        }
    }

    fn visit(&mut self, hub: &Hub, data: &str) {
        self.toggle(hub, VISITED);
        trigger(hub, VISITED, data);
        self.toggle(hub, VISITED);
        self.visits.push(format!("news {data}"));
    }

    fn sign(&mut self, hub: &Hub) {
        self.signed_in = !self.signed_in;
        if !self.signed_in {
            hub.sign_out(self.id, &self.user);
        } else {
            hub.answer(self.id, signin_success("{}"));
            hub.sign_in(self.id, &self.user, [None, None]);
        }
    }

    fn vacate(&mut self, hub: &Hub) {
        for at in (0..CHANNELS.len()).filter(|&at| self.joined[at]).collect::<Vec<_>>() {
            self.toggle(hub, at);
        }
        if self.signed_in {
            self.sign(hub);
        }
    }
}

fn trigger(hub: &Hub, at: usize, data: &str) {
    hub.trigger(&name(CHANNELS[at]), &OutboundEvent::new("news", data), data, None, Instant::now());
}

/// All moves of one thread.
fn run(hub: &Hub, thread: usize, moves: &[Move], peers: &mut [Peer]) {
    for (number, one) in moves.iter().enumerate() {
        let data = format!("{thread}.{number}");
        match *one {
            Move::Toggle(socket, at) => peers[socket].toggle(hub, at),
            Move::Trigger(at) => trigger(hub, at, &data),
            Move::Visit(socket) => peers[socket].visit(hub, &data),
            Move::Sign => peers[0].sign(hub),
        }
    }
}

/// Lets all threads move at once while the shards turn.
fn race(
    hub: &Hub,
    inboxes: &Shards,
    shards: &mut [Shard],
    moves: &[Vec<Move>],
    peers: &mut [Peer],
) {
    let (start, done) = (Barrier::new(THREADS + 1), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            while !done.load(Ordering::Acquire) {
                inboxes.settle(shards);
                thread::yield_now();
            }
        });
        let all = moves.iter().zip(peers.chunks_mut(OWN)).enumerate();
        let runs = all.map(|(thread, (moves, peers))| {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                run(hub, thread, moves, peers);
            })
        });
        let runs: Vec<_> = runs.collect();
        let ended: Vec<_> = runs.into_iter().map(thread::ScopedJoinHandle::join).collect();
        // Before any panic goes on, or the shards would turn for ever.
        done.store(true, Ordering::Release);
        ended.into_iter().for_each(|ended| ended.expect("no panic"));
    });
    inboxes.settle(shards);
}

fn agree(moves: &[Vec<Move>]) -> Result<(), String> {
    let mut app = fixture::app();
    app.subscription_count_events = true;
    app.watchlist_events = true;
    let (inboxes, mut shards) = fixture::shards(&Arc::new(Metrics::default()), DEFLATE_MIN_BYTES);
    let record = Arc::new(Record::default());
    let cache = Arc::new(fixture::cache(Duration::from_secs(CACHE_SECONDS)));
    let hub = Hub::new(Arc::new(app), inboxes.clone(), cache, Some(record.clone()));
    let mut observer = Peer::open(&hub, &inboxes, "observer");
    (0..OBSERVED).for_each(|at| observer.toggle(&hub, at));
    observer.sign(&hub);
    let user = |at: usize| USERS[(at / OWN + at % OWN) % USERS.len()];
    let mut peers: Vec<Peer> =
        (0..THREADS * OWN).map(|at| Peer::open(&hub, &inboxes, user(at))).collect();

    race(&hub, &inboxes, &mut shards, moves, &mut peers);
    (0..OBSERVED).for_each(|at| trigger(&hub, at, "last"));
    inboxes.settle(&mut shards);

    peers.push(observer);
    let received: Vec<Vec<Received>> = peers.iter().map(|peer| peer.wire.take()).collect();
    for (at, channel) in CHANNELS.iter().enumerate().take(OBSERVED) {
        one_order(&hub, at, &peers, &received).map_err(|why| format!("{channel}: {why}"))?;
    }
    visited(&peers, &received).map_err(|why| format!("{}: {why}", CHANNELS[VISITED]))?;
    watched(&peers, &received)?;

    peers.iter_mut().for_each(|peer| peer.vacate(&hub));
    Ledger::balance(&record.take())?;
    let left = hub.channel_count();
    if left == 0 { Ok(()) } else { Err(format!("{left} channels are left")) }
}

/// Everybody received pieces of the observer's order; who is still there has the whole truth.
fn one_order(
    hub: &Hub,
    at: usize,
    peers: &[Peer],
    received: &[Vec<Received>],
) -> Result<(), String> {
    let channel = CHANNELS[at];
    let order = windows(received.last().unwrap(), channel)?.remove(0).events;
    let there = peers.iter().filter(|peer| peer.joined[at]).count();
    let counts = hub.counts(&name(channel)).map(|counts| counts.subscription_count);
    if counts != Some(there) {
        return Err(format!("{counts:?} are counted, {there} are there"));
    }
    let members: BTreeSet<String> =
        hub.members(&name(channel)).iter().map(ToString::to_string).collect();
    for (peer, received) in peers.iter().zip(received) {
        let windows = windows(received, channel)?;
        windows.iter().try_for_each(|window| window.fits(&order))?;
        let Some(last) = windows.last().filter(|_| peer.joined[at]) else { continue };
        let is_whole = last.events.last().is_some_and(|event| event == "news last");
        let is_counted = channel.starts_with("presence-") || last.count == Some(there);
        if !(is_whole && is_counted && last.members == members) {
            return Err(format!("{last:?}\nwhere {there} are there, the members {members:?}"));
        }
    }
    Ok(())
}

/// Every visitor received its own event at each visit, and all of them in one order.
fn visited(peers: &[Peer], received: &[Vec<Received>]) -> Result<(), String> {
    let mut all = Vec::new();
    for (peer, received) in peers.iter().zip(received) {
        let windows = windows(received, CHANNELS[VISITED])?;
        let events: Vec<_> = windows.into_iter().map(|window| window.events).collect();
        let is_received = events.iter().zip(&peer.visits).all(|(events, own)| events.contains(own));
        if events.len() != peer.visits.len() || !is_received {
            return Err(format!("visits {:?}\nreceived {events:?}", peer.visits));
        }
        all.extend(events);
    }
    in_one_order(&all)
}

/// Since it signed in, each socket has received users come and go in turn, and has their present state.
fn watched(peers: &[Peer], received: &[Vec<Received>]) -> Result<(), String> {
    let signed_in = peers.iter().filter(|peer| peer.signed_in);
    let there: BTreeSet<&str> = signed_in.map(|peer| &*peer.user.id).collect();
    let expected = USERS.into_iter().filter(|user| there.contains(user)).collect();
    for (peer, received) in peers.iter().zip(received) {
        let own: Vec<&str> = received
            .iter()
            .filter(|received| received.channel.is_empty())
            .map(|received| &*received.text)
            .collect();
        let sign_ins = own.split(|text| text.starts_with("signed in"));
        let views = sign_ins.skip(1).map(online).collect::<Option<Vec<_>>>();
        let views = views.ok_or_else(|| format!("out of turn: {own:#?}"))?;
        let last = views.last().filter(|_| peer.signed_in);
        if last.is_some_and(|last| *last != expected) {
            return Err(format!("{last:?}, expected {expected:?}, by {own:#?}"));
        }
    }
    Ok(())
}

proptest! {
    // A failure is of one interleaving: shrinking would look for it in vain.
    #![proptest_config(ProptestConfig { max_shrink_iters: 0, ..cases(60) })]

    #[test]
    fn threads_see_one_order_and_leave_nothing_behind(moves in moves()) {
        agree(&moves.0).map_err(TestCaseError::fail)?;
    }
}
