//! Messages of Pusher's in a form that no client library sends: binary, in 1 024 fragments, behind the handshake in one packet,
//! large or deep.

use crate::bystander::Bystander;
use crate::harness::TestServer;
use crate::wire::{
    BINARY, BINARY_BEGINS, CLIENT_PING, GOES_ON, GOES_ON_LAST, PING, PONG, SERVER_PONG, TEXT,
    TEXT_BEGINS, Wire, frame, handshake,
};

fn joined(frames: &[Vec<u8>]) -> Vec<u8> {
    frames.concat()
}

#[tokio::test]
async fn an_unusual_but_right_stream_is_understood() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    let (one, two) = CLIENT_PING.split_at(10);
    let begins = || frame(TEXT_BEGINS, one);
    let cases: [(&str, Vec<u8>); 4] = [
        (
            "1024 fragments",
            joined(&[begins(), frame(GOES_ON, "").repeat(1022), frame(GOES_ON_LAST, two)]),
        ),
        ("binary", frame(BINARY, CLIENT_PING)),
        ("binary fragments", joined(&[frame(BINARY_BEGINS, one), frame(GOES_ON_LAST, two)])),
        ("white space up to the limit", frame(TEXT, format!("{CLIENT_PING:10000}"))),
    ];
    for (name, bytes) in cases {
        let mut wire = Wire::socket(server.address).await;
        wire.send(&bytes).await;
        assert_eq!(wire.text().await, SERVER_PONG, "{name}");
    }
    bystander.is_served().await;
}

#[tokio::test]
async fn frames_in_the_packet_of_the_handshake_are_not_lost() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    let mut wire = Wire::open(server.address).await;
    let subscribe = r#"{"event":"pusher:subscribe","data":{"channel":"early"}}"#;
    let (half, rest) = (frame(TEXT, CLIENT_PING), frame(TEXT, CLIENT_PING).split_off(7));
    let frames = joined(&[frame(TEXT, subscribe), frame(PING, "early"), half[..7].to_vec()]);
    wire.send([handshake().into_bytes(), frames].concat()).await;
    wire.expect_greeting().await;
    assert!(wire.text().await.contains("subscription_succeeded"));
    assert_eq!(wire.frame().await, Some((PONG, b"early".to_vec())));
    wire.send(rest).await;
    assert_eq!(wire.text().await, SERVER_PONG);
    // Also where they are all there is.
    let mut wire = Wire::open(server.address).await;
    wire.send([handshake().as_bytes(), b"\x81\x02hi"].concat()).await;
    wire.expect_greeting().await;
    assert_eq!(wire.farewell().await.code, Some(1002));
    bystander.is_served().await;
}

#[tokio::test]
async fn large_and_deep_messages_are_answered_shortly() {
    let server = TestServer::with_app("max_message_size = 4194304").await;
    let mut bystander = Bystander::at(server.address).await;
    let mut wire = Wire::socket(server.address).await;
    let deep = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let subscribe =
        |name: &str| format!(r#"{{"event":"pusher:subscribe","data":{{"channel":{name}}}}}"#);
    let mut messages = vec![
        subscribe(&format!("\"{}\"", "a".repeat(1 << 20))),
        subscribe(&format!("\"{}\"", "é".repeat(1 << 20))),
        subscribe(&format!("\"{}\"", "\\u0000".repeat(1 << 18))),
        format!(r#"{{"event":"{}","data":{{}}}}"#, "x".repeat(1 << 20)),
        format!(r#"{{"event":"client-{}","channel":"a"}}"#, "x".repeat(1 << 20)),
    ];
    for depth in [100, 100_000] {
        messages.extend([deep(depth), objects(depth), "[".repeat(depth), subscribe(&deep(depth))]);
        messages.push(format!(r#"{{"event":{}}}"#, deep(depth)));
    }
    for message in messages {
        wire.send(frame(TEXT, &message)).await;
        wire.send(frame(PING, "behind")).await;
        let mut answers = Vec::new();
        while let Some((TEXT, answer)) = wire.frame().await {
            answers.push(String::from_utf8(answer).unwrap());
        }
        let shown: String = message.chars().take(40).collect();
        let error = answers.last().unwrap_or_else(|| panic!("{shown} is not answered"));
        assert!(error.starts_with(r#"{"event":"pusher:error""#), "{shown} is answered {error}");
        // A refused subscription comes back under its name; nothing else of the message does.
        let named = if message.contains(r#""channel":""#) { message.len() } else { 0 };
        assert!(answers.iter().all(|answer| answer.len() < named + 2048), "{shown}: a long echo");
        bystander.is_served().await;
    }
}

#[tokio::test]
async fn what_goes_on_below_a_known_message_is_not_looked_at_however_deep() {
    let server = TestServer::with_app("max_message_size = 4194304").await;
    let mut wire = Wire::socket(server.address).await;
    for depth in [100, 100_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        wire.send(frame(TEXT, format!(r#"{{"event":"pusher:ping","data":{deep}}}"#))).await;
        assert_eq!(wire.text().await, SERVER_PONG);
    }
}
