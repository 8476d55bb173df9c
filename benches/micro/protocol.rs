//! Question: what does it cost to write an event once, and to read what clients say? Exercises the
//! double encoding of `data` and the parsing of messages; nothing is sent. The floor is a scan and
//! a copy of the payload, about 0.1 µs/KB.

use criterion::{BenchmarkId, Criterion, Throughput};
use resound::protocol::client_message::ClientMessage;
use resound::protocol::server_message::OutboundEvent;

use crate::fixture::name;

pub(crate) fn measure(criterion: &mut Criterion) {
    encode(criterion);
    parse(criterion);
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode an event");
    let channel = name("orders");
    for (size, bytes) in [("128 B", 128), ("1 KB", 1024), ("10 KB", 10_240)] {
        let data = json(bytes);
        group.throughput(Throughput::Bytes(data.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| OutboundEvent::new("order.shipped", &data).frame(&channel));
        });
    }
    group.finish();
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse a client message");
    let signature = "0".repeat(64);
    let messages = [
        ("ping", r#"{"event":"pusher:ping","data":{}}"#.to_owned()),
        (
            "subscribe",
            format!(
                r#"{{"event":"pusher:subscribe","data":{{"auth":"key:{signature}","channel":"private-orders.42"}}}}"#
            ),
        ),
        (
            "client event",
            r#"{"event":"client-typing","data":{"user":7,"typing":true},"channel":"private-orders.42"}"#
                .to_owned(),
        ),
    ];
    for (kind, text) in &messages {
        assert!(ClientMessage::parse(text).is_ok(), "{kind} is a message");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(*kind, |bencher| bencher.iter(|| ClientMessage::parse(text)));
    }
    group.finish();
}

/// JSON of about that many bytes: quotes are what the double encoding has to escape.
fn json(bytes: usize) -> String {
    let entry = r#"{"id":1042,"status":"shipped","total":"19.90"},"#;
    let mut text = String::from("[");
    while text.len() + entry.len() < bytes {
        text.push_str(entry);
    }
    text.push_str(&format!("\"{}\"]", "x".repeat(bytes.saturating_sub(text.len() + 3))));
    text
}
