//! Requests no client library sends: the right status and text, and a connection that ends or
//! goes on as HTTP/1.1 has it.

use crate::bystander::Bystander;
use crate::harness::TestServer;
use crate::requests::{CHANNELS, EVENT, EVENTS, ask, check, request, signed};
use crate::wire::{Wire, handshake};

#[tokio::test]
async fn requests_that_are_not_http_are_refused() {
    let server = TestServer::start().await;
    let get = |fields: &str| request("GET", "/up", fields, "");
    let events = signed(&server, "POST", EVENTS, EVENT);
    let post = |fields: &str, body: &str| request("POST", &events, fields, body);
    let many = "X-Field: 1\r\n".repeat(100);
    let cases = [
        ("garbage", "garbage\r\n\r\n".to_owned(), 400, ""),
        ("zeros", "\0\0\0\0\r\n\r\n".to_owned(), 400, ""),
        ("no target", "GET HTTP/1.1\r\n\r\n".to_owned(), 400, ""),
        ("HTTP/3", "GET /up HTTP/3.0\r\n\r\n".to_owned(), 400, ""),
        ("a name with a space", get("X Y: 1\r\n"), 400, ""),
        ("a value with a zero", get("X: \0\r\n"), 400, ""),
        ("no colon", get("X\r\n"), 400, ""),
        ("100 header fields", get(&"X-Field: 1\r\n".repeat(99)), 200, "OK"),
        ("101 header fields", get(&many), 431, ""),
        ("a huge header", get(&format!("X: {}\r\n", "x".repeat(20_000))), 431, ""),
        (
            "a header that never ends",
            format!("GET /up HTTP/1.1\r\nX: {}", "x".repeat(20_000)),
            431,
            "",
        ),
        ("two lengths", post("Content-Length: 51\r\nContent-Length: 50\r\n", EVENT), 400, ""),
        ("two lengths in one", post("Content-Length: 51, 50\r\n", EVENT), 400, ""),
        ("a negative length", post("Content-Length: -1\r\n", EVENT), 400, ""),
        ("a length with a plus", post("Content-Length: +51\r\n", EVENT), 400, ""),
        ("2^64 bytes", post("Content-Length: 18446744073709551616\r\n", EVENT), 400, ""),
        ("another coding", post("Transfer-Encoding: gzip\r\n", EVENT), 400, ""),
        ("chunked, not last", post("Transfer-Encoding: chunked, gzip\r\n", EVENT), 400, ""),
        ("a chunk of zz", post("Transfer-Encoding: chunked\r\n", "zz\r\n"), 400, "body"),
        ("a chunk of -1", post("Transfer-Encoding: chunked\r\n", "-1\r\n"), 400, "body"),
        (
            "a chunk of 2^64",
            post("Transfer-Encoding: chunked\r\n", "10000000000000000\r\n"),
            400,
            "body",
        ),
        (
            "a chunk longer than said",
            post("Transfer-Encoding: chunked\r\n", "2\r\n{}}\r\n"),
            400,
            "body",
        ),
    ];
    check(&server, &cases).await;
}

#[tokio::test]
async fn a_target_longer_than_the_head_is_refused() {
    let server = TestServer::start().await;
    let reply = ask(&server, request("GET", &format!("/{}", "x".repeat(20_000)), "", "")).await;
    assert!([414, 431].contains(&reply.status), "{reply:?}");
}

#[tokio::test]
async fn routes_and_methods_have_their_answers() {
    let server = TestServer::start().await;
    let get = |target: &str, fields: &str| request("GET", target, fields, "");
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    let mut bystander = Bystander::at(server.address).await;
    let cases = [
        ("health", get("/up", ""), 200, r#"{"health":"OK"}"#),
        ("HTTP/1.0", "GET /up HTTP/1.0\r\n\r\n".to_owned(), 200, r#"{"health":"OK"}"#),
        ("a trailing slash", get("/up/", ""), 404, "/up/"),
        (
            "a signed trailing slash",
            get(&signed(&server, "GET", "/apps/123456/channels/", ""), ""),
            404,
            "",
        ),
        ("OPTIONS", request("OPTIONS", EVENTS, "", ""), 405, "OPTIONS"),
        ("OPTIONS *", request("OPTIONS", "*", "", ""), 404, ""),
        ("PUT", request("PUT", EVENTS, "Content-Length: 0\r\n", ""), 405, "PUT"),
        ("a made-up method", request("BREW", "/up", "", ""), 405, "BREW"),
        ("CONNECT", request("CONNECT", "example.com:80", "", ""), 404, ""),
        (
            "Upgrade on the API",
            get(&signed(&server, "GET", CHANNELS, ""), upgrade),
            200,
            "bystander",
        ),
        ("no Upgrade at the door", get("/app/reverb-key", ""), 426, "Upgrade"),
    ];
    check(&server, &cases).await;
    // HEAD: the answer of GET without its body, and the connection goes on.
    let mut wire = Wire::open(server.address).await;
    let channels = signed(&server, "HEAD", CHANNELS, "");
    wire.send([request("HEAD", "/up", "", ""), request("HEAD", &channels, "", "")].concat()).await;
    for _ in 0..2 {
        let head = wire.head().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    }
    wire.send(get("/up", "")).await;
    assert_eq!(wire.reply().await.body, r#"{"health":"OK"}"#);
    bystander.is_served().await;
}

#[tokio::test]
async fn handshakes_with_a_fault_say_which() {
    let server = TestServer::start().await;
    let without = |part: &str| handshake().replace(part, "");
    let with = |from: &str, to: &str| handshake().replace(from, to);
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let version = "Sec-WebSocket-Version: 13\r\n";
    let cases = [
        ("no key", without(key), 400, "Sec-WebSocket-Key"),
        ("a short key", with("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), 400, "Sec-WebSocket-Key"),
        ("no base64", with("dGhlIHNhbXBsZSBub25jZQ==", "!!!!!!!!!!!!!!!!!!!!!!=="), 400, "base64"),
        ("no version", without(version), 426, "13"),
        ("version 12", with(version, "Sec-WebSocket-Version: 12\r\n"), 426, "13"),
        ("no Connection", without("Connection: Upgrade\r\n"), 400, "Connection: Upgrade"),
        ("keep-alive", with("Connection: Upgrade", "Connection: keep-alive"), 400, "Upgrade"),
        ("POST", with("GET /", "POST /"), 400, "GET"),
        ("HTTP/1.0", with("HTTP/1.1", "HTTP/1.0"), 400, "HTTP/1.1"),
    ];
    check(&server, &cases).await;
    let reply = ask(&server, without(version)).await;
    assert!(reply.head.contains("sec-websocket-version: 13\r\n"), "{}", reply.head);
    let lists = with("Connection: Upgrade", "connection: keep-alive, UPGRADE");
    assert_eq!(ask(&server, lists.replace("websocket", "h2c, WebSocket")).await.status, 101);
}
