//! Who a client is behind proxies, and the limits on one address.

use std::net::SocketAddr;

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::bystander::Bystander;
use crate::harness::server::REVERB_APP;
use crate::harness::wire::{Wire, handshake};
use crate::harness::{Program, TestServer, eventually, tls};

const PROXY_V1: &str = "PROXY TCP4 203.0.113.7 192.0.2.2 40000 80\r\n";
const PROXY_V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\xc0\0\x02\x02\x9c\x40\0\x50";
/// What a health check of a load balancer sends.
const PROXY_V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
const UP: &str = "GET /up HTTP/1.1\r\nHost: x\r\n\r\n";
/// A socket at a path that is logged with its client.
const LOST: &str = "GET /lost HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn server_with(lines: &str) -> String {
    REVERB_APP.replace("workers = 2\n", &format!("workers = 2\n{lines}\n"))
}

async fn status(address: SocketAddr, bytes: impl AsRef<[u8]>) -> u16 {
    let mut wire = Wire::open(address).await;
    wire.send(bytes).await;
    wire.reply().await.status
}

/// A handshake that a proxy passes on for this client.
fn handshake_of(client: &str) -> String {
    handshake().replace("Host: x\r\n", &format!("Host: x\r\nX-Forwarded-For: {client}\r\n"))
}

/// How a handshake ends: the open socket, or the code.
async fn knock(address: SocketAddr, handshake: &str) -> Result<Wire, u16> {
    let mut wire = Wire::open(address).await;
    wire.send(handshake).await;
    assert_eq!(wire.reply().await.status, 101);
    let (_, payload) = wire.frame().await.expect("a frame");
    let text = String::from_utf8(payload).unwrap();
    if text.contains("connection_established") {
        return Ok(wire);
    }
    let farewell = wire.farewell().await;
    assert!(text.contains("pusher:error") && text.contains(&farewell.reason), "{text}");
    Err(farewell.code.expect("a code"))
}

#[tokio::test]
async fn a_listed_proxy_may_begin_with_a_header_of_either_version() {
    let lines = "proxies = [\"127.0.0.1\"]\nproxy_protocol = \"auto\"";
    let server = TestServer::with(&server_with(lines)).await;
    for header in [PROXY_V1.as_bytes(), PROXY_V2, PROXY_V2_LOCAL, b"PROXY UNKNOWN\r\n", b""] {
        let text = header.escape_ascii();
        assert_eq!(status(server.address, [header, UP.as_bytes()].concat()).await, 200, "{text}");
        let mut wire = Wire::open(server.address).await;
        // Byte by byte, as a slow line would bring it.
        for byte in header {
            wire.send([*byte]).await;
        }
        drop(wire.greeted().await);
    }
    for malformed in ["PROXY TCP4 203.0.113.7\r\n", "PROXY TCP5 1 2 3 4\r\n"] {
        let mut wire = Wire::open(server.address).await;
        wire.send(format!("{malformed}{UP}")).await;
        let answer = wire.reply().await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains("malformed header of the PROXY protocol"), "{}", answer.body);
    }
    let series = "resound_connections_rejected_total{reason=\"proxy_header_malformed\"}";
    assert_eq!(server.metric(series), 2.0);
}

/// Passes connections on behind a header, as a balancer of TCP does.
async fn balancer(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await.unwrap();
                server.write_all(PROXY_V2).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn tls_may_follow_the_header() {
    let lines = "proxies = [\"127.0.0.1\"]\nproxy_protocol = \"on\"\nmax_sockets_per_address = 1";
    let file = format!("{}{}", server_with(lines), tls::section(""));
    let server = TestServer::with(&file).await;
    let tunnel = tls::Tunnel::to(balancer(server.address).await).await;
    let _socket = knock(tunnel.address, &handshake()).await.expect("a socket");
    // The same client, by the header's address.
    assert_eq!(knock(tunnel.address, &handshake()).await.err(), Some(4100));
}

#[tokio::test]
async fn a_proxy_that_must_begin_with_a_header_is_refused_without_one() {
    let lines = "proxies = [\"127.0.0.0/8\"]\nproxy_protocol = \"on\"";
    let server = TestServer::with(&server_with(lines)).await;
    assert_eq!(status(server.address, format!("{PROXY_V1}{UP}")).await, 200);
    let mut wire = Wire::open(server.address).await;
    wire.send(UP).await;
    let answer = wire.reply().await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("without a header of the PROXY protocol"), "{}", answer.body);
    wire.ends().await;
}

