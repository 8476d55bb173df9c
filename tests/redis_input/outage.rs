//! Redis is away, comes back, refuses, or is no Redis.

use serde_json::json;

use crate::fixture::{assert_event, laravel_toml, message, publish};
use crate::harness::redis::is_left_out;
use crate::harness::server::REVERB_APP;
use crate::harness::{Program, TestRedis, TestServer, eventually};

const AWAY: &str = "resound_condition{condition=\"redis_input_away\"}";

#[tokio::test]
async fn after_an_outage_every_topic_is_subscribed_to_again_and_the_gap_is_announced() {
    if is_left_out() {
        return;
    }
    let mut redis = TestRedis::start().await;
    let toml = laravel_toml(&redis.url, "gap_event = \"resync\"");
    let server = TestServer::with(&toml).await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    assert_eq!(server.metric(AWAY), 0.0);
    redis.kill();
    eventually("the condition", async || server.metric(AWAY) == 1.0).await;
    // Without Redis nothing waits, and the HTTP API delivers.
    socket.subscribe("other").await;
    server.backend().trigger("orders", "http", "{}").await;
    assert_event(&mut socket, "orders", "http", "{}").await;
    redis.restart().await;
    let mut gaps = [socket.receive().await, socket.receive().await];
    gaps.sort();
    let gap = |channel: &str| {
        let data = json!(r#"{"missed":null}"#);
        format!("{{\"event\":\"resync\",\"data\":{data},\"channel\":\"{channel}\"}}")
    };
    assert_eq!(gaps, [gap("orders"), gap("other")]);
    assert_eq!(server.metric(AWAY), 0.0);
    for channel in ["orders", "other"] {
        assert_eq!(publish(&redis, channel, &message("new", &json!({ "n": 1 }), None)).await, 1);
        assert_event(&mut socket, channel, "new", r#"{"n":1}"#).await;
    }
    assert_eq!(server.metric("resound_redis_input_links_lost_total{input=\"laravel\"}"), 1.0);
    assert_eq!(server.metric("resound_redis_input_possible_gaps_total{input=\"laravel\"}"), 2.0);
    assert_eq!(server.metric("resound_redis_input_links{input=\"laravel\"}"), 1.0);
}

/// A Redis that stands still ends the wait of a join when `timeout_ms` is over.
#[tokio::test]
async fn a_join_waits_no_longer_than_the_time_limit() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let toml = laravel_toml(&redis.url, "").replace("20000", "200");
    let server = TestServer::with(&toml).await;
    let mut socket = server.connect().await;
    redis.stop();
    socket.subscribe("orders").await;
    eventually("the condition", async || server.metric(AWAY) == 1.0).await;
    redis.go_on();
    eventually("its end", async || server.metric(AWAY) == 0.0).await;
    eventually("the subscription", async || {
        publish(&redis, "orders", &message("new", &json!({ "n": 1 }), None)).await == 1
    })
    .await;
    assert_event(&mut socket, "orders", "new", r#"{"n":1}"#).await;
}

#[tokio::test]
async fn a_refusal_is_logged_with_the_key_of_the_input() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::with(&["--requirepass", "right"]).await;
    let folder = crate::harness::Folder::new();
    let path = format!("{folder}/a.toml");
    let input = format!("[[laravel_redis]]\nprefix = \"\"\nurl = \"{}\"\n", redis.url);
    std::fs::write(&path, format!("{REVERB_APP}{input}")).unwrap();
    let mut program = Program::start_with_file(&path).await;
    let line = program.log_line("Redis is away").await;
    assert!(line.contains("input=\"laravel_redis[0]\""), "{line}");
    assert!(line.contains("set laravel_redis[0].password (REDIS_PASSWORD)"), "{line}");
    let mut ready = crate::harness::Backend::new(program.address, "", "", "");
    let answer = ready.send("GET", "/ready", "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("\"redis_input_away\""), "{}", answer.body);
}

#[tokio::test]
async fn a_user_without_the_right_to_a_topic_gets_the_command_that_gives_it() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let _: String =
        redis.ask(&["ACL", "SETUSER", "hub", "on", ">pass", "resetchannels", "+@all"]).await;
    let folder = crate::harness::Folder::new();
    let path = format!("{folder}/a.toml");
    let url = redis.url.replace("redis://", "redis://hub:pass@");
    let input = format!("[[laravel_redis]]\nprefix = \"shop_\"\nurl = \"{url}\"\n");
    std::fs::write(&path, format!("{REVERB_APP}{input}")).unwrap();
    let mut program = Program::start_with_file(&path).await;
    let mut socket =
        crate::harness::TestSocket::greeted(program.address, "/app/reverb-key?protocol=7").await;
    socket.subscribe("orders").await;
    let line = program.log_line("Redis is away").await;
    assert!(line.contains("run ACL SETUSER hub "), "{line}");
    assert!(line.contains("&shop_*"), "{line}");
    let _: String = redis.ask(&["ACL", "SETUSER", "hub", "&shop_*"]).await;
    eventually("the subscription", async || {
        redis.publish("shop_orders", message("new", &json!({ "n": 1 }), None).as_bytes()).await == 1
    })
    .await;
    assert_event(&mut socket, "orders", "new", r#"{"n":1}"#).await;
}
