//! Rows 27 to 29, and garbage: what arrives over the topics of a cluster. Nothing twice, one order, and what another version or
//! another program publishes there harms no event.

use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use serde::Serialize;

use crate::harness::wire::APP;
use crate::harness::{TestRedis, TestSocket, within};
use crate::node::{Node, PATIENT, peak};
use crate::publisher::{Pace, Publisher};
use crate::sheet::Line;
use crate::stage::{Stage, until};
use crate::subscriber::Subscriber;

const PREFIX: &str = "resound";

/// A head that each message has: a mark, the format, the kind and eight bytes.
const HEAD: usize = 11;

/// Of an event, whose text may be anything: what is shorter than this is none.
const EVENT_HEAD: usize = 35;

pub(crate) async fn row_27_links_that_break_again_and_again() {
    const KILLS: usize = 5;
    let redis = TestRedis::start().await;
    let streams =
        [("RESOUND_CLUSTER_TRANSPORT", "streams"), ("RESOUND_CLUSTER_LEASE_SECONDS", "30")];
    let nodes = Node::cluster(&redis.url, 2, &streams).await;
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let lost = async || {
        let mut lost = 0.0;
        for node in &nodes {
            lost += node.metric("resound_cluster_links_lost_total").await;
        }
        lost
    };
    let mut took = Duration::ZERO;
    for _ in 0..KILLS {
        let before = lost().await;
        let _: i64 = redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        until("both links to be lost", async || lost().await >= before + 2.0).await;
        for node in &nodes {
            node.sees(2).await;
        }
        took = took.max(stage.flows().await);
    }
    let ending = stage.end().await;
    let line = Line {
        row: (27, ""),
        fault: "CLIENT KILL of the links of both nodes, five times, transport = \"streams\"",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!("p99 {:.0} ms on the other node", ending.remote.p99().as_secs_f64() * 1e3),
    };
    line.show(&ending);
    ending.is_whole();
}

/// One publisher whose events go to either node in turn, each after the answer to the one before; others publish on the
/// same channel's nodes meanwhile.
pub(crate) async fn row_28_a_publisher_behind_a_load_balancer() {
    let redis = TestRedis::start().await;
    let nodes = Node::cluster(&redis.url, 2, &PATIENT).await;
    let mut stage =
        Stage::between(&nodes, Pace { every: Duration::from_millis(4), weight: 2000 }).await;
    let both = [nodes[0].address(), nodes[1].address()];
    let quick = Pace { every: Duration::from_millis(1), weight: 20 };
    let to = stage.publish(Publisher::start(&both, "alternating", quick));
    for address in both.iter().cycle().take(6) {
        stage.listen(to, false, Subscriber::join(*address, "alternating").await);
    }
    let begin = stage.accepted();
    stage.publishes(1500).await;
    let sent = stage.accepted() - begin;
    let ending = stage.end().await;
    let line = Line {
        row: (28, ""),
        fault: "no fault: one publisher alternates between two nodes under load",
        recovered: None,
        peak: peak(&nodes),
        beside: format!(
            "{sent} events in all, 6 subscribers; answers p99 {:.0} ms",
            ending.answers_p99().as_secs_f64() * 1e3
        ),
    };
    line.show(&ending);
    ending.is_whole();
}

