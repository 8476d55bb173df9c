//! The end of a server: every client gets its answer or its close frame, and it is over in time.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::bystander::{APP, backend};
use crate::harness::server::REVERB_APP;
use crate::harness::{TestServer, TestSocket, eventually};
use crate::wire::{CLIENT_PING, PING, TEXT, Wire, frame, handshake};

const UP: &str = "GET /up HTTP/1.1\r\nHost: x\r\n\r\n";
const READY: &str = "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n";
const TOLD: &str = r#"{"event":"pusher:error","data":{"code":4200,"message":"Server is shutting down, reconnect now"}}"#;

const AWAY: &str = r#"{"event":"pusher:error","data":{"code":4100,"message":"Server is shutting down, try again"}}"#;

/// With little room for those who do not read, and all the time in the world for their closing.
pub(crate) async fn draining_within(seconds: u32) -> TestServer {
    let server = format!("port = 0\ndrain_seconds = {seconds}");
    TestServer::with(&format!(
        "{}[websocket]\nclose_timeout_seconds = 600\n[http]\nbody_timeout_seconds = 600\n",
        REVERB_APP.replace("port = 0", &server)
    ))
    .await
}

/// Stops the server; it must have ended `within` seconds.
pub(crate) async fn ends_within(server: TestServer, seconds: u64) {
    let begin = Instant::now();
    server.ended().await;
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(seconds), "the drain took {took:?}");
}

/// Nothing is listening any more, which is the last step of a drain.
pub(crate) async fn refuses_connections(server: &TestServer) {
    eventually("the listener to be gone", async || {
        TcpStream::connect(server.address).await.is_err()
    })
    .await;
}

/// The first step: new connections are still answered, and refused.
pub(crate) async fn refuses_new_connections(server: &TestServer) {
    eventually("the server not to be ready", async || {
        let mut wire = Wire::open(server.address).await;
        wire.send(READY).await;
        let reply = wire.reply().await;
        assert!(reply.status == 200 || reply.head.contains("connection: close\r\n"), "{reply:?}");
        reply.status == 503
    })
    .await;
    let mut wire = Wire::open(server.address).await;
    wire.send([handshake().into_bytes(), frame(TEXT, CLIENT_PING)].concat()).await;
    assert_eq!(wire.reply().await.status, 101);
    let farewell = wire.farewell().await;
    assert_eq!(farewell.texts, [AWAY]);
    assert_eq!(farewell.code, Some(4100));
}

/// A request whose head is there and whose body is not.
pub(crate) async fn half_a_request(address: std::net::SocketAddr, body: &str) -> Wire {
    let query = backend(address).query("POST", "/apps/123456/events", &[], body);
    let length = body.len();
    let mut wire = Wire::open(address).await;
    wire.send(format!(
        "POST /apps/123456/events?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\
         Expect: 100-continue\r\n\r\n"
    ))
    .await;
    assert!(wire.head().await.contains("100 Continue"), "it is being served");
    wire
}

#[tokio::test]
async fn every_socket_is_closed_with_4200() {
    let mut server = draining_within(20).await;
    let mut sockets = Vec::new();
    for _ in 0..200 {
        sockets.push(Wire::socket(server.address).await);
    }
    sockets[0].subscribe("channel").await;
    server.stop();
    // As long as some are not gone, who comes is answered.
    refuses_new_connections(&server).await;
    for socket in &mut sockets {
        let farewell = socket.farewell().await;
        assert_eq!(farewell.texts, [TOLD]);
        assert_eq!(farewell.code, Some(4200));
    }
    refuses_new_connections(&server).await;
    drop(sockets);
    refuses_connections(&server).await;
    ends_within(server, 18).await;
}

#[tokio::test]
async fn a_socket_that_sends_during_its_close_is_closed_too() {
    let mut server = draining_within(20).await;
    let mut socket = Wire::socket(server.address).await;
    socket.send(frame(TEXT, CLIENT_PING).repeat(100)).await;
    server.stop();
    for _ in 0..100 {
        let _ = socket.try_send(frame(PING, "still here").repeat(10)).await;
    }
    let farewell = socket.farewell().await;
    assert_eq!(farewell.texts.last().map(String::as_str), Some(TOLD));
    assert_eq!(farewell.code, Some(4200));
    drop(socket);
    ends_within(server, 18).await;
}

#[tokio::test]
async fn connections_without_a_request_do_not_hold_the_drain() {
    let mut server = draining_within(20).await;
    let mut kept_alive = Wire::open(server.address).await;
    kept_alive.send(UP).await;
    assert_eq!(kept_alive.reply().await.status, 200);
    let mut silent = Wire::open(server.address).await;
    // The connection is accepted once one that came later is answered.
    let mut later = Wire::open(server.address).await;
    later.send(UP).await;
    assert_eq!(later.reply().await.status, 200);
    server.stop();
    kept_alive.ends().await;
    later.ends().await;
    silent.ends().await;
    ends_within(server, 18).await;
}

