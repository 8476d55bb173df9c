//! What lies between browsers and the server: chains of certificates, addresses of a name, a proxy that holds frames
//! back.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::catalogue::is_listed;
use crate::harness::Folder;
use crate::network::{Diagnosed, Served, diagnosed_by};
use crate::nginx::{Nginx, WITH_UPGRADE, with_tls};

/// Nginx with a certificate in front of a server, seen on a system that trusts an authority.
async fn with_certificate(served: &Served, certificate: &str, authority: &str) -> Diagnosed {
    let tls = with_tls(certificate);
    let nginx = Nginx::start(&format!(
        "listen $listen ssl; {tls} client_max_body_size 4m; location / {{ proxy_pass http://127.0.0.1:{}; {WITH_UPGRADE} }}",
        served.port
    ))
    .await;
    let url = format!("https://localhost:{}", nginx.port);
    let arguments = ["--config", &served.file, "--url", &url, "--nginx", "/nonexistent"];
    diagnosed_by(Command::new(env!("CARGO_BIN_EXE_resound")), authority, &arguments).await
}

#[tokio::test]
async fn a_self_signed_certificate() {
    let says = "The certificate is self-signed, and no browser trusts it.";
    let served = Served::start().await;
    with_certificate(&served, "self-signed.pem", "ca.pem").await.fails("R064", says);
}

#[tokio::test]
async fn a_certificate_without_its_intermediate() {
    let says =
        "The server sends its certificate without that of its issuer \"an intermediate of it\".";
    let served = Served::start().await;
    let broken = with_certificate(&served, "without-intermediate.pem", "second-ca.pem").await;
    broken.fails("R064", says);
    assert!(broken.text.contains("to fullchain.pem"), "{}", broken.text);
    with_certificate(&served, "chain.pem", "second-ca.pem").await.is_healthy();
}

#[tokio::test]
async fn a_certificate_of_an_authority_that_is_not_trusted() {
    let says = "The certificate was issued by \"an intermediate of it\", which no browser trusts.";
    let served = Served::start().await;
    with_certificate(&served, "chain.pem", "ca.pem").await.fails("R064", says);
}

/// The doctor where names have the addresses of these lines.
async fn with_hosts(hosts: &str, arguments: &[&str]) -> Diagnosed {
    let folder = Folder::new();
    let file = folder.write("hosts", hosts);
    // In a namespace of its own, so that nothing else sees the file.
    let mut command = Command::new("/usr/bin/unshare");
    let script = format!("/bin/mount --bind {file} /etc/hosts && exec \"$0\" \"$@\"");
    // As root without a namespace of users: a container may permit the one and not the other.
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "--", "/bin/sh", "-c", &script]);
    command.arg(env!("CARGO_BIN_EXE_resound"));
    diagnosed_by(command, "ca.pem", arguments).await
}

/// Nginx in front of a server, at its port of this address.
async fn listening_on(served: &Served, address: &str) -> Nginx {
    let location =
        format!("location / {{ proxy_pass http://127.0.0.1:{}; {WITH_UPGRADE} }}", served.port);
    Nginx::start(&format!("listen $listen; {address} client_max_body_size 4m; {location}")).await
}

#[tokio::test]
async fn an_ipv6_address_that_does_not_answer() {
    let served = Served::start().await;
    let nginx = listening_on(&served, "").await;
    let url = format!("http://ws.example.test:{}", nginx.port);
    let arguments = ["--config", &served.file, "--url", &url, "--nginx", "/nonexistent"];
    let hosts = "127.0.0.1 ws.example.test localhost\n::1 ws.example.test\n";
    let says =
        "::1 of ws.example.test cannot be reached: browsers that choose it wait, or give up.";
    with_hosts(hosts, &arguments).await.warns("R062", says);
}

#[tokio::test]
async fn a_name_with_ipv6_addresses_only() {
    let served = Served::start().await;
    let port = crate::harness::redis::free_port();
    let nginx = listening_on(&served, &format!("listen [::1]:{port};")).await;
    let says = "ws.example.test has IPv6 addresses only: browsers in networks without IPv6 cannot reach it.";
    let arguments = |url: &str| {
        let url = url.to_owned();
        let file = served.file.clone();
        [
            "--config".to_owned(),
            file,
            "--url".to_owned(),
            url,
            "--nginx".to_owned(),
            "/nonexistent".to_owned(),
        ]
    };
    let hosts = "::1 ws.example.test localhost\n";
    let reached = arguments(&format!("http://ws.example.test:{port}"));
    let reached: Vec<&str> = reached.iter().map(String::as_str).collect();
    with_hosts(hosts, &reached).await.warns("R062", says);
    // Nginx listens on IPv4 alone at its other port.
    let refused = arguments(&format!("http://ws.example.test:{}", nginx.port));
    let refused: Vec<&str> = refused.iter().map(String::as_str).collect();
    let says =
        format!("Nothing listens on ws.example.test:{}, where browsers connect to.", nginx.port);
    let diagnosed = with_hosts(hosts, &refused).await;
    diagnosed.fails("R061", &says);
    assert!(
        diagnosed.text.contains("ws.example.test has IPv6 addresses only"),
        "{}",
        diagnosed.text
    );
}

#[tokio::test]
async fn a_proxy_that_holds_frames_back() {
    let served = Served::start().await;
    let port = hold_back(served.port);
    let diagnosed = served.diagnosed(&format!("http://127.0.0.1:{port}")).await;
    assert_eq!(diagnosed.failed, [], "{}", diagnosed.text);
    let warned: Vec<_> = diagnosed.warned.iter().map(|(id, _)| &**id).collect();
    assert_eq!(warned, ["R073"], "{}", diagnosed.text);
    assert!(is_listed("R073", &diagnosed.warned[0].1), "{}", diagnosed.text);
}

/// What a ping takes longer through the proxy: more than the doctor's bound and a slow answer without it, less than the
/// time of a probe.
const HELD_BACK: Duration = Duration::from_millis(1600);

/// A proxy to a port of this machine that keeps each answer to a ping for a while, and nothing else; its own port.
fn hold_back(server: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).unwrap();
            let (from, to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            thread::spawn(move || pass(from, to));
            thread::spawn(move || pass(upstream, client));
        }
    });
    port
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if bytes[..length].windows(11).any(|part| part == b"pusher:pong") {
            thread::sleep(HELD_BACK);
        }
        if std::io::Write::write_all(&mut to, &bytes[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}