/// Messages of the cluster itself, one of each kind that clients cause.
async fn real_messages(redis: &TestRedis, node: &Node) -> Vec<Vec<u8>> {
    let client = redis::Client::open(&*redis.url).unwrap();
    let mut received = client.get_async_pubsub().await.unwrap();
    let pattern = format!("{PREFIX}*");
    received.psubscribe(&pattern).await.unwrap();
    let mut socket = TestSocket::greeted(node.address(), APP).await;
    socket.subscribe_signed("presence-room", Some(r#"{"user_id":"one"}"#)).await;
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let mut stream = received.on_message();
    within("an event, a change and an outcome", async {
        while messages.len() < 3 {
            let message = stream.next().await.expect("Redis goes on");
            let bytes = message.get_payload_bytes();
            let is_new = messages.iter().all(|known: &Vec<u8>| known[2] != bytes[2]);
            if is_new && b"ECO".contains(&bytes[2]) {
                messages.push(bytes.to_vec());
            }
        }
    })
    .await;
    drop(stream);
    // Confirmed before anything is published, or Redis would count this one among those who get it.
    received.punsubscribe(&pattern).await.unwrap();
    messages
}

/// The topic of a channel: what both nodes are subscribed to.
async fn topic_of(redis: &TestRedis, channel: &str) -> String {
    let topics: Vec<String> = redis.ask(&["PUBSUB", "CHANNELS", &format!("*{channel}*")]).await;
    topics.first().unwrap_or_else(|| panic!("no topic of {channel}")).clone()
}

/// Publishes them all; how often they were received.
async fn publish_all(
    connection: &mut MultiplexedConnection,
    topic: &str,
    messages: &[Vec<u8>],
) -> u64 {
    let mut received = 0;
    for batch in messages.chunks(500) {
        let mut pipe = redis::pipe();
        for message in batch {
            pipe.cmd("PUBLISH").arg(topic).arg(message);
        }
        let answers: Vec<u64> =
            within("answers of Redis", pipe.query_async(connection)).await.unwrap();
        received += answers.iter().sum::<u64>();
    }
    received
}

/// Bytes that are no message of this version: random ones, beginnings of real ones, other versions, other kinds.
fn garbage(real: &[Vec<u8>], count: usize) -> Vec<Vec<u8>> {
    let one = |number: usize| -> Vec<u8> {
        let mut message = real[number % real.len()].clone();
        let random = |length: usize| (0..length).map(|_| rand::random::<u8>()).collect::<Vec<u8>>();
        match number / real.len() % 4 {
            0 => return [&[0][..], &random(rand::random_range(0..200))].concat(),
            1 => {
                let whole = if message[2] == b'E' { EVENT_HEAD } else { message.len() };
                message.truncate(rand::random_range(0..whole));
                return message;
            }
            2 => message[1] = message[1].wrapping_add(rand::random_range(1..=255)),
            _ => message[2] = b"ZXYQ"[rand::random_range(0..4)],
        }
        for _ in 0..rand::random_range(0..20) {
            let at = rand::random_range(3..message.len());
            message[at] = rand::random();
        }
        message
    };
    (0..count).map(one).collect()
}

async fn dropped(nodes: &[Node]) -> f64 {
    let mut dropped = 0.0;
    for node in nodes {
        dropped += node.metric("resound_cluster_invalid_messages_total").await;
    }
    dropped
}

pub(crate) async fn row_29_garbage_on_the_topics() {
    const PAYLOADS: usize = 100_000;
    let redis = TestRedis::start().await;
    let nodes = Node::cluster(&redis.url, 2, &PATIENT).await;
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let real = real_messages(&redis, &nodes[0]).await;
    let topic = topic_of(&redis, "from-0").await;
    let before = peak(&nodes);
    let mut connection = redis.connection().await;
    let garbage = garbage(&real, PAYLOADS);
    let received = publish_all(&mut connection, &topic, &garbage).await;
    until("everything to be counted", async || dropped(&nodes).await >= received as f64).await;
    let took = stage.flows().await;
    let counted = dropped(&nodes).await;
    let ending = stage.end().await;
    let grown = peak(&nodes).saturating_sub(before);
    let line = Line {
        row: (29, "b"),
        fault: "100 000 mutated messages on a channel's topic",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!(
            "{counted} of {received} counted; {:.1} MB more than before",
            grown as f64 / 1e6
        ),
    };
    line.show(&ending);
    ending.is_whole();
    assert_eq!(received, 2 * PAYLOADS as u64, "both nodes received them");
    assert_eq!(counted, received as f64);
    assert!(grown < 64 << 20, "{grown} bytes more");
}

/// A change of a roster as a later version might write it: with a field more.
#[derive(Serialize)]
struct LaterChange<'a> {
    added: Vec<(&'a str, &'a str)>,
    colour: &'a str,
    reasons: Vec<u32>,
}

pub(crate) async fn row_29_messages_of_another_version() {
    let redis = TestRedis::start().await;
    let nodes = Node::cluster(&redis.url, 2, &PATIENT).await;
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let mut members = Vec::new();
    for (user, node) in ["a", "b"].iter().zip(&nodes) {
        let mut socket = TestSocket::greeted(node.address(), APP).await;
        let data = format!(r#"{{"user_id":"{user}"}}"#);
        socket.subscribe_signed("presence-versions", Some(&data)).await;
        members.push(socket);
    }
    assert!(members[0].receive().await.contains("member_added"));
    let real = real_messages(&redis, &nodes[0]).await;
    let change = real.iter().find(|message| message[2] == b'C').expect("a change");
    let topic = topic_of(&redis, "presence-versions").await;
    let later = LaterChange { added: vec![("later", "{}")], colour: "blue", reasons: vec![1, 2] };
    // Of a node that none of these is.
    let head = [&change[..HEAD - 8], &[7; 8]].concat();
    let later = [head, rmp_serde::to_vec_named(&later).unwrap()].concat();
    let mut other_kind = later.clone();
    other_kind[2] = b'N';
    let mut other_format = later.clone();
    other_format[1] += 1;
    let before = dropped(&nodes).await;
    redis.publish(&topic, &other_kind).await;
    redis.publish(&topic, &other_format).await;
    redis.publish(&topic, &later).await;
    for member in &mut members {
        let added = member.receive().await;
        assert!(added.contains("member_added") && added.contains("later"), "{added}");
    }
    let counted = dropped(&nodes).await - before;
    let took = stage.flows().await;
    let ending = stage.end().await;
    let line = Line {
        row: (29, "a"),
        fault: "messages of another version: an unknown field, an unknown kind, another format",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!("the field is ignored and the rest applied; {counted} messages counted"),
    };
    line.show(&ending);
    ending.is_whole();
    assert_eq!(counted, 4.0, "two messages on two nodes");
}
