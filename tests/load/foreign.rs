//! A server of another make: it deflates, cuts messages into fragments, pings, and answers in
//! chunks. Everything is still counted.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use flate2::{Compress, Compression, FlushCompress};
use serde_json::{Value, json};

use super::{check_complete, connect, events, plan};

const OPEN: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Extensions: permessage-deflate; \
    server_no_context_takeover\r\n\r\n";
const TAKEN: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";

type Sockets = Arc<Mutex<Vec<TcpStream>>>;

/// A short frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[first, 126], &length[..], payload].concat()
}

/// A deflated message in two frames, with a ping between them.
fn message(value: &Value) -> Vec<u8> {
    let mut payload = Vec::with_capacity(4096);
    let mut compress = Compress::new(Compression::fast(), false);
    compress.compress_vec(value.to_string().as_bytes(), &mut payload, FlushCompress::Sync).unwrap();
    payload.truncate(payload.len() - 4);
    let (first, rest) = payload.split_at(payload.len() / 2);
    [frame(0x41, first), b"\x89\x02hi".to_vec(), frame(0x80, rest)].concat()
}

fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let sockets = Sockets::default();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let sockets = sockets.clone();
            thread::spawn(move || serve(stream.unwrap(), &sockets));
        }
    });
    address
}

fn serve(mut stream: TcpStream, sockets: &Sockets) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap() == 0 {
                return;
            }
        }
        if head.starts_with("GET") {
            assert!(head.contains("permessage-deflate"), "{head}");
            stream.write_all(OPEN.as_bytes()).unwrap();
            return greet(stream, reader, sockets);
        }
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let event: Value = serde_json::from_slice(&body).unwrap();
        let delivered = json!({ "event": event["name"], "channel": "a", "data": event["data"] });
        for mut socket in sockets.lock().unwrap().iter() {
            socket.write_all(&message(&delivered)).unwrap();
        }
        stream.write_all(TAKEN.as_bytes()).unwrap();
    }
}

/// Greets the socket and answers its first subscription.
fn greet(mut stream: TcpStream, mut reader: BufReader<TcpStream>, sockets: &Sockets) {
    let id = json!({ "socket_id": "1.1" }).to_string();
    let greeting = json!({ "event": "pusher:connection_established", "data": id });
    stream.write_all(&message(&greeting)).unwrap();
    let mut received = Vec::new();
    while memchr::memmem::find(&received, b"pusher:subscribe").is_none() {
        let part = reader.fill_buf().unwrap();
        assert!(!part.is_empty(), "the client left");
        received.extend_from_slice(part);
        let length = part.len();
        reader.consume(length);
    }
    let joined = json!({ "event": "pusher_internal:subscription_succeeded", "channel": "a" });
    sockets.lock().unwrap().push(stream.try_clone().unwrap());
    stream.write_all(&message(&joined)).unwrap();
    // Answers to pings; the end comes when the pool is dropped.
    let _ = std::io::copy(&mut reader, &mut std::io::sink());
}

#[test]
fn deflated_and_fragmented_messages_are_counted() {
    let mut plan = plan(start(), &["a"], 4);
    plan.deflate = true;
    let mut pool = connect(plan);
    assert_eq!(pool.deflated(), 4);
    pool.try_publish().unwrap();
    let mut phase = events(25);
    phase.payload_bytes = 1000;
    let measures = pool.run(&phase, |_| ());
    check_complete(&measures, 100);
    assert!(measures.received_bytes < 100 * 1000, "{}", measures.received_bytes);
}
