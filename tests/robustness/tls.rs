//! TLS on the port of the server: who is served, who is refused with which sentence, and certificates that
//! are replaced while connections go on.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bystander::{Bystander, backend};
use crate::harness::server::REVERB_APP;
use crate::harness::tls::{Tunnel, certificate, client, connect, section};
use crate::harness::wire::{Reply, Wire, handshake};
use crate::harness::{Folder, Program, TestServer, eventually};

const UP: &str = "GET /up HTTP/1.1\r\nHost: x\r\n\r\n";

async fn server(tls: &str) -> TestServer {
    TestServer::with(&format!("{REVERB_APP}{}", section(tls))).await
}

/// What a connection that begins with `bytes` is answered until it ends.
async fn answer_to(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut wire = Wire::open(address).await;
    wire.send(bytes).await;
    wire.rest().await
}

async fn ready(address: SocketAddr) -> Reply {
    let mut wire = Wire::open(address).await;
    wire.send("GET /ready HTTP/1.1\r\nHost: x\r\n\r\n").await;
    wire.reply().await
}

fn rejected(server: &TestServer, reason: &str) -> f64 {
    server.metric(&format!("resound_connections_rejected_total{{reason=\"{reason}\"}}"))
}

fn handshakes(server: &TestServer, result: &str) -> f64 {
    server.metric(&format!("resound_tls_handshakes_total{{result=\"{result}\"}}"))
}

#[tokio::test]
async fn one_port_serves_both() {
    let server = server("").await;
    let tunnel = Tunnel::to(server.address).await;
    let mut plain = Bystander::at(server.address).await;
    let mut encrypted = Bystander::at(tunnel.address).await;
    for _ in 0..100 {
        plain.is_served().await;
        encrypted.is_served().await;
    }
    let made = handshakes(&server, "full") + handshakes(&server, "resumed");
    assert_eq!(made, 2.0, "a socket and a back end");
    assert_eq!(handshakes(&server, "failed"), 0.0);
}

#[tokio::test]
async fn where_tls_is_required_a_plain_request_gets_a_sentence_and_a_plain_socket_4000() {
    let server = server("mode = \"required\"").await;
    let sentence = "Bad request: a request without TLS arrived at a port that serves TLS only: connect with \
                    https:// and wss:// (REVERB_SCHEME=https, forceTLS: true), or set tls.mode to optional \
                    (RESOUND_TLS_MODE)";
    for request in
        [UP, "POST /apps/123456/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"]
    {
        let answer =
            String::from_utf8(answer_to(server.address, request.as_bytes()).await).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n"),
            "{answer}"
        );
        assert!(answer.ends_with(&format!("\r\n\r\n{sentence}")), "{answer}");
    }
    let mut wire = Wire::open(server.address).await;
    wire.send(handshake()).await;
    assert_eq!(wire.reply().await.status, 101);
    let farewell = wire.farewell().await;
    assert_eq!(farewell.code, Some(4000), "on which pusher-js changes to TLS");
    assert_eq!(farewell.reason, "This port serves TLS only, connect with wss://");
    assert_eq!(rejected(&server, "plain"), 3.0);
    let tunnel = Tunnel::to(server.address).await;
    Bystander::at(tunnel.address).await.is_served().await;
}

#[tokio::test]
async fn failed_handshakes_are_counted_by_what_has_to_change() {
    let server = server("").await;
    let mut bystander = Bystander::at(server.address).await;
    let trusting_nobody =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
    let mut speaking_http2 = client(&[&TLS13]);
    speaking_http2.alpn_protocols = vec![b"h2".to_vec()];
    for (config, reason) in
        [(trusting_nobody, "tls_untrusted"), (speaking_http2, "tls_incompatible")]
    {
        assert!(connect(server.address, &Arc::new(config), "localhost").await.is_err());
        eventually(reason, async || rejected(&server, reason) == 1.0).await;
    }
    // A hello of TLS 1.0 that is one byte long, and a record of another version.
    for garbage in [&b"\x16\x03\x01\x00\x01\x01garbage behind it"[..], b"\x16\xff\xff\x00\x05hello"]
    {
        let alert = answer_to(server.address, garbage).await;
        assert_eq!(alert.first(), Some(&0x15), "{alert:x?}");
    }
    assert_eq!(rejected(&server, "tls_malformed"), 2.0);
    assert_eq!(handshakes(&server, "failed"), 4.0);
    bystander.is_served().await;
}

