//! Bytes that arrive in other pieces than they were sent in.

use std::time::{Duration, Instant};

use crate::harness::wire::{CLIENT_PING, SERVER_PONG, TEXT, Wire, frame, handshake};
use crate::line::Shape;
use crate::switch::Switch;

/// Carries the smallest packet in about a millisecond, so that the server reads each by itself.
const NARROW: Shape = Shape::narrow(512);

const FAR: Shape = Shape::far(100);

/// What one link of 100 KB is made of: guards the suite against becoming loopback.
pub(crate) async fn a_link_carries_segments_and_has_its_delay_and_its_rate() {
    let switch = Switch::new();
    let (server, plain) = (switch.host(), switch.host());
    let shaped = switch.host_behind(Shape { delay: FAR.delay, ..Shape::narrow(4000) });
    let program = server.serve(&[]).await;
    for (host, least) in [(&plain, Duration::ZERO), (&shaped, Duration::from_millis(50 + 200))] {
        let mut socket = host.socket(&program).await;
        socket.subscribe("room").await;
        let mut backend = plain.backend(&program).await;
        let sent_before = server.packets_sent();
        let begin = Instant::now();
        backend.trigger("room", "event", &"x".repeat(100_000)).await;
        socket.receive().await;
        assert!(begin.elapsed() >= least, "{:?}", begin.elapsed());
        let packets = server.packets_sent() - sent_before;
        assert!(packets >= 100_000 / 1460, "{packets} packets for 100 KB");
    }
}

/// A browser's cookies, cut into segments of 48 bytes by the MTU of the link.
pub(crate) async fn a_handshake_with_8_kb_of_cookies_arrives_in_170_segments() {
    let switch = Switch::new();
    let (server, client) = (switch.host(), switch.host_behind(NARROW));
    let program = server.serve(&[]).await;
    client.set_mtu(100);
    let mut wire = Wire::over(client.connect(program.address, None).await);
    let cookies = format!("Cookie: session={}\r\n\r\n", "c".repeat(8 * 1024));
    let head = handshake();
    let received_before = server.packets_received();
    wire.send(format!("{}\r\n{cookies}", head.strip_suffix("\r\n\r\n").unwrap())).await;
    wire.expect_greeting().await;
    let packets = server.packets_received() - received_before;
    assert!(packets >= 8 * 1024 / 48, "{packets} packets for 8 KB");
    wire.send(frame(TEXT, CLIENT_PING)).await;
    assert_eq!(wire.text().await, SERVER_PONG);
}

/// A message of 200 bytes has a header of 8: two and two bytes of length, four of the mask.
pub(crate) async fn a_frame_may_be_cut_behind_every_byte_of_its_header() {
    let switch = Switch::new();
    let (server, client) = (switch.host(), switch.host_behind(NARROW));
    let program = server.serve(&[]).await;
    let mut wire = client.wire(&program, None).await;
    let long = CLIENT_PING.replace("{}", &format!("{{\"{}\":0}}", "x".repeat(170)));
    for message in [CLIENT_PING, &long] {
        let bytes = frame(TEXT, message);
        for cut in 1..=9 {
            let (first, rest) = bytes.split_at(cut);
            wire.send(first).await;
            wire.send(rest).await;
            assert_eq!(wire.text().await, SERVER_PONG, "cut behind byte {cut}");
        }
        for byte in &bytes {
            wire.send([*byte]).await;
        }
        assert_eq!(wire.text().await, SERVER_PONG, "byte by byte");
    }
}