/// Connections that were accepted before the stop, their requests still on the way.
#[tokio::test]
async fn a_request_that_meets_the_stop_is_answered() {
    let mut server = draining_within(20).await;
    let socket = Wire::socket(server.address).await;
    let (mut request, mut client) =
        (Wire::open(server.address).await, Wire::open(server.address).await);
    // They are accepted once one that came later is answered.
    let mut later = Wire::open(server.address).await;
    later.send(UP).await;
    assert_eq!(later.reply().await.status, 200);
    server.stop();
    refuses_new_connections(&server).await;
    for wire in [&mut request, &mut later] {
        wire.send(UP).await;
        let reply = wire.reply().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.head.contains("connection: close\r\n"), "{}", reply.head);
        wire.ends().await;
    }
    client.send([handshake().into_bytes(), frame(TEXT, CLIENT_PING)].concat()).await;
    assert_eq!(client.reply().await.status, 101);
    assert_eq!(client.farewell().await.code, Some(4100));
    drop((client, socket));
    ends_within(server, 18).await;
}

/// The same without other sockets: what was sent before the stop is answered.
#[tokio::test]
async fn a_request_that_meets_the_stop_of_an_empty_server_is_answered() {
    for _ in 0..20 {
        let mut server = draining_within(20).await;
        let mut request = Wire::open(server.address).await;
        request.send(UP).await;
        server.stop();
        assert_eq!(request.reply().await.status, 200);
        ends_within(server, 18).await;
    }
}

/// A connection that was opened during the drain and sends nothing is closed at once.
#[tokio::test]
async fn a_late_connection_without_a_request_does_not_hold_the_drain() {
    let mut server = draining_within(20).await;
    let socket = Wire::socket(server.address).await;
    server.stop();
    refuses_new_connections(&server).await;
    let mut late = Wire::open(server.address).await;
    refuses_new_connections(&server).await;
    drop(socket);
    let begin = Instant::now();
    late.ends().await;
    assert!(begin.elapsed() < Duration::from_secs(15), "it was not waited for");
    ends_within(server, 18).await;
}

/// Sends the end of a handshake as a server without sockets stops; the code of its close frame.
async fn handshake_meets_stop() -> Option<u16> {
    let mut server = draining_within(20).await;
    let mut wire = Wire::open(server.address).await;
    let head = handshake();
    let (most, end) = head.split_at(head.len() - 2);
    let end = end.to_owned();
    wire.send(most).await;
    let farewell = tokio::spawn(async move { wire.finish_handshake(&end).await });
    server.stop();
    let farewell = farewell.await.unwrap();
    ends_within(server, 18).await;
    farewell.map(|farewell| farewell.code.expect("a code"))
}

/// At any moment of the drain an upgraded socket is closed with the reason.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_handshake_as_the_server_stops_is_answered() {
    let mut lanes = JoinSet::new();
    for _ in 0..5 {
        lanes.spawn(async {
            for _ in 0..20 {
                let code = handshake_meets_stop().await;
                assert!([None, Some(4100), Some(4200)].contains(&code), "closed with {code:?}");
            }
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.unwrap();
    }
}

#[tokio::test]
async fn a_request_being_served_is_finished() {
    let mut server = draining_within(20).await;
    let body = r#"{"name":"event","channels":["channel"],"data":"{}"}"#;
    let mut wire = half_a_request(server.address, body).await;
    server.stop();
    refuses_connections(&server).await;
    wire.send(body).await;
    let reply = wire.reply().await;
    assert_eq!((reply.status, &*reply.body), (200, "{}"));
    assert!(reply.head.contains("connection: close\r\n"), "{}", reply.head);
    wire.ends().await;
    ends_within(server, 18).await;
}

#[tokio::test]
async fn a_request_that_never_ends_holds_the_drain_no_longer_than_its_time() {
    let server = draining_within(1).await;
    let _wire = half_a_request(server.address, "never").await;
    ends_within(server, 40).await;
}

#[tokio::test]
async fn sockets_that_close_as_the_server_stops_do_not_delay_its_end() {
    for crowd in [50, 500] {
        let mut server = draining_within(30).await;
        let mut sockets = Vec::new();
        for number in 0..crowd {
            let mut socket = TestSocket::greeted(server.address, APP).await;
            if number % 2 == 0 {
                socket.subscribe("crowd").await;
            }
            sockets.push(socket);
        }
        server.backend().trigger("crowd", "event", "to all that still listen").await;
        drop(sockets);
        server.stop();
        ends_within(server, 28).await;
    }
}
