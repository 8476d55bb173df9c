//! Readers that do not keep up: bounded memory, a reason they can read, and the others get
//! everything in order.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bystander::{Bystander, backend};
use crate::harness::Program;
use crate::harness::server::REVERB_APP;
use crate::harness::{TestServer, TestSocket, eventually};
use crate::wire::{Farewell, Wire, join};

const SLOW_READERS: &str = "resound_slow_readers_closed_total";
const TOO_SLOW: &str = "Over capacity: the client reads too slowly";

/// A close takes as long as a test needs: the others receive the departure before it is over.
const PATIENT: u32 = 60;

async fn server(close_timeout_seconds: u32) -> TestServer {
    TestServer::with(&format!(
        "{REVERB_APP}max_event_data_bytes = 32768\n[websocket]\noutbox_bytes = 65536\n\
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

async fn receives(socket: &mut TestSocket, count: usize) {
    assert_eq!(number_of(&socket.receive().await), count, "every event, once, in order");
}

/// What a slow reader finds when it reads at last: whole events in order from the first, then why
/// there are no more, then the end.
fn assert_close_reason(farewell: &Farewell, events_max: usize) {
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
            receives(other, count).await;
        }
        count += 1;
        if count % 50 == 0 {
            bystander.is_served().await;
        }
    }
    let counts = backend.get("/channels/flood", &[("info", "subscription_count")]).await;
    assert_eq!(counts.json()["subscription_count"], 5, "gone before the closing handshake is over");
    assert_close_reason(&slow.farewell().await, count);
    assert_eq!(server.metric(SLOW_READERS), 1.0);
    assert_eq!(server.metric("resound_connections_closed_total{by=\"server\",code=\"4100\"}"), 1.0);
    drop(slow);
    for other in &mut others {
        assert_eq!(other.receive_all().await, [""; 0]);
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
        let received = other.receive_json().await;
        if received["event"] == "pusher_internal:member_removed" {
            break received;
        }
        count += 1;
    };
    assert_eq!(removed["data"], r#"{"user_id":"slow"}"#);
    assert_eq!(server.metric(SLOW_READERS), 1.0);
    receives(&mut other, count).await;
    let users = backend.get("/channels/presence-room/users", &[]).await;
    assert_eq!(users.body, r#"{"users":[{"id":"other"}]}"#);
    assert_close_reason(&slow.farewell().await, count + 1);
}

const ROOM: &str = "presence-room";

/// How often a client requests the roster of [`ROOM`] at once: 40 MB of answers, of which the kernel
/// takes some.
const ASKED: usize = 600;

/// Asks without reading, until the server reads no further.
async fn ask_without_reading(server: &TestServer, wire: &mut Wire, bystander: &mut Bystander) {
    wire.send(wire.join_as(ROOM, "asker").repeat(ASKED)).await;
    let (mut before, mut now) = (f64::NAN, 0.0);
    while now != before {
        // Long enough for hundreds of turns, had the server any.
        for _ in 0..20 {
            bystander.is_served().await;
        }
        (before, now) = (now, server.metric("resound_messages_received_total"));
    }
    assert!(now < ASKED as f64, "{now} messages were read");
}

/// Fills [`ROOM`] with members whose info makes a roster of some 60 KB.
async fn fill_room(server: &TestServer) -> Vec<TestSocket> {
    let mut members = Vec::new();
    for user in 0..7 {
        let mut member = server.connect().await;
        let info = "i".repeat(9000);
        let data = json!({ "user_id": format!("{user}"), "user_info": info }).to_string();
        member.subscribe_signed(ROOM, Some(&data)).await;
        members.push(member);
    }
    members
}

#[tokio::test]
async fn a_client_that_requests_without_reading_is_read_no_further() {
    let server = server(PATIENT).await;
    let mut bystander = Bystander::at(server.address).await;
    let members = fill_room(&server).await;
    let mut wire = Wire::narrow_socket(server.address).await;
    ask_without_reading(&server, &mut wire, &mut bystander).await;
    assert_eq!(server.metric(SLOW_READERS), 0.0, "what it asked for never closes a socket");
    bystander.is_served().await;
    for _ in 0..ASKED {
        let answer = wire.text().await;
        assert!(answer.contains("subscription_succeeded"), "{answer:.200}");
    }
    drop(members);
}

#[tokio::test]
async fn one_that_takes_nothing_is_closed_after_the_write_time_out() {
    let toml =
        format!("{REVERB_APP}[websocket]\nwrite_timeout_seconds = 1\nclose_timeout_seconds = 1\n");
    let mut server = TestServer::with(&toml).await;
    let _members = fill_room(&server).await;
    let mut wire = Wire::narrow_socket(server.address).await;
    let mut bystander = Bystander::at(server.address).await;
    ask_without_reading(&server, &mut wire, &mut bystander).await;
    let closed = async || server.metric(SLOW_READERS) == 1.0;
    eventually("the socket that takes nothing to be closed", closed).await;
    // The close frame cannot go out either, so the connection is cut.
    let gone = async || server.metric("resound_connections") == 8.0;
    eventually("the socket to be gone", gone).await;
    server.stop();
}

#[tokio::test]
async fn one_that_takes_something_now_and_then_stays() {
    const ROSTERS: usize = 20;
    // Shorter than the whole takes: neither the write time-out nor a ping that waits behind the
    // rosters may close it.
    let toml = format!(
        "{REVERB_APP}ping_interval = 1\npong_timeout_seconds = 1\n[websocket]\nwrite_timeout_seconds = 2\n"
    );
    let server = TestServer::with(&toml).await;
    let _members = fill_room(&server).await;
    let mut wire = Wire::narrow_socket(server.address).await;
    let join = wire.join_as(ROOM, "asker");
    wire.send(join.repeat(ROSTERS)).await;
    let begin = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    for answer in 0..ROSTERS {
        ticks.tick().await;
        let mut text = wire.text().await;
        if text.contains("pusher:ping") {
            text = wire.text().await;
        }
        assert!(text.contains("subscription_succeeded"), "{answer}: {text:.200}");
    }
    assert!(begin.elapsed() > Duration::from_secs(3), "longer than each of the time-outs");
}

#[tokio::test]
async fn answers_to_pipelined_questions_all_arrive() {
    // Two of the answers are larger than the outbox.
    let toml = format!("{REVERB_APP}[websocket]\noutbox_bytes = 131072\n");
    let server = TestServer::with(&toml).await;
    let _members = fill_room(&server).await;
    let mut backend = server.backend();
    for channel in 0..15 {
        backend.trigger(&format!("cache-{channel}"), "event", &"x".repeat(100_000)).await;
    }
    let mut wire = Wire::narrow_socket(server.address).await;
    let mut asks = Vec::new();
    for channel in 0..15 {
        asks.extend(join(&json!({ "channel": format!("cache-{channel}") })));
        asks.extend(wire.join_as(ROOM, "asker"));
    }
    wire.send(&asks).await;
    for channel in 0..15 {
        let granted = wire.text().await;
        assert!(granted.contains(&format!("\"cache-{channel}\"")), "{granted:.200}");
        assert!(wire.text().await.len() > 100_000, "the cached event");
        let roster = wire.text().await;
        assert!(roster.contains("subscription_succeeded") && roster.len() > 60_000);
    }
    assert_eq!(server.metric(SLOW_READERS), 0.0);
}

#[tokio::test]
async fn fifty_that_never_read_take_no_more_than_their_outboxes() {
    let bounds = [
        ("RESOUND_WEBSOCKET_OUTBOX_BYTES", "65536"),
        ("RESOUND_APP_MAX_EVENT_DATA_BYTES", "32768"),
    ];
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
