//! What those see who look at the server's internal listener.

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::fixture::{assert_event, laravel_toml, message, publish};
use crate::harness::redis::is_left_out;
use crate::harness::{TestRedis, TestServer, within};

#[tokio::test]
async fn an_event_of_laravel_is_shown_with_its_source_and_its_subscribers() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let internal = "internal.listen = [\"127.0.0.1:0\"]\n";
    let server = TestServer::with(&format!("{internal}{}", laravel_toml(&redis.url, ""))).await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    let mut viewer = TcpStream::connect(server.internal_address.unwrap()).await.unwrap();
    let request =
        "GET /internal/v1/stream?kind=trigger,delivery HTTP/1.1\r\nHost: localhost\r\n\r\n";
    viewer.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(viewer).lines();
    let mut row = async |part: &str| {
        within(part, async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the stream goes on");
                if line.contains(part) {
                    return line;
                }
            }
        })
        .await
    };
    row("\"kind\":\"open\"").await;
    publish(&redis, "orders", &message("new", &json!({ "n": 1 }), None)).await;
    assert_event(&mut socket, "orders", "new", r#"{"n":1}"#).await;
    let trigger = row("\"kind\":\"trigger\"").await;
    assert!(trigger.contains("\"source\":\"redis_input\""), "{trigger}");
    assert!(trigger.contains("\"channels\":[\"orders\"]"), "{trigger}");
    assert!(trigger.contains("\"subscribers\":1"), "{trigger}");
    let delivery = row("\"kind\":\"delivery\"").await;
    assert!(delivery.contains("\"event\":\"new\""), "{delivery}");
}
