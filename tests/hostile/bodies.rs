//! Bodies in every form HTTP/1.1 has, and those that are too large or from nobody.

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
}
