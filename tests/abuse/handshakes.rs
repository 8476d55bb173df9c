//! Floods of handshakes, from many addresses as fast as they go.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::canary::Canary;
use crate::harness::{Program, eventually, within};
use crate::wire::{Wire, handshake};

/// Clients that connect at the same time.
const AT_ONCE: usize = 100;

/// How the handshakes of a flood ended.
#[derive(Default)]
struct Ends {
    opened: AtomicUsize,
    refused: AtomicUsize,
}

/// Connects from an address of this machine's own network, and returns whether the socket opened.
async fn knock(server: SocketAddr, from: u8) -> bool {
    let socket = TcpSocket::new_v4().unwrap();
    let source = Ipv4Addr::new(127, 0, 0, from);
    socket.bind((source, 0).into()).unwrap();
    let stream = within("a connection", socket.connect(server)).await.expect("a listener");
    // An end by a reset leaves no port behind that waits.
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    let mut wire = Wire::over(stream);
    wire.send(handshake()).await;
    assert_eq!(wire.reply().await.status, 101, "each is answered");
    let (_, payload) = wire.frame().await.expect("a greeting or a reason");
    let text = String::from_utf8(payload).unwrap();
    if text.contains("connection_established") {
        return true;
    }
    assert!(text.contains("4100"), "{text}");
    assert_eq!(wire.farewell().await.code, Some(4100), "on which pusher-js comes back");
    false
}

/// `count` handshakes from `addresses` addresses.
async fn flood(server: SocketAddr, count: usize, addresses: usize) -> Arc<Ends> {
    let (ends, next) = (Arc::new(Ends::default()), Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (ends, next) = (ends.clone(), next.clone());
        clients.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                let from = u8::try_from(10 + number % addresses).unwrap();
                let end = match knock(server, from).await {
                    true => &ends.opened,
                    false => &ends.refused,
                };
                end.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    ends
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_handshakes_are_all_answered() {
    let program = Program::start(&[]).await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let before = program.resident();
    let begun = Instant::now();
    let key = "server.max_handshakes_per_second = 0, no limit";
    let ends = canary.beside("10 000 handshakes", key, flood(address, 10_000, 200)).await;
    let seconds = begun.elapsed().as_secs_f64();
    let opened = ends.opened.load(Ordering::Relaxed);
    println!("{opened} of 10 000 handshakes accepted: {:.0} a second", opened as f64 / seconds);
    assert_eq!(opened, 10_000, "without a limit none is refused");
    let mut backend =
        crate::harness::Backend::new(address, "123456", "reverb-key", "reverb-secret");
    eventually("all of them to be gone", async || {
        backend.get("/connections", &[]).await.body == r#"{"connections":1}"#
    })
    .await;
    let grown = program.resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes are left of sockets that are gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_its_rate_and_the_others_theirs() {
    const RATE: usize = 20;
    const ADDRESSES: usize = 10;
    let rate = RATE.to_string();
    let name = "RESOUND_SERVER_MAX_HANDSHAKES_PER_ADDRESS_PER_SECOND";
    let program = Program::start(&[(name, &rate)]).await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let begun = Instant::now();
    let key = "server.max_handshakes_per_address_per_second = 20";
    let ends = canary.beside("3 000 handshakes", key, flood(address, 3000, ADDRESSES)).await;
    let seconds = begun.elapsed().as_secs_f64();
    let (opened, refused) =
        (ends.opened.load(Ordering::Relaxed), ends.refused.load(Ordering::Relaxed));
    println!("{opened} opened, {refused} closed with 4100 in {seconds:.1} s");
    // A bucket is full at first, and fills for as long as the flood takes.
    let most = ADDRESSES as f64 * (RATE as f64 * (seconds + 1.0) + 1.0);
    assert!((opened as f64) <= most, "{opened} opened, at most {most:.0} may");
    assert!(opened >= ADDRESSES * RATE.min(3000 / ADDRESSES), "each address has its share");
    assert_eq!(opened + refused, 3000, "each is answered");
    // One that comes from elsewhere is not refused for them.
    assert!(knock(address, 5).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_together_have_a_rate_and_beyond_it_4100() {
    const RATE: usize = 100;
    let program = Program::start(&[
        ("RESOUND_SERVER_MAX_HANDSHAKES_PER_SECOND", &RATE.to_string()),
        ("RESOUND_SERVER_MAX_HANDSHAKE_WAIT_SECONDS", "1"),
    ])
    .await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let begun = Instant::now();
    let key = "server.max_handshakes_per_second = 100";
    // More at once than a second of waiting has room for.
    let floods = async move {
        let (one, two, three) = tokio::join!(
            flood(address, 200, 200),
            flood(address, 200, 200),
            flood(address, 200, 200)
        );
        [one, two, three].map(|ends| ends.opened.load(Ordering::Relaxed)).iter().sum::<usize>()
    };
    let opened = canary.beside("600 handshakes, 300 at once", key, floods).await;
    let seconds = begun.elapsed().as_secs_f64();
    println!("{opened} of 600 opened in {seconds:.1} s");
    let most = RATE as f64 * (seconds + 1.0) + 1.0;
    assert!(opened > 0 && (opened as f64) <= most, "{opened} opened, at most {most:.0} may");
}
