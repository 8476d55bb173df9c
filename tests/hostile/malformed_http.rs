//! Requests no client library sends: the right status and text, and a connection that ends or
//! goes on as HTTP/1.1 has it.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::bystander::{Bystander, backend};
use crate::harness::server::REVERB_APP;
use crate::harness::{TestServer, eventually};
use crate::program::Program;
use crate::wire::{Reply, Wire, handshake};

const EVENTS: &str = "/apps/123456/events";
const CHANNELS: &str = "/apps/123456/channels";
const EVENT: &str = r#"{"name":"event","channels":["channel"],"data":"{}"}"#;

/// A request with these header lines, each ended.
fn request(method: &str, target: &str, fields: &str, body: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n{body}")
}

/// A target with the signature of a path and body, which may be others than those sent.
fn signed(server: &TestServer, method: &str, path: &str, body: &str) -> String {
    let query = backend(server.address).query(method, path, &[], body);
    format!("{path}?{query}")
}

fn content_length(body: &str) -> String {
    format!("Content-Length: {}\r\n", body.len())
}

fn chunked(body: &str) -> String {
    let chunks = body.as_bytes().chunks(7).map(|chunk| {
        format!("{:x};extension\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap())
    });
    chunks.chain(["0\r\n\r\n".to_owned()]).collect()
}

async fn ask(server: &TestServer, bytes: impl AsRef<[u8]>) -> Reply {
    let mut wire = Wire::open(server.address).await;
    wire.send(bytes).await;
    wire.reply().await
}

/// Each request is answered with the status and a text that holds the part.
async fn check(server: &TestServer, cases: &[(&str, String, u16, &str)]) {
    let mut bystander = Bystander::at(server.address).await;
    for (name, bytes, status, part) in cases {
        let reply = ask(server, bytes).await;
        assert_eq!(reply.status, *status, "{name}: {reply:?}");
        assert!(reply.body.contains(part), "{name}: {:?} does not say {part:?}", reply.body);
        bystander.is_served().await;
    }
}

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
        ("a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n".to_owned(), 400, ""),
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

/// A GET of `/channels` signed with these parameters as they stand.
fn signed_with(parameters: &[(&str, &str)]) -> String {
    let query: Vec<String> =
        parameters.iter().map(|(name, text)| format!("{name}={text}")).collect();
    let query = query.join("&");
    let mut mac = Hmac::<Sha256>::new_from_slice(b"reverb-secret").unwrap();
    mac.update(format!("GET\n{CHANNELS}\n{query}").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    request("GET", &format!("{CHANNELS}?{query}&auth_signature={signature}"), "", "")
}

#[tokio::test]
async fn signatures_say_what_is_wrong_with_them() {
    let server = TestServer::start().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let key = ("auth_key", "reverb-key");
    let version = ("auth_version", "1.0");
    let at = |seconds: u64| signed_with(&[key, ("auth_timestamp", &seconds.to_string()), version]);
    let timestamp = |text: &str| signed_with(&[key, ("auth_timestamp", text), version]);
    let time = now.to_string();
    let time = ("auth_timestamp", time.as_str());
    let of_nothing = ("body_md5", "d41d8cd98f00b204e9800998ecf8427e");
    let of_something = ("body_md5", "900150983cd24fb0d6963f7d28e17f72");
    let cases = [
        ("now", at(now), 200, "channels"),
        ("590 s ago", at(now - 590), 200, "channels"),
        // The clock may tick between here and there; 602 is as far as that can go wrong.
        ("602 s ago", at(now - 602), 401, "behind the server's clock"),
        ("605 s ahead", at(now + 605), 401, "s ahead of the server's clock"),
        ("no digits", timestamp("1e9"), 401, "timestamp"),
        ("a negative time", timestamp("-1"), 401, "timestamp"),
        ("a time of 2^64", timestamp("18446744073709551616"), 401, "timestamp"),
        ("no time", signed_with(&[key, version]), 401, "auth_timestamp"),
        (
            "another key",
            signed_with(&[("auth_key", "other"), time, version]),
            401,
            "REVERB_APP_KEY",
        ),
        ("another version", signed_with(&[key, time, ("auth_version", "2.0")]), 401, "1.0"),
        ("body_md5 of nothing", signed_with(&[key, time, version, of_nothing]), 200, "channels"),
        (
            "body_md5 of something",
            signed_with(&[key, time, version, of_something]),
            401,
            "body_md5",
        ),
        (
            "a name twice",
            signed_with(&[key, time, version, ("info", "a"), ("info", "b")]),
            400,
            "info",
        ),
        ("auth_key twice", signed_with(&[key, key, time, version]), 400, "auth_key"),
        ("nothing", request("GET", CHANNELS, "", ""), 401, "missing"),
        ("a changed query", at(now).replace(" HTTP", "&info=x HTTP"), 401, "REVERB_APP_SECRET"),
        ("another method", at(now).replace("GET ", "HEAD "), 401, ""),
    ];
    // An answer to HEAD has no body to read: its status is enough.
    let (head, rest) = cases.split_last().unwrap();
    check(&server, rest).await;
    let mut wire = Wire::open(server.address).await;
    wire.send(&head.1).await;
    assert!(wire.head().await.starts_with("HTTP/1.1 401"), "signed for GET");
}

#[tokio::test]
async fn both_spellings_of_a_path_may_be_signed() {
    let server =
        TestServer::with(&REVERB_APP.replace("port = 0", "port = 0\npath = \"/ws\"")).await;
    let backend = backend(server.address);
    let terminate = |user: &str| format!("/apps/123456/users/{user}/terminate_connections");
    let asked = format!("/ws{}", terminate("a%20b"));
    let channels = "/ws/apps/123456/channels";
    let cases = [
        ("POST", &*asked, format!("/ws{}", terminate("a%20b")), 200),
        ("POST", &*asked, format!("/ws{}", terminate("a b")), 200),
        ("POST", &*asked, terminate("a%20b"), 200),
        ("POST", &*asked, terminate("a b"), 200),
        ("POST", &*asked, terminate("a+b"), 401),
        ("GET", channels, channels.to_owned(), 200),
        ("GET", channels, CHANNELS.to_owned(), 200),
        ("GET", channels, "/apps/123456/connections".to_owned(), 401),
        ("GET", CHANNELS, CHANNELS.to_owned(), 404),
    ];
    for (method, target, path, status) in cases {
        let body = if method == "POST" { "{}" } else { "" };
        let query = backend.query(method, &path, &[], body);
        let fields = content_length(body);
        let reply =
            ask(&server, request(method, &format!("{target}?{query}"), &fields, body)).await;
        assert_eq!(reply.status, status, "{target} signed as {path}: {reply:?}");
    }
}

#[tokio::test]
async fn bodies_arrive_in_every_form_http_has() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    let events = signed(&server, "POST", EVENTS, EVENT);
    let whole = request("POST", &events, &content_length(EVENT), EVENT);
    let pieces = request("POST", &events, "Transfer-Encoding: chunked\r\n", &chunked(EVENT));
    let mut wire = Wire::open(server.address).await;
    // Pipelined: two requests in a packet, two answers in order; and what is half there waits.
    let (half, rest) = whole.split_at(whole.len() - 9);
    wire.send([&*whole, &*pieces, half].concat()).await;
    for _ in 0..2 {
        let reply = wire.reply().await;
        assert_eq!((reply.status, &*reply.body), (200, "{}"));
    }
    wire.send(rest).await;
    assert_eq!(wire.reply().await.status, 200);
    // Of pipelined requests, one that is refused does not take the next with it.
    wire.send([&*whole.replace("signature=", "signature=0"), &*whole].concat()).await;
    assert_eq!([wire.reply().await.status, wire.reply().await.status], [401, 200]);
    // 100-continue: asked for, given, then answered.
    let expecting = format!("{}Expect: 100-continue\r\n", content_length(EVENT));
    let head = request("POST", &events, &expecting, "");
    wire.send(&head).await;
    assert_eq!(wire.head().await.split("\r\n").next(), Some("HTTP/1.1 100 Continue"));
    wire.send(EVENT).await;
    assert_eq!(wire.reply().await.status, 200);
    // Not given where the answer is already known.
    wire.send(head.replace("signature=", "signature=0")).await;
    assert_eq!(wire.reply().await.status, 401);
    bystander.is_served().await;
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused_before_it_is_there() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    let events = signed(&server, "POST", EVENTS, "x");
    // Announced: nothing of it need be sent.
    let announced = request("POST", &events, "Content-Length: 4194305\r\n", "");
    let reply = ask(&server, announced).await;
    assert_eq!(reply.status, 413, "{reply:?}");
    assert!(reply.body.contains("4194304 bytes"), "{reply:?}");
    // Not announced: as soon as it is too much, though more would come.
    let mut wire = Wire::open(server.address).await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    wire.send(request("POST", &events, "Transfer-Encoding: chunked\r\n", &chunk.repeat(64))).await;
    wire.send("1\r\nx\r\n").await;
    assert_eq!(wire.reply().await.status, 413);
    bystander.is_served().await;
}

#[tokio::test]
async fn a_body_nobody_signed_is_not_kept() {
    let program = Program::start(&[]).await;
    let mut bystander = Bystander::at(program.address).await;
    const PIECE: usize = 1 << 16;
    for fields in ["Content-Length: 209715200\r\n", "Transfer-Encoding: chunked\r\n"] {
        let piece = match fields.starts_with('C') {
            true => vec![b'x'; PIECE],
            false => format!("{PIECE:x}\r\n{}\r\n", "x".repeat(PIECE)).into_bytes(),
        };
        let before = program.resident();
        let mut wire = Wire::open(program.address).await;
        wire.send(request("POST", EVENTS, fields, "")).await;
        let mut sent = 0;
        while sent < 200 << 20 && wire.try_send(&piece).await.is_ok() {
            sent += PIECE;
        }
        // Hung up on, or read and dropped: either is right, keeping it is not.
        let grown = program.resident().saturating_sub(before);
        assert!(grown < 8 << 20, "{fields:?}: {sent} bytes sent, {grown} kept");
        bystander.is_served().await;
    }
    eventually("the health check", async || {
        let mut wire = Wire::open(program.address).await;
        wire.send(request("GET", "/up", "", "")).await;
        wire.reply().await.status == 200
    })
    .await;
}
