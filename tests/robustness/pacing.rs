//! Channels whose events have a pace: what each socket receives, and what is never delayed.

use std::time::{Duration, Instant};

use crate::harness::server::REVERB_APP;
use crate::harness::{TestServer, TestSocket, eventually};

/// The app with one entry of `pacing` for all channels with this pattern.
fn app(channels: &str, keys: &str) -> String {
    format!("{REVERB_APP}[[apps.pacing]]\nchannels = \"{channels}\"\n{keys}\n")
}

/// The data of the next event.
async fn data(socket: &mut TestSocket) -> String {
    socket.receive_json().await["data"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_burst_is_its_first_and_its_last_event_byte_for_byte() {
    let server = TestServer::with(&app("private-servers.*", "latest_within_ms = 1500")).await;
    let (mut socket, mut other) = (server.connect().await, server.connect().await);
    socket.subscribe_signed("private-servers.5", None).await;
    other.subscribe("servers.5").await;
    let mut backend = server.backend();
    let text = |number: usize| format!("{{\"n\": {number},\"ä\":\"\\u2603 \\\\ \\/\" }}");
    for number in 0..50 {
        backend.trigger("private-servers.5", r"App\Events\ServerUpdated", &text(number)).await;
        backend.trigger("servers.5", "plain", &text(number)).await;
    }
    assert_eq!(server.metric("resound_pacing_events_waiting"), 1.0);
    assert_eq!(data(&mut socket).await, text(0));
    assert_eq!(data(&mut socket).await, text(49));
    assert_eq!(server.metric("resound_pacing_events_conflated_total"), 48.0);
    assert_eq!(server.metric("resound_pacing_events_waiting"), 0.0);
    // A channel that the pattern does not cover has them all.
    for number in 0..50 {
        assert_eq!(data(&mut other).await, text(number));
    }
}

#[tokio::test]
async fn members_and_answers_wait_for_nothing_and_newcomers_receive_no_earlier_event() {
    let keys = "latest_within_ms = 60000\nspread_over_ms = 60000";
    let server = TestServer::with(&app("presence-*", keys)).await;
    let mut first = server.connect().await;
    first.subscribe_signed("presence-room", Some(r#"{"user_id":"1","user_info":{}}"#)).await;
    let mut backend = server.backend();
    backend.trigger("presence-room", "news", "1").await;
    backend.trigger("presence-room", "news", "2").await;
    let mut second = server.connect().await;
    second.subscribe_signed("presence-room", Some(r#"{"user_id":"2","user_info":{}}"#)).await;
    // The event that waits for a minute, unless both are in one slice, and the member that does not.
    let mut received = first.receive().await;
    while !received.contains("member_added") {
        assert!(received.contains("news"), "{received}");
        received = first.receive().await;
    }
    drop(second);
    while !received.contains("member_removed") {
        received = first.receive().await;
    }
}

#[tokio::test]
async fn a_cached_event_is_the_last_one_and_comes_once() {
    let server = TestServer::with(&app("cache-*", "latest_within_ms = 700")).await;
    let mut backend = server.backend();
    let mut first = server.connect().await;
    first.subscribe("cache-state").await;
    assert!(first.receive().await.contains("cache_miss"));
    for number in 1..=3 {
        backend.trigger("cache-state", "changed", &number.to_string()).await;
    }
    let mut second = server.connect().await;
    second.subscribe("cache-state").await;
    assert_eq!(data(&mut second).await, "3");
    assert_eq!((data(&mut first).await, data(&mut first).await), ("1".to_owned(), "3".to_owned()));
    backend.trigger("cache-state", "other", "4").await;
    assert_eq!((data(&mut first).await, data(&mut second).await), ("4".to_owned(), "4".to_owned()));
}

#[tokio::test]
async fn no_socket_loses_an_event_to_a_later_one_that_it_does_not_receive() {
    let server = TestServer::with(&app("orders", "latest_within_ms = 700")).await;
    let (mut a, mut b) = (server.connect().await, server.connect().await);
    a.subscribe("orders").await;
    b.subscribe("orders").await;
    let mut backend = server.backend();
    backend.trigger("orders", "e", "0").await;
    backend.trigger_except("orders", "e", "1", Some(&a.id)).await;
    backend.trigger_except("orders", "e", "2", Some(&b.id)).await;
    let mut received = Vec::new();
    for socket in [&mut a, &mut b] {
        received.push((data(socket).await, data(socket).await));
    }
    let pair = |first: &str, second: &str| (first.to_owned(), second.to_owned());
    assert_eq!(received, [pair("0", "2"), pair("0", "1")]);
}

#[tokio::test]
async fn an_event_is_spread_and_a_later_one_follows_at_each_socket() {
    let server = TestServer::with(&app("orders", "spread_over_ms = 600")).await;
    let mut sockets = Vec::new();
    for _ in 0..40 {
        let mut socket = server.connect().await;
        socket.subscribe("orders").await;
        sockets.push(socket);
    }
    let mut backend = server.backend();
    let begin = Instant::now();
    backend.trigger("orders", "first", "1").await;
    backend.trigger("orders", "second", "2").await;
    let receive = |mut socket: TestSocket| async move {
        let first = data(&mut socket).await;
        let at = begin.elapsed();
        assert_eq!((first, data(&mut socket).await), ("1".to_owned(), "2".to_owned()));
        (at, socket)
    };
    let all: Vec<_> = sockets.into_iter().map(|socket| tokio::spawn(receive(socket))).collect();
    let mut times = Vec::new();
    let mut sockets = Vec::new();
    for one in all {
        let (at, socket) = one.await.unwrap();
        times.push(at);
        sockets.push(socket);
    }
    // Of 40 sockets in 64 slices, some are in the last third of them.
    assert!(times.iter().max().unwrap() >= &Duration::from_millis(400), "{times:?}");
    assert_eq!(server.metric("resound_pacing_events_spread_total"), 2.0);
    drop(sockets);
    eventually("no event to wait", async || server.metric("resound_pacing_events_waiting") == 0.0)
        .await;
}

#[tokio::test]
async fn what_waits_is_delivered_before_a_drain_closes_the_socket() {
    let keys = "latest_within_ms = 60000\nspread_over_ms = 60000";
    let mut server = TestServer::with(&app("orders", keys)).await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        let mut socket = server.connect().await;
        socket.subscribe("orders").await;
        sockets.push(socket);
    }
    let mut backend = server.backend();
    for number in 1..=3 {
        backend.trigger("orders", "e", &number.to_string()).await;
    }
    server.stop();
    for mut socket in sockets {
        assert_eq!(
            (data(&mut socket).await, data(&mut socket).await),
            ("1".to_owned(), "3".to_owned())
        );
        let (_, close) = socket.receive_close().await;
        assert_eq!(close.map(|close| u16::from(close.code)), Some(4200));
    }
    server.ended().await;
}

#[tokio::test]
async fn a_reload_counts_for_channels_that_are_occupied_from_then_on() {
    let server = TestServer::start().await;
    let mut before = server.connect().await;
    before.subscribe("orders").await;
    server.reload(&app("*", "latest_within_ms = 700"));
    let mut after = server.connect().await;
    after.subscribe("news").await;
    let mut backend = server.backend();
    for number in 1..=3 {
        backend.trigger("orders", "e", &number.to_string()).await;
        backend.trigger("news", "e", &number.to_string()).await;
    }
    for number in ["1", "2", "3"] {
        assert_eq!(data(&mut before).await, number);
    }
    assert_eq!((data(&mut after).await, data(&mut after).await), ("1".to_owned(), "3".to_owned()));
}
