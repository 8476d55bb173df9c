//! What a drain still serves, and what it does not wait for.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::bystander::backend;
use crate::harness::TestServer;
use crate::harness::server::REVERB_APP;
use crate::harness::wire::{CLIENT_PING, TEXT, Wire, frame, handshake};
use crate::http_timeouts::without_reading;
use crate::shutdown::{draining_within, ends_within, half_a_request, refuses_new_connections};

const EVENT: &str = r#"{"name":"event","channels":["channel"],"data":"{}"}"#;
const BATCH: &str = r#"{"batch":[{"name":"event","channel":"channel","data":"{}"}]}"#;
const UP: &str = "GET /up HTTP/1.1\r\nHost: x\r\n\r\n";

/// A signed request of the API.
fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let path = format!("/apps/123456{path}");
    let query = backend(address).query(method, &path, &[], body);
    let length = body.len();
    format!("{method} {path}?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Sends `count` requests, each on a connection of its own; how many were answered, before the first
/// that was refused a connection. Every one that has a connection is answered with 200.
async fn publish_until_refused(address: SocketAddr) -> usize {
    let mut answered = 0;
    while let Ok(stream) = TcpStream::connect(address).await {
        let mut wire = Wire::over(stream);
        wire.send(request(address, "POST", "/events", EVENT)).await;
        let reply = wire.reply().await;
        assert_eq!(
            (reply.status, &*reply.body),
            (200, "{}"),
            "after {answered} that were answered"
        );
        answered += 1;
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_publish_is_answered_until_connections_are_refused() {
    for sockets in [0, 20] {
        let mut server = draining_within(20).await;
        let mut open = Vec::new();
        for _ in 0..sockets {
            open.push(Wire::socket(server.address).await);
        }
        let mut publishers = JoinSet::new();
        for _ in 0..8 {
            publishers.spawn(publish_until_refused(server.address));
        }
        let mut bystander = Wire::open(server.address).await;
        bystander.send(request(server.address, "POST", "/events", EVENT)).await;
        assert_eq!(bystander.reply().await.status, 200, "publishing is under way");
        server.stop();
        while let Some(answered) = publishers.join_next().await {
            assert!(answered.unwrap() > 0);
        }
        ends_within(server, 18).await;
    }
}

#[tokio::test]
async fn the_api_is_served_and_announces_the_end_of_each_connection() {
    let mut server = draining_within(20).await;
    let address = server.address;
    let socket = Wire::socket(address).await;
    let requests = [
        UP.to_owned(),
        request(address, "POST", "/events", EVENT),
        request(address, "POST", "/batch_events", BATCH),
        request(address, "GET", "/channels", ""),
        request(address, "GET", "/channels/channel", ""),
        request(address, "GET", "/connections", ""),
        request(address, "POST", "/users/ada/terminate_connections", ""),
    ];
    let refused = handshake().replace("Version: 13", "Version: 8");
    let requests = requests.into_iter().map(|request| (request, 200)).chain([(refused, 426)]);
    let mut kept_alive = Vec::new();
    for (request, status) in requests {
        let mut wire = Wire::open(address).await;
        wire.send(&request).await;
        assert_eq!(wire.reply().await.status, status, "{request}");
        kept_alive.push((wire, request, status));
    }
    server.stop();
    refuses_new_connections(&server).await;
    for (mut wire, request, status) in kept_alive {
        wire.send(&request).await;
        let reply = wire.reply().await;
        assert_eq!(reply.status, status, "{request}");
        assert!(reply.head.contains("connection: close\r\n"), "{}", reply.head);
        wire.ends().await;
    }
    drop(socket);
    ends_within(server, 18).await;
}

#[tokio::test]
async fn sockets_that_do_not_answer_their_close_frame_do_not_prolong_the_drain() {
    let server = draining_within(600).await;
    let mut sockets = Vec::new();
    for _ in 0..200 {
        sockets.push(Wire::socket(server.address).await);
    }
    // One of them was closed before the stop.
    sockets[0].send(frame(TEXT | 0x40, "deflated, which was not negotiated")).await;
    ends_within(server, 40).await;
    for mut socket in sockets.split_off(1) {
        assert_eq!(socket.farewell().await.code, Some(4200));
    }
}

/// Peers of every kind that would hold a connection for long.
#[tokio::test]
async fn no_peer_decides_how_long_the_drain_lasts() {
    let server = draining_within(16).await;
    let address = server.address;
    let _no_reader = no_reader_of_events(&server).await;
    let _half_a_head = open_and_send(address, "GET /up HTTP/1.1\r\nHost").await;
    let _half_a_body = half_a_request(address, "never").await;
    let _no_reader_of_answers = without_reading(address, UP).await;
    let _nothing = Wire::open(address).await;
    let refused = handshake().replace("reverb-key", "another-key");
    let _silent_when_refused = open_and_send(address, &refused).await;
    // A quarter of the time for those, a second and a half for sockets.
    ends_within(server, 14).await;
}

/// A socket whose frames no longer fit into the buffers of the kernel.
async fn no_reader_of_events(server: &TestServer) -> Wire {
    let mut socket = Wire::narrow_socket(server.address).await;
    socket.subscribe("flood").await;
    let mut backend = server.backend();
    for _ in 0..60 {
        backend.trigger("flood", "event", &"x".repeat(100_000)).await;
    }
    socket
}

async fn open_and_send(address: SocketAddr, bytes: &str) -> Wire {
    let mut wire = Wire::open(address).await;
    wire.send(bytes).await;
    wire
}

#[tokio::test]
async fn a_webhook_that_is_not_answered_does_not_prolong_the_drain_beyond_its_time() {
    let endpoint = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", endpoint.local_addr().unwrap());
    let app = REVERB_APP.replace("port = 0", "port = 0\ndrain_seconds = 3");
    let server = TestServer::with(&format!("{app}[[apps.webhooks]]\nurl = \"{url}\"\n")).await;
    let mut socket = Wire::socket(server.address).await;
    socket.subscribe("occupied").await;
    let (_call, _) = endpoint.accept().await.unwrap();
    socket.send(frame(TEXT, CLIENT_PING)).await;
    drop(socket);
    ends_within(server, 9).await;
}
