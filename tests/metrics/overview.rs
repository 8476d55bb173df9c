//! The figures of now and of the last minutes, as the internal listener answers them.

use std::time::Duration;

use serde_json::Value;

use crate::harness::server::REVERB_APP;
use crate::harness::{TestServer, within};

async fn server() -> TestServer {
    TestServer::with(&format!("internal.listen = [\"127.0.0.1:0\"]\n{REVERB_APP}")).await
}

async fn ask(server: &TestServer, target: &str) -> Value {
    serde_json::from_str(&server.internal(target).await.body).unwrap()
}

/// Asks until the answer is as wanted: a sample is taken each second.
async fn until(server: &TestServer, target: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    within(target, async {
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        loop {
            looks.tick().await;
            let answer = ask(server, target).await;
            if is_wanted(&answer) {
                return answer;
            }
        }
    })
    .await
}

#[tokio::test]
async fn the_overview_has_the_figures_of_now() {
    let server = server().await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    server.backend().trigger("orders", "Shipped", "{}").await;
    let has_latency = |answer: &Value| !answer["total"]["latency_p99_ms"].is_null();
    let answer = until(&server, "/internal/v1/overview", has_latency).await;
    let node = &answer["nodes"][0];
    assert_eq!(node["figures"], answer["total"]);
    assert_eq!((&node["redis"], &node["attention"]), (&"off".into(), &Value::Array(vec![])));
    assert_eq!(answer["total"]["sockets"], 1);
    assert_eq!(answer["total"]["subscriptions"], 1);
    assert!(answer.get("other_nodes").is_none(), "there is no cluster");
    #[cfg(target_os = "linux")]
    assert!(answer["total"]["memory_bytes"].as_u64().unwrap() > 1 << 20);
}

#[tokio::test]
async fn the_timeline_has_each_series_in_whole_steps() {
    let server = server().await;
    let _socket = server.connect().await;
    let has_socket = |answer: &Value| {
        let sockets = answer["series"]["sockets"].as_array().unwrap();
        sockets.last().is_some_and(|last| *last == 1.0)
    };
    let answer = until(&server, "/internal/v1/timeline?step=1", has_socket).await;
    assert_eq!(answer["step_ms"], 1000);
    assert_eq!(answer["start_ms"].as_u64().unwrap() % 1000, 0);
    let series = answer["series"].as_object().unwrap();
    let lengths: Vec<usize> = series.values().map(|all| all.as_array().unwrap().len()).collect();
    assert_eq!(lengths, vec![lengths[0]; 14]);
    let now = answer["now_ms"].as_u64().unwrap();
    let later = ask(&server, &format!("/internal/v1/timeline?since={}", now + 60_000)).await;
    assert_eq!(later["series"]["sockets"], Value::Array(vec![]));
    assert_eq!(later["step_ms"], 5000);
}

#[tokio::test]
async fn a_server_alone_has_no_cluster() {
    let alone = ask(&server().await, "/internal/v1/cluster").await;
    assert_eq!(alone["state"], "off");
    assert_eq!((&alone["nodes"], &alone["leases"]), (&Value::Array(vec![]), &Value::Null));
    assert!(alone.get("other_nodes").is_none());
}

#[tokio::test]
async fn parameters_that_cannot_be_read_are_refused() {
    let server = server().await;
    for (target, error) in [
        ("timeline?step=0", "step must be 1 to 60 seconds"),
        ("timeline?since=now", "since must be milliseconds since the Unix epoch"),
        ("timeline?node=1", "the parameter \"node\" is not known; known are since, step, nodes"),
        ("overview?step=1", "the parameter \"step\" is not known; known are nodes"),
        ("overview?nodes=7", "nodes must be all or this"),
    ] {
        let answer = server.internal(&format!("/internal/v1/{target}")).await;
        assert_eq!(answer.status, 400, "{target}");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["error"], error);
    }
}
