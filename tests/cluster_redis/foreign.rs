//! Foreign messages on the topics of a cluster are counted and dropped.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use redis::aio::PubSub;
use serde_json::json;

use crate::fixture::{assert_events_flow, members, subscribers};
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{TestCluster, TestServer, within};

/// The head of an event: whatever is shorter is none.
const HEAD: usize = 35;

/// Every topic to which a node of this cluster is subscribed.
async fn topics(redis: &TestRedis, cluster: &TestCluster) -> Vec<String> {
    let mut topics: Vec<String> =
        redis.ask(&["PUBSUB", "CHANNELS", &format!("{}*", cluster.prefix)]).await;
    topics.sort();
    topics
}

/// How many messages a node has dropped, for whatever reason.
fn dropped(node: &TestServer) -> f64 {
    node.metric("resound_cluster_invalid_messages_total")
}

/// Changes, outcomes, events and terminations.
const KINDS: [u8; 4] = *b"COET";

/// Messages of the cluster itself, one of each kind, as they were received on its topics.
async fn real_messages(redis: &TestRedis, cluster: &TestCluster) -> Vec<Vec<u8>> {
    let client = redis::Client::open(&*redis.url).unwrap();
    let mut received: PubSub = client.get_async_pubsub().await.unwrap();
    let pattern = format!("{}*", cluster.prefix);
    received.psubscribe(&pattern).await.unwrap();
    let mut socket = cluster.nodes[0].connect().await;
    socket.subscribe_signed("presence-other", Some(r#"{"user_id":"1"}"#)).await;
    let mut backend = cluster.nodes[0].backend();
    backend.trigger("presence-other", "news", "{}").await;
    backend.post("/users/nobody/terminate_connections", "{}").await;
    // One of each kind, in whatever order they come: what is sent while a batch is under way goes with the next.
    let mut messages: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    let mut stream = received.on_message();
    let all = async {
        while messages.len() < KINDS.len() {
            let message = stream.next().await.expect("Redis goes on");
            let bytes = message.get_payload_bytes();
            if let Some(kind) = bytes.get(2).filter(|kind| KINDS.contains(kind)) {
                messages.entry(*kind).or_insert_with(|| bytes.to_vec());
            }
        }
    };
    within("a message of each kind", all).await;
    drop(stream);
    // Confirmed before anything is published, or Redis would count this one among those who get it.
    received.punsubscribe(&pattern).await.unwrap();
    messages.into_values().collect()
}

/// Nothing of which is a message of this version.
fn garbage(real: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut garbage: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"R".to_vec(),
        b"R\x02".to_vec(),
        b"R\x02?".to_vec(),
        br#"{"event":"news","data":"{}","channel":"orders"}"#.to_vec(),
        // Reverb's own message on its own topic.
        br#"{"type":"message","application":"a:1:{}","payload":{}}"#.to_vec(),
        // Lists and texts of the greatest length that can be encoded.
        [&b"R\x02C"[..], &[0; 8], &[0xff; 64]].concat(),
        [&b"R\x02O"[..], &[0; 21], &[0xff; 64]].concat(),
        [&b"R\x02T"[..], &[0xff; 64]].concat(),
        // No text.
        [&b"R\x02E"[..], &[1; HEAD], &[0xff, 0xfe]].concat(),
    ];
    for message in real {
        let whole = if matches!(message[2], b'E' | b'K') { HEAD - 1 } else { message.len() - 1 };
        garbage.extend((0..whole).step_by(3).map(|length| message[..length].to_vec()));
        let mut next_version = message.clone();
        next_version[1] += 1;
        garbage.push(next_version);
    }
    let random = |length: usize| (0..length).map(|_| rand::random()).collect::<Vec<u8>>();
    garbage.extend((1..200).map(|length| [&[0][..], &random(length)].concat()));
    garbage
}

#[tokio::test]
async fn what_is_no_message_is_counted_and_forgotten() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let cluster = TestCluster::start(&redis, 2).await;
    let mut sockets = subscribers(&cluster, "orders").await;
    let mut members = members(&cluster, "presence-room").await;
    let garbage = garbage(&real_messages(&redis, &cluster).await);
    let mut published = 0;
    for topic in topics(&redis, &cluster).await {
        for message in &garbage {
            published += redis.publish(&topic, message).await;
        }
    }
    cluster.settle().await;
    assert_eq!(cluster.nodes.iter().map(dropped).sum::<f64>(), f64::from(published));
    assert!(f64::from(published) > garbage.len() as f64 * 4.0);
    for member in &mut members {
        assert_eq!(member.receive_all().await, Vec::<String>::new());
    }
    assert_events_flow(&cluster, &mut sockets, "orders").await;
    assert_events_flow(&cluster, &mut members, "presence-room").await;
}

