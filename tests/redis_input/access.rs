//! Ways to the Redis of an input: over TLS, and through a Sentinel that names another server in time.

use serde_json::json;
use tokio::process::Command;

use crate::fixture::{PREFIX, assert_event, message};
use crate::harness::redis::is_left_out;
use crate::harness::redis_access::{Watched, tls_redis};
use crate::harness::server::REVERB_APP;
use crate::harness::{TestServer, TestSocket, eventually, within};
use crate::reverb::event_of_reverb;

const AWAY: &str = "resound_condition{condition=\"redis_input_away\"}";

/// A server with both kinds of input at one Redis, which these lines lead to.
async fn server(lines: &str) -> TestServer {
    let server = TestServer::with(&format!(
        "{REVERB_APP}[[laravel_redis]]\nprefix = \"{PREFIX}\"\n{lines}[beside_reverb]\n{lines}"
    ))
    .await;
    eventually("the links", async || server.metric(AWAY) == 0.0).await;
    server
}

/// Publishes with `redis-cli`; returns the number of receivers.
async fn publish(access: &[&str], topic: &str, text: &str) -> u32 {
    let mut command = Command::new("redis-cli");
    command.args(access).args(["PUBLISH", topic, text]);
    let output = within("redis-cli", command.output()).await.expect("redis-cli is installed");
    let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    printed.parse().unwrap_or_else(|_| panic!("{output:?}"))
}

/// What either program publishes at the Redis with this access reaches the socket.
async fn assert_both_flow(access: &[&str], socket: &mut TestSocket) {
    let laravels = message("of-laravel", &json!({ "n": 1 }), None);
    let topic = format!("{PREFIX}orders");
    eventually("the topic", async || publish(access, &topic, &laravels).await == 1).await;
    assert_event(socket, "orders", "of-laravel", r#"{"n":1}"#).await;
    let payload = json!({ "event": "of-reverb", "channel": "orders", "data": "{\"n\":2}" });
    let reverbs = event_of_reverb(&payload).to_string();
    eventually("the scaling channel", async || publish(access, "reverb", &reverbs).await == 1)
        .await;
    assert_event(socket, "orders", "of-reverb", r#"{"n":2}"#).await;
}

#[tokio::test]
async fn both_inputs_are_served_over_tls() {
    if is_left_out() {
        return;
    }
    let (redis, authority) = tls_redis().await;
    let port = redis.port.to_string();
    let url = format!("url = \"rediss://localhost:{port}\"\nca_file = \"{authority}\"\n");
    let server = server(&url).await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    let access = ["--tls", "--cacert", &authority, "-h", "localhost", "-p", &port];
    assert_both_flow(&access, &mut socket).await;
}

#[tokio::test]
async fn both_inputs_follow_a_sentinel_to_another_redis() {
    if is_left_out() {
        return;
    }
    let mut redis = Watched::start().await;
    let server = server(&format!("url = \"{}\"\n", redis.url)).await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    let port = redis.primary.port.to_string();
    assert_both_flow(&["-p", &port], &mut socket).await;
    redis.fail_over().await;
    let port = redis.replica.port.to_string();
    assert_both_flow(&["-p", &port], &mut socket).await;
    for input in ["laravel", "reverb"] {
        let lost = format!("resound_redis_input_links_lost_total{{input=\"{input}\"}}");
        eventually(input, async || server.metric(&lost) >= 1.0 && server.metric(AWAY) == 0.0).await;
    }
}
