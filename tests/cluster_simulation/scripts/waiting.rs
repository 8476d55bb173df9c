//! What only time brings about, on both: leaves that are due, nodes that are dead.

use std::time::Duration;

use resound::cluster::{NodeId, Reply, Request};

use super::requests::Draw;
use super::{Both, clock};
use crate::harness::redis::is_left_out;
use crate::harness::{TestRedis, eventually};
use crate::random::Random;

/// So long ago that the simulation has everything behind it.
const LATER: u64 = 60_000;

/// Both directories hold leaves, and let them go when they are due: once, to one node.
#[tokio::test]
async fn leaves_are_held_and_let_go_alike() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let (mut both, mut draw) = (Both::new(&redis, "due", false).await, Draw::new("due".into()));
    let mut random = Random::new(3);
    both.begin(&draw, 1..=3).await.unwrap();
    for name in ["presence-a", "c"].repeat(8) {
        let (node, state) = (random.between((1, 3)), draw.state(&mut random, name));
        both.compare(node, &Request::State(Box::new(state)), 0).await.unwrap();
    }
    for (node, name) in [1, 2, 3].into_iter().flat_map(|node| [(node, "presence-a"), (node, "c")]) {
        let mut state = draw.state(&mut random, name);
        (state.count, state.flags.whole, state.rows) = (0, true, Vec::new());
        both.compare(node, &Request::State(Box::new(state)), 0).await.unwrap();
    }
    let beat =
        Request::Heartbeat { lease: Duration::from_secs(100), takes_leaves: true, proof: None };
    let simulated = both.directory.carry_out(1, &beat, clock() + LATER * 1000).reply;
    let Reply::Heartbeat(mut should) = simulated else { panic!("a beat is answered as one") };
    assert!(!should.due.is_empty(), "somebody has left");
    let mut due = Vec::new();
    eventually("all leaves that are due", async || {
        let Ok(Reply::Heartbeat(answer)) = both.ask(1, &beat).await else { return false };
        due.extend(answer.due);
        due.len() >= should.due.len()
    })
    .await;
    due.sort();
    should.due.sort();
    assert_eq!(due, should.due);
}

/// A node that is silent for longer than its lease is removed by the others.
#[tokio::test]
async fn the_dead_are_found_and_taken_out_alike() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let (mut both, mut draw) = (Both::new(&redis, "dead", false).await, Draw::new("dead".into()));
    let mut random = Random::new(4);
    for node in 1..=3 {
        both.begin(&draw, [node]).await.unwrap();
        for name in ["presence-a", "cache-b", "c", "#server-to-user-d"] {
            let state = draw.state(&mut random, name);
            both.compare(node, &Request::State(Box::new(state)), 0).await.unwrap();
        }
    }
    let (short, judge) = (Duration::from_millis(20), Duration::from_millis(40));
    both.compare(3, &Request::Heartbeat { lease: short, takes_leaves: false, proof: None }, 0)
        .await
        .unwrap();
    let beat = Request::Heartbeat { lease: judge, takes_leaves: false, proof: None };
    eventually("the dead", async || {
        let Ok(Reply::Heartbeat(answer)) = both.ask(1, &beat).await else { return false };
        answer.dead.contains(&NodeId(3))
    })
    .await;
    let (node, leaving) = (NodeId(3), false);
    both.compare(1, &Request::Reap { node, leaving }, LATER).await.unwrap();
    both.compare(3, &Request::ListChannels, LATER).await.unwrap();
}
