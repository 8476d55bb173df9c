//! TLS that is begun and not finished, that is none, or that is begun anew within a connection.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::version::TLS12;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::canary::Canary;
use crate::harness::tls::{Tunnel, certificate, client, connect};
use crate::harness::{Program, within};
use crate::wire::Wire;

/// A record with the beginning of a ClientHello.
const HELLO_BEGINS: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

async fn program(variables: &[(&str, &str)]) -> Program {
    let path = certificate("valid.pem");
    let tls = [("RESOUND_TLS_CERTIFICATE", &*path), ("RESOUND_TLS_KEY", &*path)];
    Program::start(&[&tls[..], variables].concat()).await
}

/// A canary over TLS, with the tunnel it goes through.
async fn encrypted_canary(address: SocketAddr) -> (Tunnel, Canary) {
    let tunnel = Tunnel::to(address).await;
    let canary = Canary::at(tunnel.address).await;
    (tunnel, canary)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_silent_handshakes_end_at_their_time() {
    let program = program(&[("RESOUND_HTTP_HEADER_TIMEOUT_SECONDS", "1")]).await;
    let address = program.address;
    let (_tunnel, mut canary) = encrypted_canary(address).await;
    let flood = async move {
        let mut silent = JoinSet::new();
        for number in 0..300 {
            silent.spawn(async move {
                let begun = Instant::now();
                let mut wire = Wire::open(address).await;
                // A third says nothing at all, a third one byte.
                wire.send(&HELLO_BEGINS[..[0, 1, HELLO_BEGINS.len()][number % 3]]).await;
                wire.is_cut_off().await;
                begun.elapsed()
            });
        }
        silent.join_all().await
    };
    let key = "http.header_timeout_seconds = 1";
    let lived = canary.beside("300 silent handshakes", key, flood).await;
    let shortest = lived.iter().min().unwrap();
    assert!(*shortest > Duration::from_millis(500), "its time was a second, not {shortest:?}");
}

/// A ClientHello as a client sends it.
async fn client_hello() -> Vec<u8> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::new(client(&[&TLS12]));
    let client =
        tokio::spawn(async move { connect(address, &config, "localhost").await.map(drop) });
    let (mut stream, _) = within("the client", listener.accept()).await.unwrap();
    let mut hello = vec![0; 4096];
    let length = within("the hello", stream.read(&mut hello)).await.unwrap();
    drop(stream);
    assert!(client.await.unwrap().is_err());
    hello.truncate(length);
    hello
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_behind_a_hello_ends_the_connection() {
    let program = program(&[]).await;
    let address = program.address;
    let (_tunnel, mut canary) = encrypted_canary(address).await;
    let hello = client_hello().await;
    let flood = async move {
        for number in 0..200 {
            let mut wire = Wire::open(address).await;
            let garbage: &[u8] = match number % 4 {
                0 => b"garbage behind it, which is no record",
                1 => b"\x17\x03\x03\x00\x05hello",
                2 => b"\x16\x03\x03\xff\xff\x0b",
                _ => b"\x14\x03\x03\x00\x01\x02",
            };
            let _ = wire.try_send([&hello, garbage].concat()).await;
            // One announces a record that is too long, and must not be waited for.
            wire.is_cut_off().await;
        }
    };
    canary.beside("200 hellos with garbage behind", "no key: TLS", flood).await;
}

/// OpenSSL's client begins a new handshake within a connection when it reads a line with R alone.
async fn renegotiate(address: SocketAddr) -> String {
    let mut command = Command::new("openssl");
    let address = address.to_string();
    command.args(["s_client", "-connect", &address, "-tls1_2", "-servername", "localhost"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = command.kill_on_drop(true).spawn().expect("openssl is installed");
    // The pipe stays open, or the client would end before the answer.
    let mut input = client.stdin.take().unwrap();
    input.write_all(b"R\n").await.unwrap();
    let output = within("the end of the connection", client.wait_with_output()).await.unwrap();
    drop(input);
    let (out, log) = (output.stdout, output.stderr);
    format!("{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&log))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_is_not_made_twice_in_one_connection() {
    let program = program(&[]).await;
    let address = program.address;
    let (_tunnel, mut canary) = encrypted_canary(address).await;
    let attempts = async move {
        let mut outputs = Vec::new();
        for _ in 0..5 {
            outputs.push(renegotiate(address).await);
        }
        outputs
    };
    let key = "no key: rustls has none";
    for output in canary.beside("5 attempts to renegotiate", key, attempts).await {
        assert!(output.contains("RENEGOTIATING"), "it was tried: {output}");
        assert!(output.contains("no renegotiation") || output.contains("alert"), "{output}");
    }
}
