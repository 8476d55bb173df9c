//! Bodies in every form HTTP/1.1 has, and those that are too large or unsigned.

use crate::bystander::Bystander;
use crate::harness::Program;
use crate::harness::TestServer;
use crate::requests::{EVENT, EVENTS, ask, content_length, request, signed};
use crate::wire::Wire;

fn chunked(body: &str) -> String {
    let chunks = body.as_bytes().chunks(7).map(|chunk| {
        format!("{:x};extension\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap())
    });
    chunks.chain(["0\r\n\r\n".to_owned()]).collect()
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
    // 100-continue: requested, sent, then answered.
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

/// A client that reads only when all is sent: a reset would take the answer from it.
#[tokio::test]
async fn an_answer_that_comes_early_arrives() {
    const BODY_BYTES: usize = 6 << 20;
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    let events = signed(&server, "POST", EVENTS, "x");
    let unsigned = events.replace("signature=", "signature=0");
    let plain = format!("Content-Length: {BODY_BYTES}\r\n");
    let expecting = format!("{plain}Expect: 100-continue\r\n");
    let chunked = "Transfer-Encoding: chunked\r\n";
    let body = vec![b'x'; BODY_BYTES];
    let chunks = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).repeat(BODY_BYTES >> 16);
    let head = |target: &str, fields: &str| request("POST", target, fields, "").into_bytes();
    for (name, head, body, status) in [
        ("too large and chunked", head(&events, chunked), chunks.as_bytes(), 413),
        ("too large", head(&events, &plain), &body[..], 413),
        ("too large, not waiting for 100", head(&events, &expecting), &body[..], 413),
        ("not signed", head(&unsigned, &plain), &body[..], 401),
        ("not signed and chunked", head(&unsigned, chunked), chunks.as_bytes(), 401),
        ("no such route", head("/nope", &plain), &body[..], 404),
        ("no such method", head("/up", &plain), &body[..], 405),
        ("no such app", head("/apps/1/events", &plain), &body[..], 404),
    ] {
        let mut wire = Wire::open(server.address).await;
        wire.send(&head).await;
        wire.try_send(body).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(wire.reply().await.status, status, "{name}");
        bystander.is_served().await;
    }
}

/// The same for what comes behind a last request.
#[tokio::test]
async fn the_last_answer_arrives_whatever_is_sent_behind_its_request() {
    let server = TestServer::start().await;
    let last = request("GET", "/up", "Connection: close\r\n", "");
    let more = request("GET", "/up", "", "").repeat(20_000);
    for _ in 0..5 {
        let mut wire = Wire::open(server.address).await;
        wire.send([last.as_bytes(), more.as_bytes()].concat()).await;
        assert_eq!(wire.reply().await.status, 200);
        wire.ends().await;
    }
}

/// What is read and dropped behind an answer is bounded.
#[tokio::test]
async fn a_body_behind_an_answer_is_not_read_for_ever() {
    let server = TestServer::start().await;
    let piece = [b'x'; 1 << 16];
    let mut wire = Wire::open(server.address).await;
    wire.send(request("POST", "/nope", "Content-Length: 1000000000\r\n", "")).await;
    let mut sent = 0;
    while sent < 1_000_000_000 && wire.try_send(&piece).await.is_ok() {
        sent += piece.len();
    }
    // 8 MiB are dropped; the rest is what the kernels of both sides hold.
    assert!(sent < 40 << 20, "{sent} bytes were taken");
}

#[tokio::test]
async fn an_unsigned_body_is_not_stored() {
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
}
