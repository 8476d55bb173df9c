//! Two nodes whose Redis is as far away as in another zone or another region, and out of reach.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::redis::Process;
use crate::harness::{Backend, Program, TestSocket, eventually, within};
use crate::host::Host;
use crate::line::Shape;
use crate::switch::Switch;

const MEMBERS: usize = 50;
/// Of each member; the roster is 450 KB.
const INFO_BYTES: usize = 9000;

const EVENTS: usize = 1000;
/// Of one request.
const BATCH: usize = 10;

/// Longer than a node needs to notice, shorter than the lease.
const CUT: Duration = Duration::from_secs(3);
const NOTICED_WITHIN: Duration = Duration::from_secs(2);
const HEALED_WITHIN: Duration = Duration::from_secs(3);

/// Published on the other node meanwhile.
const MISSED: [&str; 3] = ["missed 0", "missed 1", "missed 2"];

/// Of the answer to `/ready` of a node that has Redis and sees the other.
const TOGETHER: &str = r#""connected","nodes":2"#;

/// A node and its back end. Dropped in this order: the program before its host.
struct Node {
    program: Program,
    backend: Backend,
    host: Host,
}

/// Two nodes and their Redis.
struct Cluster {
    near: Node,
    far: Node,
    _redis: Process,
    _redis_host: Host,
    _world: Switch,
}

impl Cluster {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let switch = Switch::new();
        let redis_host = switch.host();
        let (redis, url) = redis_host.redis().await;
        let near = Node::start(switch.host_behind(Shape::far(5)), &url, variables).await;
        let far = Node::start(switch.host_behind(Shape::far(50)), &url, variables).await;
        let mut cluster =
            Self { near, far, _redis: redis, _redis_host: redis_host, _world: switch };
        for node in [&mut cluster.near, &mut cluster.far] {
            node.stands(TOGETHER).await;
        }
        cluster
    }

    /// One member on each node, after each has been announced to the other.
    async fn members(&self) -> (TestSocket, TestSocket) {
        let (mut near, _) = self.near.member("near", "").await;
        let (far, data) = self.far.member("far", "").await;
        assert_eq!(data["presence"]["count"], 2);
        assert!(near.receive().await.contains("pusher_internal:member_added"));
        (near, far)
    }
}

impl Node {
    async fn start(host: Host, url: &str, variables: &[(&str, &str)]) -> Self {
        let cluster = [
            ("RESOUND_CLUSTER_ENABLED", "true"),
            ("RESOUND_CLUSTER_URL", url),
            ("RESOUND_CLUSTER_LEASE_SECONDS", "10"),
            ("RESOUND_APP_GAP_EVENT", "resync"),
        ];
        let program = host.serve(&[&cluster, variables].concat()).await;
        let backend = host.backend(&program).await;
        Self { program, backend, host }
    }

    /// A client beside the node, whom a cut of the node's link does not concern.
    async fn subscriber(&self, channel: &str) -> TestSocket {
        let mut socket = self.host.socket(&self.program).await;
        socket.subscribe(channel).await;
        socket
    }

    async fn member(&self, user: &str, info: &str) -> (TestSocket, Value) {
        let mut socket = self.host.socket(&self.program).await;
        let data = json!({ "user_id": user, "user_info": info }).to_string();
        let answer = socket.subscribe_signed("presence-room", Some(&data)).await;
        (socket, serde_json::from_str(answer["data"].as_str().unwrap()).unwrap())
    }

    /// Waits until `/ready` has this in its answer.
    async fn stands(&mut self, part: &str) {
        let backend = &mut self.backend;
        eventually(part, async || backend.send("GET", "/ready", "").await.body.contains(part))
            .await;
    }

    async fn trigger(&mut self, data: &str) {
        self.backend.trigger("orders", "event", data).await;
    }
}

fn removed(user: &str) -> String {
    format!(
        r#"{{"event":"pusher_internal:member_removed","data":"{{\"user_id\":\"{user}\"}}","channel":"presence-room"}}"#
    )
}

async fn receives(socket: &mut TestSocket, event: &str, data: &str) {
    let received = socket.receive_json().await;
    assert_eq!((received["event"].as_str(), received["data"].as_str()), (Some(event), Some(data)));
}

pub(crate) async fn a_roster_and_a_burst_of_events_cross_whole() {
    let mut cluster = Cluster::start(&[]).await;
    let info = "i".repeat(INFO_BYTES);
    let mut members = Vec::new();
    for member in 0..MEMBERS {
        let (socket, _) = cluster.near.member(&format!("{member:02}"), &info).await;
        members.push(tokio::spawn(socket.read_on()));
    }
    let (_reader, data) = cluster.far.member("reader", "").await;
    assert_eq!(data["presence"]["count"], MEMBERS + 1);
    for member in 0..MEMBERS {
        let found = &data["presence"]["hash"][format!("{member:02}")];
        assert!(*found == info, "member {member}");
    }

    let near = cluster.near.subscriber("orders").await;
    let far = cluster.far.subscriber("orders").await;
    let receives_all = async |mut socket: TestSocket| {
        for count in 0..EVENTS {
            receives(&mut socket, "event", &count.to_string()).await;
        }
        assert_eq!(socket.receive_all().await, [""; 0]);
    };
    let readers = [near, far].map(|socket| tokio::spawn(receives_all(socket)));
    for first in (0..EVENTS).step_by(BATCH) {
        let event = |count: usize| json!({ "name": "event", "channel": "orders", "data": count.to_string() });
        let batch: Vec<Value> = (first..first + BATCH).map(event).collect();
        let body = json!({ "batch": batch }).to_string();
        assert_eq!(cluster.near.backend.post("/batch_events", &body).await.status, 200);
    }
    for reader in readers {
        within("the events", reader).await.unwrap();
    }
}

