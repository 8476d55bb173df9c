//! Sockets over TLS: what holds for plain ones holds for them.

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::bystander::Bystander;
use crate::harness::server::REVERB_APP;
use crate::harness::tls::{Tunnel, client, connect, section};
use crate::harness::wire::{CLOSE, TEXT, Wire, frame, handshake, join};
use crate::harness::{TestServer, TestSocket, eventually, within};

const APP: &str = crate::harness::wire::APP;

async fn server(lines: &str) -> TestServer {
    TestServer::with(&format!("{REVERB_APP}{lines}{}", section(""))).await
}

/// A greeted socket, by hand, which is subscribed to `channel`.
async fn raw_socket(server: &TestServer, channel: &str) -> TlsStream<TcpStream> {
    let config = Arc::new(client(&[&TLS13]));
    let mut stream = connect(server.address, &config, "localhost").await.unwrap();
    stream.write_all(handshake().as_bytes()).await.unwrap();
    read_until(&mut stream, b"connection_established").await;
    stream.write_all(&join(&json!({ "channel": channel }))).await.unwrap();
    read_until(&mut stream, b"subscription_succeeded").await;
    stream
}

async fn read_until(stream: &mut TlsStream<TcpStream>, part: &[u8]) {
    let mut received = Vec::new();
    within("an answer", async {
        while !received.ends_with(part) {
            received.push(stream.read_u8().await.unwrap());
        }
    })
    .await;
}

#[tokio::test]
async fn every_event_arrives_once_and_in_order_whatever_its_size() {
    let server = server("").await;
    let tunnel = Tunnel::to(server.address).await;
    let mut socket = TestSocket::greeted(tunnel.address, APP).await;
    socket.subscribe("orders").await;
    let mut backend = server.backend();
    // Under, at and over the content of one record.
    let sizes = [1, 500, 16_000, 16_384, 16_385, 40_000, 100_000];
    for bytes in sizes {
        backend.trigger("orders", "event", &"x".repeat(bytes)).await;
    }
    for bytes in sizes {
        assert_eq!(socket.receive_json().await["data"].as_str().unwrap().len(), bytes);
    }
}

