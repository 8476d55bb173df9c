//! Readers that do not keep up: bounded memory, a reason they can read, and the others get
//! everything in order.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bystander::{Bystander, backend};
use crate::harness::Program;
use crate::harness::server::REVERB_APP;
use crate::harness::{TestServer, TestSocket, eventually};
use crate::wire::{Farewell, HEAR_PONG, PING, SAY_PING, TEXT, Wire, frame};

const SLOW_READERS: &str = "resound_slow_readers_closed_total";
const TOO_SLOW: &str = "Over capacity: the client reads too slowly";

/// Closing takes as long as a test wants: who hears of a departure hears of it before it is over.
const PATIENT: u32 = 60;

async fn server(close_timeout_seconds: u32) -> TestServer {
    TestServer::with(&format!(
        "{REVERB_APP}event_data_bytes = 32768\n[websocket]\noutbox_bytes = 65536\n\
         close_timeout_seconds = {close_timeout_seconds}\n"
    ))
    .await
}

/// The data of event `count`: its number, and weight.
fn heavy(count: usize, bytes: usize) -> String {
    format!("{count:06}{}", "x".repeat(bytes))
}

fn number_of(event: &str) -> usize {
    let event: Value = serde_json::from_str(event).expect("JSON");
    event["data"].as_str().unwrap()[..6].parse().unwrap()
}

async fn hears(socket: &mut TestSocket, count: usize) {
    assert_eq!(number_of(&socket.hear().await), count, "every event, once, in order");
}

