//! Servers with inputs, and what Laravel publishes for them.

use serde_json::{Value, json};

use crate::harness::server::REVERB_APP;
use crate::harness::{TestRedis, TestServer, TestSocket};

/// As Laravel 12's skeleton has it.
pub(crate) const PREFIX: &str = "laravel-database-";

/// The configuration of an app whose events come from this Redis.
pub(crate) fn laravel_toml(url: &str, more: &str) -> String {
    format!(
        "{REVERB_APP}{more}\n[[laravel_redis]]\nprefix = \"{PREFIX}\"\nurl = \"{url}\"\ntimeout_ms = 20000\n"
    )
}

/// A server with that input.
pub(crate) async fn laravel_server(redis: &TestRedis) -> TestServer {
    TestServer::with(&laravel_toml(&redis.url, "")).await
}

/// The message of an event whose data is an object, as the broadcaster publishes it.
pub(crate) fn message(event: &str, data: &Value, socket: Option<&str>) -> String {
    let mut data = data.clone();
    data["socket"] = socket.map_or(Value::Null, Value::from);
    json!({ "event": event, "data": data, "socket": socket }).to_string()
}

/// Publishes it for a channel; returns the number of nodes that got it.
pub(crate) async fn publish(redis: &TestRedis, channel: &str, message: &str) -> u32 {
    redis.publish(&format!("{PREFIX}{channel}"), message.as_bytes()).await
}

/// Asserts the next message of a socket.
pub(crate) async fn assert_event(socket: &mut TestSocket, channel: &str, event: &str, data: &str) {
    let received = socket.receive().await;
    let expected = format!(
        "{{\"event\":{},\"data\":{},\"channel\":\"{channel}\"}}",
        json!(event),
        json!(data)
    );
    assert_eq!(received, expected);
}
