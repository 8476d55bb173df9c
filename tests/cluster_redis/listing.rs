//! Lists of channels and sockets on two nodes, whichever is asked.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::{INTERNAL_TOKEN, REVERB_APP};
use crate::harness::{TestCluster, TestServer, eventually};

async fn get(node: &TestServer, target: &str) -> Value {
    node.internal_as("GET", &format!("/internal/v1{target}")).await.json()
}

/// Two nodes, each with an internal listener, and their Redis, which ends when no test holds it.
async fn two_nodes() -> (Arc<TestRedis>, TestCluster) {
    let redis = TestRedis::shared().await;
    let cluster = two_nodes_over(&redis).await;
    (redis, cluster)
}

async fn two_nodes_over(redis: &TestRedis) -> TestCluster {
    let toml = format!(
        "internal.listen = [\"127.0.0.1:0\"]\ninternal.token = \"{INTERNAL_TOKEN}\"\n{REVERB_APP}"
    );
    TestCluster::with(redis, 2, &toml).await
}

/// They are read from Redis in steps of 512.
#[tokio::test]
async fn a_list_of_many_channels_is_complete_and_in_order() {
    if is_left_out() {
        return;
    }
    let (_redis, cluster) = two_nodes().await;
    let (here, there) = (&cluster.nodes[0], &cluster.nodes[1]);
    // Two whole steps: the list ends with an empty one.
    let names: Vec<String> = (0..1024).map(|number| format!("many-{number:04}")).collect();
    let mut sockets = Vec::new();
    for some in names.chunks(64) {
        let mut socket = there.connect().await;
        for name in some {
            socket.subscribe(name).await;
        }
        sockets.push(socket);
    }
    cluster.settle().await;
    let listed = get(here, "/apps/123456/channels?search=many-&limit=500").await;
    assert_eq!((&listed["matched"], &listed["more"]), (&json!(1024), &json!(true)));
    assert_eq!(listed["channels"][499]["channel"], "many-0499");
    let answer = here.backend().get("/channels", &[("filter_by_prefix", "many-")]).await;
    let all: Value = serde_json::from_str(&answer.body).unwrap();
    let all: Vec<&String> = all["channels"].as_object().unwrap().keys().collect();
    assert_eq!(all, names.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn channels_and_sockets_of_both_nodes_are_listed() {
    if is_left_out() {
        return;
    }
    let (_redis, cluster) = two_nodes().await;
    let (here, there) = (&cluster.nodes[0], &cluster.nodes[1]);
    let (mut ann, mut bob) = (here.connect().await, there.connect().await);
    ann.subscribe_signed("presence-room", Some(r#"{"user_id":"ann"}"#)).await;
    let member = r#"{"user_id":"bob","user_info":{"name":"Bob"}}"#;
    bob.subscribe_signed("presence-room", Some(member)).await;
    let channels = get(here, "/apps/123456/channels").await;
    assert_eq!(
        channels["channels"],
        json!([{
            "channel": "presence-room", "type": "presence", "cache": false,
            "subscriptions": 2, "on_this_node": 1, "members": 2,
        }])
    );
    let room = get(here, "/apps/123456/channels/presence-room").await;
    assert_eq!((&room["nodes"], &room["partial"]), (&json!(2), &json!(false)));
    assert!(room["occupied_for_ms"].is_u64());
    assert_eq!(room["member_list"][1]["user_id"], "bob");
    assert_eq!(room["member_list"][1]["user_info"], "{\"name\": string(3)}");
    // A node asks those whose heartbeats it has seen.
    eventually("both nodes answer", async || {
        let all = get(here, "/sockets?channel=presence-room&sort=oldest").await;
        all["matched"] == 2 && all["other_nodes"] == json!({ "answered": 1, "missing": 0 })
    })
    .await;
    let of_bob = get(here, "/sockets?user=bob").await;
    assert_eq!((&of_bob["matched"], &of_bob["sockets"][0]["socket"]), (&json!(1), &json!(bob.id)));
    let one = get(here, &format!("/sockets/{}", bob.id)).await;
    assert_eq!(
        (&one["user_id"], &one["channels"][0]["channel"]),
        (&json!("bob"), &json!("presence-room"))
    );
    assert_eq!(one["node"], of_bob["sockets"][0]["node"]);
    assert_eq!(get(here, "/sockets?nodes=this").await["matched"], 1);
    let answer = here.internal_as("POST", "/internal/v1/apps/123456/users/bob/terminate").await;
    assert_eq!(answer.json()["sockets_on_this_node"], 0);
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_socket_is_closed_by_whichever_node_is_asked() {
    if is_left_out() {
        return;
    }
    let (_redis, cluster) = two_nodes().await;
    let (here, there) = (&cluster.nodes[0], &cluster.nodes[1]);
    let mut socket = there.connect().await;
    let target = format!("/internal/v1/sockets/{}/terminate", socket.id);
    eventually("both nodes answer", async || {
        get(here, "/sockets").await["other_nodes"] == json!({ "answered": 1, "missing": 0 })
    })
    .await;
    let alone = here.internal_as("POST", &format!("{target}?nodes=this")).await;
    assert_eq!(alone.status, 404);
    assert!(alone.body.contains("which nodes=all asks"), "{}", alone.body);
    let node = get(there, "").await["node"].clone();
    let closed = here.internal_as("POST", &target).await;
    let expected = json!({ "app": "123456", "socket": socket.id, "node": node });
    assert_eq!((closed.status, closed.json()), (200, expected));
    let (_, frame) = socket.receive_close().await;
    assert_eq!(u16::from(frame.unwrap().code), 4009);
    let gone = here.internal_as("POST", &target).await;
    assert_eq!(gone.status, 404);
    assert!(gone.body.contains("no socket has the id"), "{}", gone.body);
}

#[tokio::test]
async fn a_socket_of_a_node_that_does_not_answer_is_not_called_unknown() {
    if is_left_out() {
        return;
    }
    let mut redis = TestRedis::start().await;
    let cluster = two_nodes_over(&redis).await;
    let (here, there) = (&cluster.nodes[0], &cluster.nodes[1]);
    let socket = there.connect().await;
    let target = format!("/internal/v1/sockets/{}", socket.id);
    eventually("the other node answers", async || {
        here.internal_as("GET", &target).await.status == 200
    })
    .await;
    redis.stop();
    for (method, target) in [("GET", target.clone()), ("POST", format!("{target}/terminate"))] {
        let answer = here.internal_as(method, &target).await;
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.body.contains("may have this socket; ask again"), "{}", answer.body);
    }
    redis.kill();
    eventually("it has noticed that Redis is away", async || {
        let answer = here.internal_as("GET", &target).await;
        assert_eq!(answer.status, 503, "{}", answer.body);
        answer.body.contains("Redis is away")
    })
    .await;
}