/// What a slow reader finds when it reads at last: whole events in order from the first, then why
/// there are no more, then the end.
fn assert_told_why(farewell: &Farewell, events_max: usize) {
    let (why, events) = farewell.texts.split_last().expect("the reason");
    assert_eq!(
        *why,
        format!(r#"{{"event":"pusher:error","data":{{"code":4100,"message":"{TOO_SLOW}"}}}}"#)
    );
    assert_eq!((farewell.code, &*farewell.reason), (Some(4100), TOO_SLOW));
    for (count, event) in events.iter().enumerate() {
        assert_eq!(number_of(event), count, "nothing is skipped before the end");
    }
    assert!(events.len() < events_max, "there was a gap, and it is at the end");
}

#[tokio::test]
async fn one_that_never_reads_is_closed_and_the_others_get_everything() {
    let mut server = server(PATIENT).await;
    let mut bystander = Bystander::at(server.address).await;
    let mut slow = Wire::narrow_socket(server.address).await;
    slow.subscribe("flood").await;
    let mut others = Vec::new();
    for _ in 0..5 {
        let mut other = server.connect().await;
        other.subscribe("flood").await;
        others.push(other);
    }
    let mut backend = server.backend();
    let mut count = 0;
    // The kernel takes some megabytes before the outbox has to.
    while server.metric(SLOW_READERS) < 1.0 || count < 300 {
        assert!(count < 3000, "not noticed after {count} events of 20 KB");
        backend.trigger("flood", "event", &heavy(count, 20_000)).await;
        for other in &mut others {
            hears(other, count).await;
        }
        count += 1;
        if count % 50 == 0 {
            bystander.is_served().await;
        }
    }
    let counts = backend.get("/channels/flood", &[("info", "subscription_count")]).await;
    assert_eq!(counts.json()["subscription_count"], 5, "gone before the closing handshake is over");
    assert_told_why(&slow.farewell().await, count);
    assert_eq!(server.metric(SLOW_READERS), 1.0);
    assert_eq!(server.metric("resound_connections_closed_total{code=\"4100\"}"), 1.0);
    drop(slow);
    for other in &mut others {
        assert_eq!(other.hear_all().await, [""; 0]);
    }
    bystander.is_served().await;
    server.stop();
}

#[tokio::test]
async fn one_that_lags_under_the_bound_gets_everything_in_order() {
    const LAG: usize = 12;
    let server = server(PATIENT).await;
    let mut lagging = Wire::narrow_socket(server.address).await;
    lagging.subscribe("flood").await;
    let mut backend = server.backend();
    for count in 0..600 {
        backend.trigger("flood", "event", &heavy(count, 5000)).await;
        if count >= LAG {
            assert_eq!(number_of(&lagging.text().await), count - LAG);
        }
    }
    for count in 600 - LAG..600 {
        assert_eq!(number_of(&lagging.text().await), count);
    }
    assert_eq!(server.metric(SLOW_READERS), 0.0);
}

#[tokio::test]
async fn a_member_that_never_reads_is_announced_gone_at_once() {
    let server = server(PATIENT).await;
    let mut slow = Wire::narrow_socket(server.address).await;
    slow.subscribe_as("presence-room", "slow").await;
    let mut other = server.connect().await;
    other.subscribe_signed("presence-room", Some(r#"{"user_id":"other"}"#)).await;
    assert!(slow.text().await.contains("member_added"));
    let mut backend = server.backend();
    let mut count = 0;
    let removed = loop {
        assert!(count < 3000, "not noticed after {count} events of 20 KB");
        backend.trigger("presence-room", "event", &heavy(count, 20_000)).await;
        let heard = other.hear_json().await;
        if heard["event"] == "pusher_internal:member_removed" {
            break heard;
        }
        count += 1;
    };
    assert_eq!(removed["data"], r#"{"user_id":"slow"}"#);
    assert_eq!(server.metric(SLOW_READERS), 1.0);
    hears(&mut other, count).await;
    let users = backend.get("/channels/presence-room/users", &[]).await;
    assert_eq!(users.body, r#"{"users":[{"id":"other"}]}"#);
    assert_told_why(&slow.farewell().await, count + 1);
}

/// Asks without reading the answers until the server has had enough.
async fn flood(server: &TestServer, wire: &mut Wire, ask: &[u8]) {
    let asks = ask.repeat(500);
    let mut bystander = Bystander::at(server.address).await;
    for _ in 0..2000 {
        if server.metric(SLOW_READERS) > 0.0 {
            return;
        }
        wire.send(&asks).await;
        bystander.is_served().await;
    }
    panic!("a million questions without reading an answer");
}

#[tokio::test]
async fn one_that_asks_without_reading_is_closed() {
    for ask in [frame(TEXT, SAY_PING), frame(PING, [b'x'; 125])] {
        let server = server(PATIENT).await;
        let mut wire = Wire::narrow_socket(server.address).await;
        flood(&server, &mut wire, &ask).await;
        // What it says while it is being closed is read and dropped.
        wire.send(ask.repeat(500)).await;
        let farewell = wire.farewell().await;
        let (why, pongs) = farewell.texts.split_last().expect("the reason");
        assert!(why.contains("4100"), "{why}");
        assert!(pongs.iter().all(|pong| pong == HEAR_PONG));
        assert_eq!(farewell.code, Some(4100));
        Bystander::at(server.address).await.is_served().await;
    }
}

#[tokio::test]
async fn one_that_never_reads_again_is_cut_off_after_the_close_time_out() {
    let mut server = server(1).await;
    let mut wire = Wire::narrow_socket(server.address).await;
    flood(&server, &mut wire, &frame(PING, [b'x'; 125])).await;
    let begin = Instant::now();
    // It goes on asking; only the end of its connection ends that.
    let asks = frame(PING, [b'x'; 125]).repeat(500);
    eventually("the connection to be cut", async || wire.try_send(&asks).await.is_err()).await;
    assert!(begin.elapsed() < Duration::from_secs(10));
    server.stop();
    server.ended().await;
}

#[tokio::test]
async fn fifty_that_never_read_take_no_more_than_their_outboxes() {
    let bounds =
        [("RESOUND_WEBSOCKET_OUTBOX_BYTES", "65536"), ("RESOUND_APP_EVENT_DATA_BYTES", "32768")];
    let program = Program::start(&bounds).await;
    let mut bystander = Bystander::at(program.address).await;
    let before = program.resident();
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut wire = Wire::narrow_socket(program.address).await;
        wire.subscribe("flood").await;
        slow.push(wire);
    }
    let mut backend = backend(program.address);
    let mut most = 0;
    // Ten megabytes to each of them, half a gigabyte in all.
    for count in 0..320 {
        backend.trigger("flood", "event", &heavy(count, 32_000)).await;
        most = most.max(program.resident());
        bystander.is_served().await;
    }
    let grown = most.saturating_sub(before);
    println!("50 readers that never read: {} KiB more than before", grown >> 10);
    // The outboxes are 3.2 MB; frames in the inbox, freed pages and the allocator are the rest.
    assert!(grown < 16 << 20, "{grown} bytes for 50 outboxes of 64 KiB");
}
