//! What an operator asks at one node is about all nodes: the live stream, refusals, the past of a channel, the record.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{TestCluster, TestServer, eventually, within};

fn toml(lines: &str) -> String {
    format!("internal.listen = [\"127.0.0.1:0\"]\n{lines}\n{REVERB_APP}")
}

/// The name of a node.
async fn name(node: &TestServer) -> String {
    node.internal("/internal/v1").await.json()["node"].as_str().unwrap().to_owned()
}

async fn open_taps(node: &TestServer) -> u64 {
    node.internal("/internal/v1").await.json()["open_taps"].as_u64().unwrap()
}

/// A viewer of the stream of one node.
struct Viewer {
    stream: TcpStream,
    text: String,
}

impl Viewer {
    async fn open(node: &TestServer, query: &str) -> Self {
        let mut stream = TcpStream::connect(node.internal_address.unwrap()).await.unwrap();
        let request =
            format!("GET /internal/v1/stream?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Self { stream, text: String::new() }
    }

    /// The next row for which this holds; rows before it are passed over.
    async fn row(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        within(what, async {
            loop {
                while let Some(end) = self.text.find('\n') {
                    let line: String = self.text.drain(..=end).collect();
                    // Lines of the head, and the lengths of chunks, are no rows.
                    let row: Value = serde_json::from_str(line.trim()).unwrap_or_default();
                    if row.is_object() && fits(&row) {
                        return row;
                    }
                }
                let mut bytes = [0; 16 * 1024];
                let read = self.stream.read(&mut bytes).await.unwrap();
                assert!(read > 0, "the stream ended");
                self.text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
        })
        .await
    }

    /// The row with which these nodes take part, and no other.
    async fn nodes(&mut self, names: &[&str]) {
        let mut expected = names.to_vec();
        expected[1..].sort_unstable();
        let row = json!(expected);
        self.row(&format!("the nodes {names:?}"), |found| {
            found["kind"] == "nodes" && found["nodes"] == row
        })
        .await;
    }
}

#[tokio::test]
async fn a_stream_has_the_rows_of_all_nodes_that_fit_its_filter() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let cluster = TestCluster::with(&redis, 3, &toml("")).await;
    let nodes = &cluster.nodes;
    let names = [name(&nodes[0]).await, name(&nodes[1]).await, name(&nodes[2]).await];
    let mut viewer = Viewer::open(&nodes[0], "app=123456&channel=orders.*").await;
    viewer.nodes(&[&names[0], &names[1], &names[2]]).await;
    let mut alone = Viewer::open(&nodes[0], "nodes=this").await;
    alone.row("the start", |row| row["kind"] == "open").await;
    assert_eq!(open_taps(&nodes[1]).await, 1, "one viewer looks at all nodes");

    let mut socket = nodes[1].connect().await;
    socket.subscribe("other").await;
    socket.subscribe("orders.1").await;
    let joined = viewer.row("a join at another node", |row| row["kind"] == "subscribed").await;
    assert_eq!((&joined["channel"], &joined["node"]), (&json!("orders.1"), &json!(names[1])));
    nodes[2].backend().trigger("orders.1", "shipped", r#"{"id":7}"#).await;
    let (mut triggered, mut delivered) = (Value::Null, Value::Null);
    while triggered.is_null() || delivered.is_null() {
        let row = viewer
            .row("the event", |row| !["open", "nodes"].contains(&row["kind"].as_str().unwrap()))
            .await;
        match row["kind"].as_str().unwrap() {
            "trigger" => triggered = row,
            "delivery" => delivered = row,
            _ => {}
        }
    }
    assert_eq!((&triggered["node"], &delivered["node"]), (&json!(names[2]), &json!(names[1])));
    assert_eq!(delivered["data"], r#"{"id": number}"#);

    drop(viewer);
    eventually("the taps end with their viewer", async || {
        open_taps(&nodes[1]).await == 0 && open_taps(&nodes[2]).await == 0
    })
    .await;
}

#[tokio::test]
async fn an_event_is_explained_with_its_receivers_on_each_node() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let cluster = TestCluster::with(&redis, 2, &toml("")).await;
    let nodes = &cluster.nodes;
    // A node learns from its own heartbeat how many others there are to wait for.
    eventually("each node knows of the other", async || {
        nodes.iter().all(|node| node.metric("resound_cluster_nodes") == 2.0)
    })
    .await;
    let names = [name(&nodes[0]).await, name(&nodes[1]).await];
    let mut here = nodes[0].connect().await;
    here.subscribe("orders").await;
    let mut there = nodes[1].connect().await;
    there.subscribe("orders").await;
    let mut viewer = Viewer::open(&nodes[0], "kind=trigger").await;
    viewer.nodes(&[&names[0], &names[1]]).await;
    let except = Some(there.id.as_str());
    nodes[1].backend().trigger_except("orders", "shipped", r#"{"id":7}"#, except).await;
    let row = viewer.row("the event", |row| row["kind"] == "trigger").await;
    assert_eq!(row["node"], json!(names[1]));

    let id = row["id"].as_str().unwrap();
    let trigger = format!("/internal/v1/apps/123456/triggers/{id}");
    let answer = nodes[0].internal(&trigger).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let explained = answer.json();
    assert_eq!((&explained["trigger"], &explained["event"]), (&json!(id), &json!("shipped")));
    assert_eq!(explained["socket_id"], json!(there.id));
    let alone = nodes[0].internal(&format!("{trigger}?nodes=this")).await;
    assert_eq!(alone.status, 404, "{alone:?}");

    // Who leaves later was a receiver all the same, and who comes later was none.
    let receiver = here.id.clone();
    drop(here);
    let mut late = nodes[0].connect().await;
    late.subscribe("orders").await;
    let (bytes, at_ms) = (&row["bytes"], &row["at_ms"]);
    let query =
        format!("channel=orders&event=shipped&bytes={bytes}&at_ms={at_ms}&except={}", there.id);
    let path = format!("/internal/v1/apps/123456/receivers?{query}");
    let mut expected = [
        json!({"node": names[0], "receivers": [receiver], "as_of": "event"}),
        json!({"node": names[1], "receivers": [], "as_of": "event"}),
    ];
    for node in nodes {
        let answer = node.internal(&path).await.json();
        assert_eq!(answer["nodes"], json!(expected), "{answer}");
        assert_eq!(answer["other_nodes"], json!({"answered": 1, "missing": 0}));
        expected.reverse();
    }
    let unknown = path.replace("event=shipped", "event=other");
    let answer = nodes[0].internal(&unknown).await.json();
    let now = json!({"node": names[0], "receivers": [late.id], "as_of": "now"});
    assert_eq!(answer["nodes"][0], now, "{answer}");
}

#[tokio::test]
async fn a_node_shows_no_more_of_the_data_than_it_allows() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let mut cluster = TestCluster::empty();
    cluster.join(&redis.url, &toml("internal.payloads = \"full\"")).await;
    cluster.join(&redis.url, &toml("internal.payloads = \"none\"")).await;
    cluster.settle().await;
    let nodes = &cluster.nodes;
    let names = [name(&nodes[0]).await, name(&nodes[1]).await];
    let mut here = nodes[0].connect().await;
    here.subscribe("orders").await;
    let mut there = nodes[1].connect().await;
    there.subscribe("orders").await;
    let mut viewer = Viewer::open(&nodes[0], "kind=delivery&payloads=full").await;
    viewer.nodes(&[&names[0], &names[1]]).await;
    // A node that is busy for five seconds ends what was not renewed for so long, and takes part again with the next renewal: its
    // row of an event in between is missing.
    let mut seen = BTreeSet::new();
    within("a delivery of each node", async {
        while seen.len() < 2 {
            nodes[0].backend().trigger("orders", "shipped", r#"{"id":7}"#).await;
            let next = viewer.row("a delivery", |row| row["kind"] == "delivery");
            let row = next.await;
            let is_here = row["node"] == json!(names[0]);
            let expected = if is_here { json!(r#"{"id":7}"#) } else { Value::Null };
            assert_eq!(row["data"], expected, "{row}");
            seen.insert(row["node"].as_str().unwrap().to_owned());
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_node_does_not_send_is_counted() {
    if is_left_out() {
        return;
    }
    const EVENTS: u64 = 1_000;
    let redis = TestRedis::shared().await;
    let cluster = TestCluster::with(&redis, 2, &toml("")).await;
    let nodes = &cluster.nodes;
    let names = [name(&nodes[0]).await, name(&nodes[1]).await];
    let mut viewer = Viewer::open(&nodes[0], "kind=trigger").await;
    viewer.nodes(&[&names[0], &names[1]]).await;
    let mut backend = nodes[1].backend();
    let events: Vec<Value> =
        (0..10).map(|_| json!({"name": "e", "channel": "orders", "data": "{}"})).collect();
    let batch = json!({ "batch": events }).to_string();
    for _ in 0..EVENTS / 10 {
        backend.post("/batch_events", &batch).await;
    }
    let (mut rows, mut dropped) = (0, 0);
    while rows + dropped < EVENTS {
        let row = viewer.row("a row", |row| row["node"] == json!(names[1])).await;
        match row["kind"].as_str().unwrap() {
            "trigger" => rows += 1,
            "dropped" => dropped += row["count"].as_u64().unwrap(),
            kind => panic!("{kind}"),
        }
    }
    assert_eq!(rows + dropped, EVENTS);
    assert!(rows >= 200, "so many may come at once: {rows}");
}

#[tokio::test]
async fn refusals_past_and_record_are_those_of_all_nodes() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let cluster = TestCluster::with(&redis, 2, &toml("record.enabled = true")).await;
    let nodes = &cluster.nodes;
    let names = [name(&nodes[0]).await, name(&nodes[1]).await];
    let mut socket = nodes[1].connect().await;
    let refused =
        json!({"event": "pusher:subscribe", "data": {"channel": "private-a", "auth": "x:y"}});
    socket.send_text(&refused.to_string()).await;
    socket.receive_all().await;
    let of_all = json!({"answered": 1, "missing": 0});
    eventually("the refusal of the other node", async || {
        let found = nodes[0].internal("/internal/v1/refusals?channel=private-a").await.json();
        found["other_nodes"] == of_all
            && found["refusals"].as_array().unwrap().len() == 1
            && found["refusals"][0]["node"] == json!(names[1])
    })
    .await;
    let own = nodes[0].internal("/internal/v1/refusals?nodes=this").await.json();
    assert_eq!(own, json!({"refusals": [], "left_out": 0}));

    nodes[1].backend().trigger("orders", "shipped", "{}").await;
    let explained =
        nodes[0].internal("/internal/v1/apps/123456/explain?channel=orders").await.json();
    assert_eq!(explained["other_nodes"], of_all);
    let past = &explained["past"];
    assert_eq!((&past[0]["kind"], &past[0]["node"]), (&json!("missed"), &json!(names[1])));
    let refusal =
        nodes[0].internal("/internal/v1/apps/123456/explain?channel=private-a").await.json();
    assert_eq!(refusal["past"][0]["node"], json!(names[1]), "{refusal}");

    socket.subscribe("orders").await;
    nodes[1].backend().trigger("orders", "packed", r#"{"id":7}"#).await;
    let recorded = nodes[0].internal("/internal/v1/apps/123456/events?event=packed").await.json();
    // Redis may have delivered the event before the back end has its answer.
    let events = recorded["events"].as_array().unwrap();
    let of_kind = |kind: &str| events.iter().find(|event| event["kind"] == kind).unwrap();
    assert_eq!((events.len(), &of_kind("trigger")["node"]), (2, &json!(names[1])), "{recorded}");
    assert_eq!(of_kind("delivery")["data"], r#"{"id":7}"#);
    assert_eq!((&recorded["incomplete"], &recorded["other_nodes"]), (&json!(false), &of_all));
}

#[tokio::test]
async fn a_stream_goes_on_without_redis_and_finds_the_other_nodes_again() {
    if is_left_out() {
        return;
    }
    let mut redis = TestRedis::start().await;
    let cluster = TestCluster::hasty(&redis, 2, &toml("")).await;
    let nodes = &cluster.nodes;
    let names = [name(&nodes[0]).await, name(&nodes[1]).await];
    let mut viewer = Viewer::open(&nodes[0], "kind=subscribed").await;
    viewer.nodes(&[&names[0], &names[1]]).await;
    redis.kill();
    viewer.nodes(&[&names[0]]).await;
    let mut socket = nodes[0].connect().await;
    socket.subscribe("orders").await;
    let row = viewer.row("a join without Redis", |row| row["kind"] == "subscribed").await;
    assert_eq!(row["node"], json!(names[0]));
    let refusals = nodes[0].internal("/internal/v1/refusals").await.json();
    assert_eq!(refusals["other_nodes"], json!({"answered": 0, "missing": null}));
    redis.restart().await;
    viewer.nodes(&[&names[0], &names[1]]).await;
    let mut socket = nodes[1].connect().await;
    socket.subscribe("orders").await;
    let row = viewer.row("a join at the other node", |row| row["kind"] == "subscribed").await;
    assert_eq!(row["node"], json!(names[1]));
}

/// An inquiry as any user of that Redis can send it.
fn inquiry(id: u8, text: &str) -> Vec<u8> {
    let mut message = b"R\x02I\0\0\0\0\0\0\0\x09".to_vec();
    message.extend([0x82, 0xa2, b'i', b'd', id, 0xa4]);
    message.extend(b"text");
    message.push(0xda);
    message.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    message.extend(text.as_bytes());
    message
}

#[tokio::test]
async fn what_a_node_that_is_none_asks_ends_with_its_lease() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let cluster = TestCluster::with(&redis, 1, &toml("")).await;
    let node = &cluster.nodes[0];
    let topic = format!("{}:all", cluster.prefix);
    for id in 0..20 {
        redis.publish(&topic, &inquiry(id, "/internal/v1/stream")).await;
    }
    for text in ["/metrics", "/internal/v1/stream?kind=nothing", "no path", &"x".repeat(20_000)] {
        redis.publish(&topic, &inquiry(99, text)).await;
    }
    eventually("as many taps as others may have", async || open_taps(node).await == 8).await;
    eventually("no tap outlives its lease", async || open_taps(node).await == 0).await;
    assert_eq!(node.metric("resound_cluster_invalid_messages_total"), 0.0);
}