/// 450 KB need 1.8 s over this link, and the time-out of an answer is 1 s: the node answers the join
/// from its mirror, connects again with more time, and then sends the differences.
pub(crate) async fn a_roster_that_takes_longer_than_the_time_out_crosses() {
    let mut cluster = Cluster::start(&[]).await;
    let info = "i".repeat(INFO_BYTES);
    for member in 0..MEMBERS {
        let (socket, _) = cluster.near.member(&format!("{member:02}"), &info).await;
        tokio::spawn(socket.read_on());
    }
    cluster.far.host.link.reshape(Shape::narrow(2000));
    let (mut reader, data) = cluster.far.member("reader", "").await;
    let mut present = data["presence"]["count"].as_u64().unwrap() as usize;
    while present < MEMBERS + 1 {
        // What else comes is the gap event: events may have been lost while the node was away.
        let event = reader.receive_json().await;
        present += usize::from(event["event"] == "pusher_internal:member_added");
    }
    cluster.far.stands(TOGETHER).await;
}

/// Every packet of one node vanishes for a while; no reset reports it. What its sockets receive `then` is
/// all they receive of the events of that time.
async fn cut_and_healed(wire: &str, then: &[(&str, &str)]) {
    let mut cluster = Cluster::start(&[("RESOUND_CLUSTER_TRANSPORT", wire)]).await;
    let mut near = cluster.near.subscriber("orders").await;
    let mut far = cluster.far.subscriber("orders").await;
    let (mut near_member, mut far_member) = cluster.members().await;
    cluster.near.trigger("before").await;
    for socket in [&mut near, &mut far] {
        receives(socket, "event", "before").await;
    }

    let Cluster { near: near_node, far: far_node, .. } = &mut cluster;
    far_node.host.link.cut();
    let begin = Instant::now();
    for data in MISSED {
        near_node.trigger(data).await;
        receives(&mut near, "event", data).await;
    }
    far_node.stands("degraded").await;
    let took = begin.elapsed();
    assert!(took < NOTICED_WITHIN, "noticed after {took:?}");
    let mut newcomer = far_node.subscriber("orders").await;
    far_node.trigger("alone").await;
    for socket in [&mut far, &mut newcomer] {
        receives(socket, "event", "alone").await;
    }
    // Long enough that an attempt to connect again begins and fails.
    tokio::time::sleep_until((begin + CUT).into()).await;

    far_node.host.link.heal();
    let begin = Instant::now();
    far_node.stands(TOGETHER).await;
    let took = begin.elapsed();
    assert!(took < HEALED_WITHIN, "healed after {took:?}");
    for (event, data) in then {
        receives(&mut far, event, data).await;
    }
    receives(&mut near, "event", "alone").await;
    near_node.trigger("after").await;
    for socket in [&mut near, &mut far] {
        receives(socket, "event", "after").await;
    }
    for socket in [&mut near, &mut far, &mut near_member, &mut far_member] {
        assert_eq!(socket.receive_all().await, [""; 0], "no member left, and nothing came twice");
    }
}

pub(crate) async fn a_node_whose_link_is_cut_serves_its_sockets_and_reports_the_gap() {
    cut_and_healed("pubsub", &[("resync", r#"{"missed":3}"#)]).await;
}

pub(crate) async fn a_node_whose_link_was_cut_reads_from_streams_what_it_missed() {
    cut_and_healed("streams", &MISSED.map(|data| ("event", data))).await;
}

/// The node that has Redis takes the members of the other for gone and sees them again; the one that is
/// cut off cannot see a difference, and keeps its members.
pub(crate) async fn a_node_cut_off_for_longer_than_its_lease_leaves_and_comes_back() {
    let mut cluster = Cluster::start(&[("RESOUND_CLUSTER_LEASE_SECONDS", "2")]).await;
    let (mut near, mut far) = cluster.members().await;
    cluster.far.host.link.cut();
    assert_eq!(near.receive().await, removed("far"));
    cluster.far.stands("degraded").await;
    cluster.far.host.link.heal();
    cluster.far.stands(TOGETHER).await;
    assert!(near.receive().await.contains("pusher_internal:member_added"));
    for socket in [&mut near, &mut far] {
        assert_eq!(socket.receive_all().await, [""; 0]);
    }
    drop(near);
    assert_eq!(far.receive().await, removed("near"));
}
