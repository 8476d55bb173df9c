//! Requests no client library sends: the right status and text, and a connection that ends or
//! goes on as HTTP/1.1 has it.

use crate::bystander::Bystander;
use crate::harness::TestServer;
use crate::requests::{CHANNELS, EVENT, EVENTS, ask, check, content_length, request, signed};
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
        ("another coding", post("Transfer-Encoding: gzip\r\n", EVENT), 400, "transfer-encoding"),
        ("chunked, not last", post("Transfer-Encoding: chunked, gzip\r\n", EVENT), 400, ""),
        (
            "chunked, not alone",
            post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
            501,
            "chunked",
        ),
        ("a chunk of zz", post("Transfer-Encoding: chunked\r\n", "zz\r\n"), 400, "body"),
        ("a chunk of -1", post("Transfer-Encoding: chunked\r\n", "-1\r\n"), 400, "body"),
        (
            "a chunk of 2^64",
            post("Transfer-Encoding: chunked\r\n", "10000000000000000\r\n"),
            400,
            "body",
        ),
        (
            "a chunk longer than its length",
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
        ("a trailing slash", get("/up/", ""), 200, r#"{"health":"OK"}"#),
        (
            "a signed trailing slash",
            get(&signed(&server, "GET", "/apps/123456/channels/", ""), ""),
            200,
            "bystander",
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

/// RFC 9112, 3.2: a reader in front may have taken the other one.
#[tokio::test]
async fn fields_that_have_one_meaning_come_once() {
    let server = TestServer::start().await;
    let get = |fields: &str| request("GET", "/up", fields, "");
    let events = signed(&server, "POST", EVENTS, EVENT);
    let length = content_length(EVENT);
    let post = |fields: &str| request("POST", &events, &format!("{length}{fields}"), EVENT);
    let shake = |fields: &str| handshake().replace("\r\n\r\n", &format!("\r\n{fields}\r\n"));
    let bare = |head: &str| format!("{head}\r\n\r\n");
    let json = "Content-Type: application/json\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let cases = [
        ("two hosts", get("Host: y\r\n"), 400, "host more than once"),
        ("the same host twice", get("Host: x\r\n"), 400, "host more than once"),
        ("two hosts of a handshake", shake("Host: y\r\n"), 400, "host more than once"),
        ("no host", bare("GET /up HTTP/1.1"), 400, "no Host field"),
        ("no host in HTTP/1.0", bare("GET /up HTTP/1.0"), 200, "OK"),
        ("an empty host", bare("GET /up HTTP/1.1\r\nHost:"), 200, "OK"),
        ("a host in IPv6", bare("GET /up HTTP/1.1\r\nHost: [::1]:8080"), 200, "OK"),
        ("hosts in a list", bare("GET /up HTTP/1.1\r\nHost: a, b"), 400, "not a host name"),
        (
            "a host that is a URL",
            bare("GET /up HTTP/1.1\r\nHost: http://a/"),
            400,
            "not a host name",
        ),
        ("two origins", shake("Origin: http://a\r\nOrigin: http://b\r\n"), 400, "origin"),
        ("two keys", shake(key), 400, "sec-websocket-key"),
        ("two versions", shake("Sec-WebSocket-Version: 13\r\n"), 400, "sec-websocket-version"),
        ("two types", post(&format!("{json}{json}")), 400, "content-type"),
        ("the same length twice", post(&length), 200, "{}"),
        (
            "chunked twice",
            request("POST", &events, &"Transfer-Encoding: chunked\r\n".repeat(2), "0\r\n\r\n"),
            400,
            "transfer-encoding",
        ),
        (
            "lists may come in lines",
            shake("Connection: keep-alive\r\nCookie: a=1\r\nCookie: b=2\r\n"),
            101,
            "",
        ),
        (
            "and so may what proxies add",
            get("X-Forwarded-For: 1\r\nX-Forwarded-For: 2\r\n"),
            200,
            "OK",
        ),
    ];
    check(&server, &cases).await;
}

#[tokio::test]
async fn a_body_that_is_not_plain_json_is_refused_with_its_field() {
    let server = TestServer::start().await;
    let events = signed(&server, "POST", EVENTS, EVENT);
    let channels = signed(&server, "GET", CHANNELS, "");
    let length = content_length(EVENT);
    let post = |fields: &str| request("POST", &events, &format!("{length}{fields}"), EVENT);
    let cases = [
        ("gzip", post("Content-Encoding: gzip\r\n"), 415, "Content-Encoding is \"gzip\""),
        (
            "br, unsigned",
            post("Content-Encoding: br\r\n").replace("signature=", "signature=0"),
            401,
            "",
        ),
        (
            "two codings",
            post("Content-Encoding: identity\r\nContent-Encoding: br\r\n"),
            415,
            "\"br\"",
        ),
        ("identity", post("Content-Encoding: Identity\r\n"), 200, "{}"),
        ("gzip of nothing", request("GET", &channels, "Content-Encoding: gzip\r\n", ""), 200, ""),
        ("UTF-16", post("Content-Type: application/json; charset=UTF-16LE\r\n"), 415, "UTF-8"),
        ("multipart", post("Content-Type: multipart/form-data; boundary=x\r\n"), 415, "multipart"),
        // What SDKs and cURL send today.
        ("UTF-8", post("Content-Type: application/json; charset=utf-8\r\n"), 200, "{}"),
        ("a form", post("Content-Type: application/x-www-form-urlencoded\r\n"), 200, "{}"),
        ("Latin-1", post("Content-Type: text/plain; charset=iso-8859-1\r\n"), 200, "{}"),
        ("another method", post("X-HTTP-Method-Override: DELETE\r\n"), 200, "{}"),
    ];
    check(&server, &cases).await;
    let reply = ask(&server, post("Content-Encoding: gzip\r\n")).await;
    assert!(reply.head.contains("accept-encoding: identity\r\n"), "{}", reply.head);
}

#[tokio::test]
async fn a_faulty_handshake_is_refused_with_its_cause() {
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