#[tokio::test]
async fn the_header_of_an_unlisted_peer_is_not_read() {
    let lines = "proxies = [\"192.0.2.0/24\"]\nproxy_protocol = \"on\"";
    let server = TestServer::with(&server_with(lines)).await;
    assert_eq!(status(server.address, UP).await, 200);
    let mut wire = Wire::open(server.address).await;
    wire.send(format!("{PROXY_V1}{UP}")).await;
    let answer = wire.reply().await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("list it in server.proxies"), "{}", answer.body);
}

#[tokio::test]
async fn the_log_has_the_client_and_the_proxy() {
    let proxies = ("RESOUND_SERVER_PROXIES", "127.0.0.1");
    for (variables, request, client) in [
        (
            &[proxies][..],
            format!("{LOST}X-Forwarded-For: 192.0.2.66, 203.0.113.7\r\n\r\n"),
            "203.0.113.7 through 127.0.0.1:",
        ),
        (
            &[proxies, ("RESOUND_SERVER_PROXY_PROTOCOL", "on")],
            format!("{PROXY_V1}{LOST}X-Forwarded-For: 192.0.2.66\r\n\r\n"),
            "203.0.113.7 through 127.0.0.1:",
        ),
        (&[], format!("{LOST}X-Forwarded-For: 203.0.113.7\r\n\r\n"), "127.0.0.1:"),
    ] {
        let mut program = Program::start(variables).await;
        let mut wire = Wire::open(program.address).await;
        wire.send(request).await;
        assert_eq!(wire.reply().await.status, 101);
        let line = program.log_line("reason=\"path\"").await;
        assert!(line.contains(&format!("peer={client}")), "{line}");
    }
}

#[tokio::test]
async fn an_address_has_a_number_of_sockets() {
    let lines = "proxies = [\"127.0.0.1\"]\nmax_sockets_per_address = 2";
    let server = TestServer::with(&server_with(lines)).await;
    let of = async |client: &str| knock(server.address, &handshake_of(client)).await;
    let first = of("203.0.113.7").await.expect("a socket");
    let _second = of("203.0.113.7").await.expect("a socket");
    assert_eq!(of("203.0.113.7").await.err(), Some(4100));
    // Of IPv6 the first half counts.
    let _third = of("2001:db8:0:1::1").await.expect("a socket");
    let _fourth = of("2001:db8:0:1::2").await.expect("a socket");
    assert_eq!(of("2001:db8:0:1::3").await.err(), Some(4100));
    let _fifth = of("2001:db8:0:2::3").await.expect("a socket");
    let limit = "resound_limits_hit_total{limit=\"server.max_sockets_per_address\"}";
    assert_eq!(server.metric(limit), 2.0);
    let series = "resound_handshakes_refused_total{code=\"4100\",reason=\"over_address_limit\"}";
    assert_eq!(server.metric(series), 2.0);
    drop(first);
    eventually("the place of a socket that has ended", async || of("203.0.113.7").await.is_ok())
        .await;
}

#[tokio::test]
async fn an_address_opens_sockets_at_a_rate() {
    let lines = "proxies = [\"127.0.0.1\"]\nmax_handshakes_per_address_per_second = 5";
    let server = TestServer::with(&server_with(lines)).await;
    let mut bystander = Bystander::at(server.address).await;
    let mut refused = 0;
    for _ in 0..30 {
        match knock(server.address, &handshake_of("203.0.113.7")).await {
            Ok(socket) => drop(socket),
            Err(code) => {
                assert_eq!(code, 4100);
                refused += 1;
            }
        }
    }
    assert!(refused > 10, "{refused} of 30");
    assert!(knock(server.address, &handshake_of("203.0.113.8")).await.is_ok());
    // What is no handshake gets an answer of HTTP.
    let by_hand = "GET /app/reverb-key HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
    let mut answers = Vec::new();
    for _ in 0..30 {
        answers.push(status(server.address, by_hand).await);
    }
    assert_eq!(answers[..5], [426; 5]);
    assert!(answers[5..].contains(&429), "{answers:?}");
    // The API has no such limit.
    for _ in 0..30 {
        bystander.is_served().await;
    }
}