#[tokio::test]
async fn a_handshake_has_the_time_of_a_header() {
    let server = TestServer::with(&format!(
        "{REVERB_APP}{}[http]\nheader_timeout_seconds = 1\n",
        section("")
    ))
    .await;
    let mut bystander = Bystander::at(server.address).await;
    for begin in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let begun = Instant::now();
        let mut wire = Wire::open(server.address).await;
        wire.send(begin).await;
        wire.ends().await;
        let took = begun.elapsed();
        assert!((0.9..40.0).contains(&took.as_secs_f32()), "{begin:x?} took {took:?}");
    }
    let config = Arc::new(client(&[&TLS13]));
    let begun = Instant::now();
    let mut silent = connect(server.address, &config, "localhost").await.unwrap();
    let _ = silent.read_u8().await.unwrap_err();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(40), "a handshake does not prolong it: {took:?}");
    bystander.is_served().await;
}

#[tokio::test]
async fn handshakes_in_progress_are_closed_when_there_are_too_many() {
    let server = TestServer::with(&format!(
        "{REVERB_APP}{}[http]\nmax_pending_connections = 10\n",
        section("")
    ))
    .await;
    let tunnel = Tunnel::to(server.address).await;
    let mut bystander = Bystander::at(tunnel.address).await;
    let mut pending = Vec::new();
    for _ in 0..40 {
        let mut wire = Wire::open(server.address).await;
        wire.send(b"\x16\x03\x01\x02\x00\x01\x00").await;
        pending.push(wire);
    }
    bystander.is_served().await;
    let mut first = pending.remove(0);
    assert_eq!(first.stream.read(&mut [0; 10]).await.unwrap_or(0), 0, "the oldest is closed");
}

#[tokio::test]
async fn a_client_gets_the_certificate_of_the_host_it_names_and_resumes_its_session() {
    let other = certificate("other.pem");
    let server = server(&format!("sni_certificates = [{other:?}]\nsni_keys = [{other:?}]")).await;
    for version in [&TLS12, &TLS13] {
        for host in ["localhost", "other.example", "a.wild.example"] {
            let config = Arc::new(client(&[version]));
            let mut kinds = Vec::new();
            for _ in 0..2 {
                let mut stream = connect(server.address, &config, host).await.unwrap();
                stream.write_all(UP.as_bytes()).await.unwrap();
                stream.read_u8().await.unwrap();
                kinds.push(stream.get_ref().1.handshake_kind().unwrap());
            }
            assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed], "{host} {version:?}");
        }
    }
    assert_eq!((handshakes(&server, "full"), handshakes(&server, "resumed")), (6.0, 6.0));
}

/// The DER of the certificate that a new connection gets.
async fn presented(address: SocketAddr, host: &str) -> Vec<u8> {
    let config = Arc::new(client(&[&TLS13]));
    let stream = connect(address, &config, host).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_certificate_is_replaced_under_load_without_losing_a_socket() {
    let folder = Folder::new();
    let read = |name| std::fs::read_to_string(certificate(name)).unwrap();
    let path = folder.write("a.pem", &read("valid.pem"));
    let replace = |text: &str| {
        let new = folder.write("new.pem", text);
        std::fs::rename(new, &path).unwrap();
    };
    let variables = [
        ("RESOUND_TLS_CERTIFICATE", &*path),
        ("RESOUND_TLS_KEY", &path),
        ("RESOUND_TLS_RELOAD_SECONDS", "1"),
    ];
    let mut program = Program::start(&variables).await;
    let tunnel = Tunnel::to(program.address).await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(Bystander::at(tunnel.address).await);
    }
    let first = presented(program.address, "localhost").await;
    replace(&read("other.pem"));
    let is_reported = Cell::new(false);
    let reported = async {
        program.log_line("new certificates are in use").await;
        is_reported.set(true);
    };
    let serving = async {
        while !is_reported.get() {
            for socket in &mut sockets {
                socket.is_served().await;
            }
        }
    };
    tokio::join!(reported, serving);
    assert_ne!(presented(program.address, "other.example").await, first);
    for (text, part) in [
        ("garbage", "it must hold certificates in PEM form"),
        (&*read("expired.pem"), "its certificate has expired; the one in use has not"),
        (&read("ca.pem"), "it must hold a private key in PEM form"),
    ] {
        replace(text);
        let line = program.log_line("the certificates cannot be replaced").await;
        assert!(line.contains("ERROR") && line.contains(&path) && line.contains(part), "{line}");
        for socket in &mut sockets {
            socket.is_served().await;
        }
        presented(program.address, "other.example").await;
    }
    std::fs::remove_file(&path).unwrap();
    let line = program.log_line("the certificates cannot be replaced").await;
    assert!(line.contains("there is no such file"), "{line}");
    replace(&read("valid.pem"));
    program.log_line("new certificates are in use").await;
    assert_eq!(presented(program.address, "localhost").await, first);
    for socket in &mut sockets {
        socket.is_served().await;
    }
}

