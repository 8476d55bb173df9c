//! Laravel's real classes as the publisher: PHP and `php-illuminate-…` of the distribution, with phpredis and curl.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::fixture::{PREFIX, laravel_server};
use crate::harness::redis::is_left_out;
use crate::harness::{TestRedis, TestServer, TestSocket, within};

const PUBLISHER: &str = "tests/redis_input/publisher.php";
const GUIDE: &str = "config/laravel.md";

/// Whether PHP or Laravel's classes are missing, which `tests/run` does not permit.
async fn has_no_laravel() -> bool {
    let check = "foreach (['Broadcasting', 'Redis', 'Container'] as $it) include_once \"Illuminate/$it/autoload.php\"; \
                 exit(class_exists('Illuminate\\Redis\\RedisManager') && extension_loaded('redis') && extension_loaded('curl') ? 0 : 1);";
    let php = Command::new("php")
        .args(["-r", check])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .status();
    if php.await.is_ok_and(|status| status.success()) {
        return false;
    }
    #[allow(clippy::disallowed_methods, reason = "no configuration: it selects what is tested")]
    let wanted = std::env::var("TEST_SUITES").unwrap_or_default();
    assert_ne!(
        wanted, "all",
        "php, its extensions redis and curl, or Laravel's classes are missing: run tests/install"
    );
    let _ = std::io::stderr()
        .write_all(b"LEFT OUT: Laravel's classes (php is missing); tests/run installs it\n");
    true
}

/// Runs the publisher; returns what it printed.
async fn php(
    redis: &TestRedis,
    server: &TestServer,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> String {
    let mut command = Command::new("php");
    command.arg(PUBLISHER).args(arguments).envs(variables.iter().copied());
    command.env("PREFIX", PREFIX).env("REDIS_PORT", redis.port.to_string());
    command.env("SERVER_PORT", server.address.port().to_string());
    let output = within("PHP", command.output()).await.expect("php is there");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{printed}{}", text(&output.stderr));
    printed
}

async fn receive(socket: &mut TestSocket, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(socket.receive().await);
    }
    all
}

#[tokio::test]
async fn what_laravel_publishes_is_the_same_over_http_and_through_redis() {
    if is_left_out() || has_no_laravel().await {
        return;
    }
    let redis = TestRedis::start().await;
    let server = laravel_server(&redis).await;
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    one.subscribe("orders").await;
    two.subscribe("orders").await;
    two.subscribe_signed("private-orders.1", None).await;
    two.subscribe_signed("presence-room", Some(r#"{"user_id":"1"}"#)).await;
    let id = one.id.clone();
    let variables = [("SOCKET", &*id)];
    php(&redis, &server, &["publish", "reverb"], &variables).await;
    let over_http = (receive(&mut one, 5).await, receive(&mut two, 10).await);
    php(&redis, &server, &["publish", "redis"], &variables).await;
    let through_redis = (receive(&mut one, 5).await, receive(&mut two, 10).await);
    assert_eq!(over_http, through_redis);
    let shipped = r#"{"event":"OrderShipped","data":"{\"text\":\"\\u00e4 \\u2603 \\\"q\\\" \\\\ <\\/script> \\ud83d\\ude00\",\"numbers\":[1.5,0.1,1.0e+100,-0,9223372036854775807],\"nested\":{\"list\":[],\"map\":{\"socket\":\"kept\",\"null\":null},\"truth\":false},\"empty\":\"\"}","channel":"orders"}"#;
    assert_eq!(through_redis.1[0], shipped);
    let named = |data: &str| {
        format!("{{\"event\":\"order.shipped\",\"data\":{data},\"channel\":\"orders\"}}")
    };
    assert_eq!(through_redis.1[4], named("\"[]\""));
    assert_eq!(through_redis.1[5], named(r#""[\"a\",{\"b\":1},null]""#));
    assert_eq!(one.receive_all().await, Vec::<String>::new());
    assert_eq!(two.receive_all().await, Vec::<String>::new());
}

/// The recipe as the guide has it, read from there.
#[tokio::test]
async fn the_recipe_authorizes_as_reverb_and_publishes_through_redis() {
    if is_left_out() || has_no_laravel().await {
        return;
    }
    let redis = TestRedis::start().await;
    let server = laravel_server(&redis).await;
    let mut socket = server.connect().await;
    let id = socket.id.clone();
    let variables = [("SOCKET", &*id), ("CONNECTION", "reverb-redis")];
    let printed = php(&redis, &server, &["recipe", GUIDE], &variables).await;
    let answer: Value = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}"));
    let auth = answer["auth"].as_str().unwrap_or_else(|| panic!("{printed}"));
    assert_eq!(auth, socket.auth("private-orders.1", None));
    let data = serde_json::json!({ "channel": "private-orders.1", "auth": auth });
    let subscribe = serde_json::json!({ "event": "pusher:subscribe", "data": data });
    socket.send_text(&subscribe.to_string()).await;
    socket.receive_answer("private-orders.1").await;
    socket.subscribe_signed("private-encrypted-secret", None).await;
    php(&redis, &server, &["recipe-publish", GUIDE], &variables).await;
    let mut received = receive(&mut socket, 2).await;
    received.sort();
    let event = |channel: &str, data: &str| {
        format!("{{\"event\":\"order.shipped\",\"data\":{data},\"channel\":\"{channel}\"}}")
    };
    let through_redis = event("private-orders.1", r#""{\"n\":1}""#);
    let over_http = event("private-encrypted-secret", r#""{\"ciphertext\":\"x\"}""#);
    assert_eq!(received.iter().collect::<Vec<_>>(), [&over_http, &through_redis]);
    assert_eq!(server.metric("resound_redis_input_messages_total{input=\"laravel\"}"), 1.0);
}
