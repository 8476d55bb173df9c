//! Sockets that send nothing are pinged, closed without a pong, and then gone from rosters;
//! a socket that sends anything is not pinged.

use std::time::{Duration, Instant};

use crate::bystander::Bystander;
use crate::harness::server::REVERB_APP;
use crate::harness::{TestServer, eventually};
use crate::wire::{CLIENT_PING, CLOSE, PING, PONG, SERVER_PONG, TEXT, Wire, frame};

const SERVER_PING: &str = r#"{"event":"pusher:ping","data":"{}"}"#;
const CLIENT_PONG: &str = r#"{"event":"pusher:pong","data":{}}"#;

#[tokio::test]
async fn a_peer_that_is_not_there_is_pinged_then_closed_with_4201() {
    let server = TestServer::with_app("ping_interval = 1\npong_timeout_seconds = 1").await;
    let mut silent = Wire::socket(server.address).await;
    silent.subscribe_as("presence-room", "silent").await;
    let begin = Instant::now();
    assert_eq!(silent.text().await, SERVER_PING);
    let farewell = silent.farewell().await;
    assert_eq!(farewell.code, Some(4201));
    assert!(farewell.texts[0].contains("4201"), "{farewell:?}");
    let took = begin.elapsed();
    assert!(Duration::from_millis(1900) < took && took < Duration::from_secs(40), "{took:?}");
    let mut backend = server.backend();
    // The connection task leaves the channels when it is next polled, which is not before the client has the end.
    eventually("the member to be gone", async || {
        backend.get("/channels/presence-room/users", &[]).await.body == r#"{"users":[]}"#
    })
    .await;
    Bystander::at(server.address).await.is_served().await;
}

/// The time for a pong is independent of the time between pings.
#[tokio::test]
async fn every_silence_ends_with_a_ping_whatever_time_a_pong_may_take() {
    for pong_timeout in [2, 600] {
        let app = format!("ping_interval = 1\npong_timeout_seconds = {pong_timeout}");
        let server = TestServer::with_app(&app).await;
        let mut socket = Wire::socket(server.address).await;
        let begin = Instant::now();
        for _ in 0..4 {
            assert_eq!(socket.text().await, SERVER_PING);
            socket.send(frame(TEXT, CLIENT_PONG)).await;
        }
        let took = begin.elapsed();
        assert!(Duration::from_millis(3900) < took && took < Duration::from_secs(40), "{took:?}");
    }
}

#[tokio::test]
async fn a_client_that_pings_with_control_frames_is_pinged_with_them() {
    let server = TestServer::with_app("ping_interval = 1\npong_timeout_seconds = 1").await;
    let mut socket = Wire::socket(server.address).await;
    for _ in 0..3 {
        socket.send(frame(PING, "are you there")).await;
        assert_eq!(socket.frame().await, Some((PONG, b"are you there".to_vec())));
        assert_eq!(socket.frame().await, Some((PING, Vec::new())));
    }
    socket.send(frame(PONG, "")).await;
    socket.send(frame(TEXT, CLIENT_PING)).await;
    assert_eq!(socket.text().await, SERVER_PONG);
    socket.send(frame(CLOSE, "")).await;
    assert_eq!(socket.farewell().await.code, None);
}

/// A sender that is busy all the time, so that no write ends at the end of a message.
#[tokio::test]
async fn each_message_has_a_time_out_of_its_own() {
    let toml = format!("{REVERB_APP}[websocket]\nmessage_timeout_seconds = 1\n");
    let server = TestServer::with(&toml).await;
    for ask in [frame(TEXT, CLIENT_PING), frame(PING, "busy")] {
        let mut busy = Wire::socket(server.address).await;
        let (head, rest) = ask.split_at(9);
        busy.send(head).await;
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        for _ in 0..15 {
            ticks.tick().await;
            busy.send([rest, head].concat()).await;
            let (first, _) = busy.frame().await.expect("an answer after three seconds too");
            assert_ne!(first, CLOSE);
        }
        // The last one is never finished.
        assert_eq!(busy.farewell().await.code, Some(1009));
    }
}