#[tokio::test]
async fn certificates_that_cannot_be_used_show_in_the_metrics_and_in_ready() {
    let folder = Folder::new();
    let path = folder.write("a.pem", &std::fs::read_to_string(certificate("valid.pem")).unwrap());
    let toml = format!("[tls]\ncertificate = {path:?}\nkey = {path:?}\nreload_seconds = 1\n");
    let server = TestServer::with(&format!("{REVERB_APP}{toml}")).await;
    assert_eq!(server.metric("resound_tls_certificate_expiry_timestamp_seconds"), 4_922_899_200.0);
    folder.write("a.pem", "garbage");
    let refused = "resound_condition{condition=\"certificates_refused\"}";
    eventually("the garbage to be noticed", async || server.metric(refused) == 1.0).await;
    let degraded = ready(server.address).await;
    assert_eq!(degraded.status, 200);
    assert!(degraded.body.contains("certificates_refused"), "{}", degraded.body);
    let tunnel = Tunnel::to(server.address).await;
    Bystander::at(tunnel.address).await.is_served().await;
    std::fs::copy(certificate("valid.pem"), &path).unwrap();
    eventually("the repair to be noticed", async || server.metric(refused) == 0.0).await;
    assert!(!ready(server.address).await.body.contains("certificates_refused"));
}

#[tokio::test]
async fn an_expired_certificate_is_served_and_reported() {
    let path = certificate("expired.pem");
    let variables = [("RESOUND_TLS_CERTIFICATE", &*path), ("RESOUND_TLS_KEY", &path)];
    let mut program = Program::start(&variables).await;
    let line = program.log_line("has expired or is not valid yet").await;
    assert!(line.contains("ERROR") && line.contains("tls.certificate"), "{line}");
    assert_eq!(backend(program.address).get("/channels", &[]).await.status, 200);
}

#[tokio::test]
async fn a_reload_reads_certificates_that_are_not_looked_at() {
    let folder = Folder::new();
    let read = |name| std::fs::read_to_string(certificate(name)).unwrap();
    let path = folder.write("a.pem", &read("valid.pem"));
    let variables = [
        ("RESOUND_TLS_CERTIFICATE", &*path),
        ("RESOUND_TLS_KEY", &path),
        ("RESOUND_TLS_RELOAD_SECONDS", "0"),
    ];
    let mut program = Program::start(&variables).await;
    let tunnel = Tunnel::to(program.address).await;
    let mut bystander = Bystander::at(tunnel.address).await;
    folder.write("a.pem", &read("other.pem"));
    program.signal("HUP");
    program.log_line("new certificates are in use").await;
    presented(program.address, "other.example").await;
    folder.write("a.pem", "garbage");
    program.signal("HUP");
    // The check of the whole configuration finds it, before anything is changed.
    let line = program.log_line("it must hold certificates in PEM form").await;
    assert!(line.contains("ERROR"), "{line}");
    presented(program.address, "other.example").await;
    bystander.is_served().await;
}
