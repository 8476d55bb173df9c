//! What those see who look at the server's internal listener.

use serde_json::json;

use crate::fixture::{assert_event, laravel_toml, message, publish};
use crate::harness::redis::is_left_out;
use crate::harness::server::REVERB_APP;
use crate::harness::{TestRedis, TestServer, Viewer, eventually};

const INTERNAL: &str = "internal.listen = [\"127.0.0.1:0\"]\n";

#[tokio::test]
async fn an_event_of_laravel_is_shown_with_its_source_and_its_subscribers() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = TestServer::with(&format!("{INTERNAL}{}", laravel_toml(&redis.url, ""))).await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    let mut viewer = Viewer::open(&server, "?kind=trigger,delivery").await;
    publish(&redis, "orders", &message("new", &json!({ "n": 1 }), None)).await;
    assert_event(&mut socket, "orders", "new", r#"{"n":1}"#).await;
    let trigger = viewer.row("trigger").await;
    assert_eq!(trigger["source"], "redis_input");
    assert_eq!((&trigger["channels"], &trigger["subscribers"]), (&json!(["orders"]), &json!(1)));
    assert_eq!(viewer.row("delivery").await["event"], "new");
}

#[tokio::test]
async fn what_laravel_published_and_no_client_gets_is_shown_as_refused() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let toml = laravel_toml(&redis.url, "max_event_data_bytes = 100");
    let server = TestServer::with(&format!("{INTERNAL}{toml}")).await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    let mut viewer = Viewer::open(&server, "?kind=refused&app=123456&channel=orders").await;
    let large = json!({ "text": "x".repeat(100) });
    for (text, reason, cause) in [
        (
            message("large", &large, None),
            "too_large",
            "its data has 111 bytes; the limit is 100: send less, or raise max_event_data_bytes",
        ),
        (
            message("pusher:error", &json!({}), None),
            "event_name",
            "event names starting with pusher: are reserved",
        ),
        (
            "7".to_owned(),
            "malformed",
            "it is no event of Laravel's redis broadcaster (let nothing else publish on these channels), {\"event\":…,\"data\":…,\"socket\":…}: invalid type",
        ),
    ] {
        publish(&redis, "orders", &text).await;
        let row = viewer.row("refused").await;
        assert_eq!((&row["part"], &row["reason"]), (&json!("input"), &json!(reason)), "{row}");
        assert!(row["cause"].as_str().unwrap().starts_with(cause), "{row}");
    }
}

#[tokio::test]
async fn what_a_server_of_reverb_published_and_no_client_gets_is_shown_as_refused() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let reverb = format!("beside_reverb.url = \"{}\"\n{INTERNAL}{REVERB_APP}", redis.url);
    let server = TestServer::with(&reverb).await;
    let mut viewer = Viewer::open(&server, "?kind=refused").await;
    eventually("the topic", async || redis.publish("reverb", b"not JSON").await == 1).await;
    let row = viewer.row("refused").await;
    assert_eq!((&row["part"], &row["reason"]), (&json!("input"), &json!("malformed")), "{row}");
}
