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
async fn each_input_is_listed_with_its_state_and_what_it_counted() {
    if is_left_out() {
        return;
    }
    let mut redis = TestRedis::start().await;
    let toml = laravel_toml(&redis.url, "");
    let second = format!(
        "[[laravel_redis]]\nprefix = \"other-\"\nurl = \"{}\"\napp = \"123456\"\n",
        redis.url
    );
    let server = TestServer::with(&format!("{INTERNAL}{toml}{second}")).await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    publish(&redis, "orders", "7").await;
    publish(&redis, "orders", &message("new", &json!({ "n": 1 }), None)).await;
    assert_event(&mut socket, "orders", "new", r#"{"n":1}"#).await;
    let inputs = server.internal("/internal/v1/inputs").await.json();
    assert!(inputs.get("other_nodes").is_none(), "{inputs}");
    let [first, second] = &inputs["inputs"].as_array().unwrap()[..] else { panic!("{inputs}") };
    assert_eq!(
        [&first["input"], &first["section"], &first["app"], &first["state"]],
        ["laravel", "laravel_redis[0]", "123456", "connected"]
    );
    assert_eq!(first["address"], redis.url);
    let refused = json!([{ "reason": "malformed", "count": 1 }]);
    assert_eq!((&first["messages"], &first["messages_refused"]), (&json!(2), &refused));
    assert_eq!((&first["topics"], &second["topics"]), (&json!(1), &json!(1)));
    assert_eq!((&second["messages"], &second["messages_refused"]), (&json!(0), &json!([])));

    redis.kill();
    eventually("both inputs to be away", async || {
        let inputs = server.internal("/internal/v1/inputs").await.json();
        let is_away = |at: usize| {
            let input = &inputs["inputs"][at];
            let names_key = |cause: &str| cause.contains(&format!("laravel_redis[{at}].url"));
            input["state"] == "away" && input["cause"].as_str().is_some_and(names_key)
        };
        is_away(0) && is_away(1)
    })
    .await;
    let inputs = server.internal("/internal/v1/inputs").await.json();
    assert_eq!(inputs["inputs"][0]["links_lost"], 1);
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
