//! A Redis that lacks the last event of a node may lack anything else: it is other data.

use std::time::Duration;

use resound::cluster::{DataProof, Reply, Request};

use super::requests::Draw;
use super::{Both, clock};
use crate::harness::TestRedis;
use crate::harness::redis::is_left_out;
use crate::random::Random;

const LEASE: Duration = Duration::from_secs(5);

fn beat(proof: Option<DataProof>) -> Request {
    Request::Heartbeat { lease: LEASE, takes_leaves: false, proof }
}

/// The epoch of the real directory and of the simulated one, after a beat with these proofs.
async fn epochs(both: &mut Both, proofs: [Option<DataProof>; 2]) -> [String; 2] {
    let [for_real, for_simulated] = proofs.map(beat);
    let real = both.ask(1, &for_real).await.unwrap();
    let simulated = both.directory.carry_out(1, &for_simulated, clock()).reply;
    [real, simulated].map(|reply| match reply {
        Reply::Heartbeat(beat) => beat.epoch,
        other => panic!("{other:?} answers a beat"),
    })
}

#[tokio::test]
async fn what_does_not_have_the_last_event_is_other_data() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let (mut both, mut draw) = (Both::new(&redis, "proof", false).await, Draw::new("proof".into()));
    let mut random = Random::new(5);
    both.begin(&draw, [1]).await.unwrap();
    let mut state = draw.state(&mut random, "c");
    state.count = 1;
    both.compare(1, &Request::State(Box::new(state)), 0).await.unwrap();
    let publish = draw.publish(&mut random, 1, "c");
    let serial = u64::from_be_bytes(publish.head[11..19].try_into().unwrap());
    both.compare(1, &Request::Publish(publish), 0).await.unwrap();

    let before = epochs(&mut both, [None, None]).await;
    let proof = |name: &str, serial, epoch: &str| {
        Some(DataProof { topic: draw.topic(name), serial, epoch: epoch.to_owned() })
    };
    let own = [0, 1].map(|at| proof("c", serial, &before[at]));
    assert_eq!(epochs(&mut both, own).await, before, "it is there");
    let of_others = [0, 1].map(|_| proof("c", serial + 1, "another"));
    assert_eq!(epochs(&mut both, of_others).await, before, "somebody has found out already");
    let later = [0, 1].map(|at| proof("c", serial + 1, &before[at]));
    let after = epochs(&mut both, later).await;
    assert!(after.iter().zip(&before).all(|(after, before)| after != before), "{after:?}");
    let elsewhere = [0, 1].map(|at| proof("private-nobody", 1, &after[at]));
    let again = epochs(&mut both, elsewhere).await;
    assert!(again.iter().zip(&after).all(|(again, after)| again != after), "{again:?}");
}
