//! What the internal API answers about a cluster: nodes, leases, links to Redis, losses and disagreements.

use serde_json::{Value, json};

use crate::harness::redis::{TestRedis, is_left_out, is_valkey};
use crate::harness::server::REVERB_APP;
use crate::harness::{TestCluster, TestServer, eventually};

const LISTEN: &str = "internal.listen = [\"127.0.0.1:0\"]\n";

fn toml() -> String {
    format!("{LISTEN}{REVERB_APP}")
}

async fn name(node: &TestServer) -> String {
    node.internal("/internal/v1").await.json()["node"].as_str().unwrap().to_owned()
}

async fn view(node: &TestServer) -> Value {
    node.internal("/internal/v1/cluster").await.json()
}

#[tokio::test]
async fn each_node_has_a_lease_and_a_link() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let cluster = TestCluster::hasty(&redis, 2, &toml()).await;
    let (nodes, mut names) = (&cluster.nodes, Vec::new());
    for node in nodes {
        names.push(name(node).await);
    }
    let _socket = nodes[1].connect().await;
    let mut view_of_both = Value::Null;
    eventually("both nodes with a lease", async || {
        view_of_both = view(&nodes[0]).await;
        view_of_both["leases"].as_array().is_some_and(|all| all.len() == 2)
            && view_of_both["other_nodes"] == json!({"answered": 1, "missing": 0})
    })
    .await;
    let view = view_of_both;
    assert_eq!(view["state"], "connected");
    for (at, node) in view["nodes"].as_array().unwrap().iter().enumerate() {
        assert_eq!(node["node"], json!(names[at]));
        assert_eq!(node["sockets"], json!(at), "of each node its own");
        assert_eq!(
            (&node["prefix"], &node["transport"]),
            (&json!(cluster.prefix), &json!("pubsub"))
        );
        assert_eq!((&node["lease_ms"], &node["disagreements"]), (&json!(4000), &json!([])));
        assert!(node["last_heartbeat_ago_ms"].as_u64() <= node["up_for_ms"].as_u64(), "{node}");
        let link = &node["links"][0];
        assert_eq!(link["address"], json!(format!("redis://127.0.0.1:{}", redis.port)));
        let server = (&link["state"], &link["software"], &link["role"], &link["replicas"]);
        let software = json!(if is_valkey() { "valkey" } else { "redis" });
        assert_eq!(server, (&json!("connected"), &software, &json!("primary"), &json!(0)));
        assert!(link["version"].as_str().unwrap().contains('.'), "{link}");
        assert!(link["round_trip_last_ms"].as_f64().unwrap() > 0.0, "{link}");
        assert_eq!((&link["reconnects"], &link["cause"]), (&json!(0), &Value::Null));
    }
    for lease in view["leases"].as_array().unwrap() {
        assert!(names.iter().any(|name| lease["node"] == json!(name)), "{lease}");
        let left = lease["ends_in_ms"].as_i64().unwrap();
        assert!((1..=4000).contains(&left), "{lease}");
    }
    let own = nodes[0].internal("/internal/v1/cluster?nodes=this").await.json();
    assert_eq!((own["nodes"].as_array().unwrap().len(), &own["leases"]), (1, &Value::Null));
    assert!(own.get("other_nodes").is_none());
}

#[tokio::test]
async fn a_redis_that_is_away_has_a_time_and_a_cause() {
    if is_left_out() {
        return;
    }
    let mut redis = TestRedis::start().await;
    let cluster = TestCluster::hasty(&redis, 1, &toml()).await;
    let node = &cluster.nodes[0];
    eventually("the link to be up for a while", async || {
        view(node).await["nodes"][0]["links"][0]["for_ms"].as_u64().unwrap() > 500
    })
    .await;
    redis.kill();
    let mut away = Value::Null;
    eventually("the link to be away", async || {
        away = view(node).await;
        away["state"] == "away" && away["nodes"][0]["links"][0]["cause"].is_string()
    })
    .await;
    let link = &away["nodes"][0]["links"][0];
    assert_eq!((&link["state"], &away["leases"]), (&json!("away"), &Value::Null));
    assert_eq!(away["other_nodes"], json!({"answered": 0, "missing": null}));
    assert!(link["for_ms"].as_u64().unwrap() < 500, "since the loss, not since the start: {link}");
    assert_eq!(away["nodes"][0]["losses"]["links_lost"], 1);
    redis.restart().await;
    eventually("the link to be back", async || view(node).await["state"] == "connected").await;
    let back = view(node).await;
    let link = &back["nodes"][0]["links"][0];
    assert_eq!((&link["reconnects"], &link["cause"]), (&json!(1), &Value::Null), "{link}");
    assert!(back["leases"].as_array().is_some(), "{back}");
}

#[tokio::test]
async fn losses_and_disagreements_have_a_sentence() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let mut cluster = TestCluster::with(&redis, 1, &toml()).await;
    let other = toml().replace("reverb-secret", "another-secret");
    cluster.join(&redis.url, &other).await;
    let foreign = name(&cluster.nodes[1]).await;
    redis.publish(&format!("{}:all", cluster.prefix), b"no message").await;
    let mut node = Value::Null;
    eventually("the difference", async || {
        node = view(&cluster.nodes[0]).await["nodes"][0].clone();
        node["disagreements"].as_array().is_some_and(|all| !all.is_empty())
            && node["losses"]["invalid_messages"].as_array().is_some_and(|all| !all.is_empty())
    })
    .await;
    let disagreement = &node["disagreements"][0];
    assert_eq!(
        (&disagreement["about"], &disagreement["app"]),
        (&json!("secret"), &json!("123456"))
    );
    assert_eq!(disagreement["nodes"], json!([foreign]));
    assert_eq!(
        disagreement["sentence"],
        "app 123456 has another secret there, so signatures are refused on some nodes: configure the same secret on all nodes, or give installations that are not one cluster another cluster.prefix"
    );
    let invalid = &node["losses"]["invalid_messages"];
    assert_eq!((&invalid[0]["reason"], &invalid[0]["count"]), (&json!("malformed"), &json!(1)));
    assert!(invalid[0]["sentence"].as_str().unwrap().ends_with("or set another cluster.prefix"));
    assert_eq!(invalid.as_array().unwrap().len(), 1, "only what was counted: {invalid}");
}
