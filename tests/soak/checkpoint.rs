//! The end of a page: no traffic, no fault. Waits until everything has converged, compares what nodes answer with the truth,
//! and lets the oracle judge.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, interval};

use crate::harness::server::sum_of_series;
use crate::lane::backend;
use crate::nodes::Cluster;
use crate::oracle::fact::{Fact, Name};
use crate::oracle::finding::{Broken, Loss};
use crate::plan::presence_channels;
use crate::scene::Scene;

/// For an answer of a node to become true.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// For webhook events that a fault may have cost: longer than a leave waits and a call takes.
const LOST_AFTER: Duration = Duration::from_secs(6);

/// Between two questions.
const ASK: Duration = Duration::from_millis(50);

/// Gauges that are 0 while there is no client and nothing is under way.
const EMPTY: [&str; 9] = [
    "resound_connections",
    "resound_subscriptions",
    "resound_channels",
    "resound_presence_members",
    "resound_outbox_bytes",
    "resound_handshakes_waiting",
    "resound_cluster_pending_requests",
    "resound_cluster_queue_bytes",
    "resound_webhook_queue_events",
];

/// Waits and judges. All seats are as they were ordered to be.
pub(crate) async fn turn_page(cluster: &mut Cluster) {
    let scene = cluster.scene.clone();
    cluster
        .all_are("done with what waits for Redis", |text| {
            sum_of_series(text, "resound_cluster_queue_bytes") == 0.0
        })
        .await;
    if !scene.until(|oracle| oracle.outstanding() == 0).await {
        let open = scene.with_oracle(|oracle, _| oracle.outstanding());
        broken(&scene, Broken::NotConverged, format!("{open} messages have not come to clients"));
    }
    compare_answers(&scene).await;
    wait_for_webhooks(&scene).await;
    if cluster.links_lost().await > 0.0 {
        scene.note(Fact::LinkLost);
    }
    let lost_before = scene.with_oracle(|oracle, _| oracle.findings.lost(Loss::ScopeNode));
    scene.with_oracle(|oracle, _| oracle.turn_page());
    judge_counters(cluster, lost_before).await;
    scene.begin_page();
}

/// Leaves are reported after three seconds. What a fault has cost does not come.
async fn wait_for_webhooks(scene: &Scene) {
    if scene.with_oracle(|oracle, _| oracle.webhooks_may_miss()) {
        scene.until_or(LOST_AFTER, |oracle| oracle.webhooks_outstanding() == 0).await;
    } else if !scene.until(|oracle| oracle.webhooks_outstanding() == 0).await {
        let open = scene.with_oracle(|oracle, _| oracle.webhooks_outstanding());
        broken(scene, Broken::NotConverged, format!("{open} webhook events have not come"));
    }
}

/// What was lost without an announcement to the channel is counted by the nodes.
async fn judge_counters(cluster: &mut Cluster, lost_before: u64) {
    let counted = cluster.losses_counted().await;
    let lost =
        cluster.scene.with_oracle(|oracle, _| oracle.findings.lost(Loss::ScopeNode)) - lost_before;
    if lost > 0 && counted == 0.0 {
        let text = format!("{lost} events with the scope of a node, and no counter has changed");
        broken(&cluster.scene, Broken::LostInSilence, text);
    }
}

pub(crate) fn broken(scene: &Scene, broken: Broken, text: String) {
    scene.with_oracle(|oracle, _| oracle.findings.add(broken, text));
}

/// Asks each node for the members and the number of subscribers of each channel.
async fn compare_answers(scene: &Scene) {
    for node in 0..scene.doors.len() {
        let mut backend = backend(&scene.doors[node]);
        for channel in presence_channels() {
            let mut answer = BTreeSet::new();
            let path = format!("/channels/{channel}/users");
            asked_until(async || {
                answer = users(&backend.get(&path, &[]).await.json());
                answer == scene.with_oracle(|oracle, _| oracle.present(&channel))
            })
            .await;
            scene.with_oracle(|oracle, _| oracle.judge_answer(&channel, node, &answer));
        }
        for (channel, count) in scene.with_oracle(|oracle, _| oracle.subscribers()) {
            let mut answer = Value::Null;
            let path = format!("/channels/{channel}");
            let is_true = asked_until(async || {
                answer = backend.get(&path, &[("info", "subscription_count")]).await.json();
                answer["subscription_count"] == json!(count)
            })
            .await;
            if !is_true {
                broken(
                    scene,
                    Broken::CountWrong,
                    format!("{channel} has {count}, node {node} answers {answer}"),
                );
            }
        }
    }
}

fn users(answer: &Value) -> BTreeSet<String> {
    let users = answer["users"].as_array().expect("a list");
    users.iter().map(|user| user["id"].as_str().expect("a text").to_owned()).collect()
}

/// Asks until the answer is true, or for long enough.
async fn asked_until(mut is_true: impl AsyncFnMut() -> bool) -> bool {
    let (begun, mut ask) = (Instant::now(), interval(ASK));
    while begun.elapsed() < ANSWERS_WITHIN {
        if is_true().await {
            return true;
        }
        ask.tick().await;
    }
    false
}

/// All clients are gone: nothing of them is left on any node.
pub(crate) async fn is_empty(cluster: &Cluster) {
    let scene = &cluster.scene;
    for (number, node) in cluster.nodes.iter().enumerate() {
        let mut backend = backend(&scene.doors[number]);
        let mut left = Vec::new();
        asked_until(async || {
            let text = node.metrics().await;
            let gauges = EMPTY.iter().map(|gauge| (*gauge, sum_of_series(&text, gauge)));
            left =
                gauges.filter(|(_, value)| *value != 0.0).map(|one| format!("{one:?}")).collect();
            for (path, empty) in
                [("/connections", r#"{"connections":0}"#), ("/channels", r#"{"channels":{}}"#)]
            {
                let answer = backend.get(path, &[]).await;
                if answer.body != empty {
                    left.push(format!("{path}: {}", answer.body));
                }
            }
            left.is_empty()
        })
        .await;
        for what in left {
            broken(scene, Broken::NotReturned, format!("node {number} without clients: {what}"));
        }
    }
    let occupied = scene.with_oracle(|oracle, _| oracle.subscribers());
    let occupied: Vec<&Name> = occupied.keys().collect();
    assert!(occupied.is_empty(), "clients are left in {occupied:?}");
}