/// Well-formed messages with false content affect their own channel only.
#[tokio::test]
async fn what_lies_on_one_channel_harms_no_other() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let cluster = TestCluster::start(&redis, 2).await;
    let mut sockets = subscribers(&cluster, "orders").await;
    let mut others = subscribers(&cluster, "lies").await;
    let _members = members(&cluster, "presence-lies").await;
    let number = |number: u64| [&b"R\x02E"[..], &[7; 24], &number.to_be_bytes(), b"{}"].concat();
    let lies: Vec<Vec<u8>> = real_messages(&redis, &cluster)
        .await
        .into_iter()
        .chain([0, 1, u64::MAX - 1, u64::MAX, 0].map(number))
        .collect();
    let all = topics(&redis, &cluster).await;
    for topic in all.iter().filter(|topic| !topic.contains("orders")) {
        for lie in &lies {
            redis.publish(topic, lie).await;
        }
    }
    // Comparing after that is arithmetic with the largest number there is.
    let _: i64 = redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert_links_come_back(&cluster).await;
    assert_events_flow(&cluster, &mut sockets, "orders").await;
    for other in &mut others {
        other.receive_all().await;
    }
    assert_events_flow(&cluster, &mut others, "lies").await;
}

async fn assert_links_come_back(cluster: &TestCluster) {
    let is_back = |node: &TestServer| {
        node.metric("resound_cluster_links_lost_total") >= 1.0
            && node.metric("resound_cluster_connected") == 1.0
    };
    crate::harness::eventually("the links to come back", async || {
        cluster.nodes.iter().all(is_back)
    })
    .await;
    cluster.settle().await;
}

/// The place of an event's number in a message.
const NUMBER: std::ops::Range<usize> = 27..HEAD;

/// A message that looks like an event of the channel costs no event that is one.
#[tokio::test]
async fn a_forged_number_costs_no_other_event() {
    if is_left_out() {
        return;
    }
    for wire in ["pubsub", "streams"] {
        let redis = TestRedis::start().await;
        let toml = format!("cluster.transport = \"{wire}\"\n{REVERB_APP}");
        let cluster = TestCluster::with(&redis, 2, &toml).await;
        let mut sockets = subscribers(&cluster, "orders").await;
        let topic = format!("{}{{123456:orders}}", cluster.prefix);
        let client = redis::Client::open(&*redis.url).unwrap();
        let mut received: PubSub = client.get_async_pubsub().await.unwrap();
        received.subscribe(&topic).await.unwrap();
        cluster.nodes[0].backend().trigger("orders", "news", "{}").await;
        let message =
            within("an event", received.on_message().next()).await.expect("Redis goes on");
        let real = message.get_payload_bytes().to_vec();
        for socket in &mut sockets {
            assert!(socket.receive().await.contains("news"));
        }
        let number = u64::from_be_bytes(real[NUMBER].try_into().unwrap());
        for forged in [0, 1, number, number + 1, number + 2, number + 900_000, 1 << 63, u64::MAX] {
            let mut message = real.clone();
            // Of another node, so that none takes it for its own.
            message[3..11].copy_from_slice(&[7; 8]);
            message[NUMBER].copy_from_slice(&forged.to_be_bytes());
            message[HEAD..].copy_from_slice(&[b'x'; 256][..real.len() - HEAD]);
            redis.publish(&topic, &message).await;
            for event in ["one", "two"] {
                cluster.nodes[0].backend().trigger("orders", event, "{}").await;
                for socket in &mut sockets {
                    let mut text = socket.receive().await;
                    if text.starts_with('x') {
                        text = socket.receive().await;
                    }
                    assert!(text.contains(event), "{wire}, forged {forged}: {text}");
                }
            }
        }
        for socket in &mut sockets {
            let rest = socket.receive_all().await;
            assert!(rest.iter().all(|text| text.starts_with('x')), "{rest:?}");
        }
        for node in &cluster.nodes {
            assert_eq!(node.metric("resound_cluster_events_missed_total"), 0.0);
            assert!(dropped(node) >= 2.0, "those of another series");
        }
    }
}

/// A change as a node announces it: a user who left, a user who came.
fn change(removed: &str, added: &str) -> Vec<u8> {
    let fields = BTreeMap::from([("removed", json!([removed])), ("added", json!([[added, "{}"]]))]);
    [&b"R\x02C"[..], &[7; 8], &rmp_serde::to_vec(&fields).unwrap()].concat()
}

/// A message that looks like a change of a roster has no effect that lasts longer than a lease.
#[tokio::test]
async fn a_forged_change_is_corrected() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let toml = format!("cluster.lease_seconds = 2\n{REVERB_APP}");
    let cluster = TestCluster::hasty(&redis, 2, &toml).await;
    let mut members = members(&cluster, "presence-room").await;
    let topic = format!("{}{{123456:presence-room}}", cluster.prefix);
    assert_eq!(redis.publish(&topic, &change("0", "ghost")).await, 2);
    for member in &mut members {
        let expected = [("removed", "0"), ("added", "ghost"), ("removed", "ghost"), ("added", "0")];
        for (what, user) in expected {
            let received = member.receive_json().await;
            let event = format!("pusher_internal:member_{what}");
            let data = received["data"].as_str().unwrap();
            assert_eq!(received["event"], event, "{received}");
            assert!(data.contains(&format!(r#""user_id":"{user}""#)), "{received}");
        }
    }
    let mut newcomer = cluster.nodes[1].connect().await;
    let roster = newcomer.subscribe_signed("presence-room", Some(r#"{"user_id":"9"}"#)).await;
    assert!(!roster.to_string().contains("ghost"), "{roster}");
}