#[tokio::test]
async fn a_message_in_single_bytes_and_one_of_many_records_arrive() {
    let server = server("max_message_size = 200000\n").await;
    let mut stream = raw_socket(&server, "orders").await;
    let ping = frame(TEXT, r#"{"event":"pusher:ping","data":{}}"#);
    for byte in ping {
        // A record for each byte.
        stream.write_all(&[byte]).await.unwrap();
        stream.flush().await.unwrap();
    }
    read_until(&mut stream, b"pusher:pong").await;
    let large = json!({ "event": "pusher:ping", "data": { "x": "x".repeat(100_000) } });
    stream.write_all(&frame(TEXT, large.to_string())).await.unwrap();
    read_until(&mut stream, b"pusher:pong").await;
}

#[tokio::test]
async fn one_that_never_reads_is_closed_and_the_others_get_everything() {
    let server = server("max_event_data_bytes = 32768\n[websocket]\noutbox_bytes = 65536\n").await;
    let mut bystander = Bystander::at(server.address).await;
    let mut slow = raw_socket(&server, "flood").await;
    let tunnel = Tunnel::to(server.address).await;
    let mut other = TestSocket::greeted(tunnel.address, APP).await;
    other.subscribe("flood").await;
    let mut backend = server.backend();
    let mut count = 0;
    while server.metric("resound_slow_readers_closed_total") < 1.0 {
        assert!(count < 3000, "not noticed after {count} events of 20 KB");
        let data = format!("{count:06}{}", "x".repeat(20_000));
        backend.trigger("flood", "event", &data).await;
        assert_eq!(other.receive_json().await["data"], data);
        count += 1;
        if count % 50 == 0 {
            bystander.is_served().await;
        }
    }
    let mut received = Vec::new();
    within("the end", slow.read_to_end(&mut received)).await.expect("an announced end");
    let close = received.len() - 4 - "Over capacity: the client reads too slowly".len();
    assert_eq!(received[close], CLOSE, "the close frame is the last");
    let text = String::from_utf8_lossy(&received);
    for number in 0..text.matches("\"event\":\"event\"").count() {
        assert!(text.contains(&format!("\"data\":\"{number:06}xxx")), "event {number} is missing");
    }
}

#[tokio::test]
async fn one_that_lags_under_the_bound_gets_everything_in_order() {
    let server = server("").await;
    let mut lagging = raw_socket(&server, "flood").await;
    let mut backend = server.backend();
    // More than the kernel takes, less than the outbox does beyond that.
    let mut sent = 0;
    while server.metric("resound_slow_readers_closed_total") == 0.0 && sent < 60 {
        backend.trigger("flood", "event", &format!("{sent:06}{}", "x".repeat(60_000))).await;
        sent += 1;
        if sent > 40 {
            // One more record at a time from here on.
            read_until(&mut lagging, format!("{:06}xx", sent - 41).as_bytes()).await;
        }
    }
    for number in sent - 40..sent {
        read_until(&mut lagging, format!("{number:06}xx").as_bytes()).await;
    }
    assert_eq!(server.metric("resound_slow_readers_closed_total"), 0.0);
}

#[tokio::test]
async fn an_end_is_announced_to_the_client_and_need_not_be_by_it() {
    let server = server("").await;
    let mut polite = raw_socket(&server, "orders").await;
    polite.write_all(&frame(CLOSE, 1000_u16.to_be_bytes())).await.unwrap();
    let mut rest = Vec::new();
    within("the end", polite.read_to_end(&mut rest)).await.expect("the end is announced");
    assert!(rest.ends_with(b"}\x88\x02\x03\xe8"), "{rest:x?}");
    let closed = "resound_connections_closed_total{by=\"network\",code=\"1006\",reason=\"lost\"}";
    let before = server.metric(closed);
    let rude = raw_socket(&server, "orders").await;
    // The stream below TLS: nothing is announced.
    let (carrier, _) = rude.into_inner();
    drop(carrier);
    eventually("its end", async || server.metric(closed) == before + 1.0).await;
    assert_eq!(server.metric("resound_connections{app=\"123456\"}"), 0.0);
}

#[tokio::test]
async fn a_record_of_garbage_ends_the_socket_with_an_alert() {
    let server = server("").await;
    let mut bystander = Bystander::at(server.address).await;
    let stream = raw_socket(&server, "orders").await;
    let (mut carrier, mut session) = stream.into_inner();
    let garbage = [&b"\x17\x03\x03\x00\x20"[..], &[0; 32]].concat();
    carrier.write_all(&garbage).await.unwrap();
    let mut records = Vec::new();
    within("the end", carrier.read_to_end(&mut records)).await.unwrap();
    session.read_tls(&mut &*records).unwrap();
    let error = session.process_new_packets().unwrap_err();
    assert!(matches!(error, rustls::Error::AlertReceived(_)), "{error}");
    bystander.is_served().await;
}

#[tokio::test]
async fn a_drain_closes_sockets_over_tls_as_it_does_plain_ones() {
    for version in [&TLS12, &TLS13] {
        let mut server = server("").await;
        let tunnel = Tunnel::with(server.address, client(&[version])).await;
        let mut sockets = Vec::new();
        for _ in 0..20 {
            sockets.push(Wire::socket(tunnel.address).await);
        }
        server.stop();
        for mut socket in sockets {
            assert_eq!(socket.farewell().await.code, Some(4200));
        }
        server.ended().await;
    }
}

#[tokio::test]
async fn a_request_with_a_large_body_and_one_behind_another_are_answered() {
    let server = server("").await;
    let tunnel = Tunnel::to(server.address).await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    let mut backend =
        crate::harness::Backend::new(tunnel.address, "123456", "reverb-key", "reverb-secret");
    for number in 0..50 {
        let data = format!("{number}{}", "x".repeat(90_000));
        backend.trigger("orders", "event", &data).await;
        assert_eq!(socket.receive_json().await["data"], data);
    }
    let config = Arc::new(client(&[&TLS12]));
    let mut stream = connect(server.address, &config, "localhost").await.unwrap();
    let up = "GET /up HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(format!("{}{last}", up.repeat(20)).as_bytes()).await.unwrap();
    let mut answers = String::new();
    within("the answers", stream.read_to_string(&mut answers)).await.expect("an announced end");
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 21);
}
