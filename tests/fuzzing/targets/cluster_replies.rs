//! What Redis answers to the requests of a node: an answer of any form is a reply or ends the link, and a node that gets
//! replies of any content goes on.

use redis::{Value, parse_redis_value};
use resound::cluster::redis::read_reply;
use resound::cluster::{DirectoryQuery, QueryAnswer, Reply, Request};

use super::Target;
use crate::bytes::Bytes;
use crate::cluster_stage::ClusterStage;
use crate::outcomes::reached;
use crate::packed::answer;

pub(crate) const TARGET: Target = Target {
    name: "cluster_replies",
    run,
    words: &[
        "$1\r\n",
        "*2\r\n",
        ":1\r\n",
        ":-1\r\n",
        "+OK\r\n",
        "_\r\n",
        "$-1\r\n",
        "%1\r\n",
        "*2147483647\r\n",
        "$2147483647\r\n",
        "\u{2}",
        "\u{8}\u{a}",
    ],
    outcomes: &[
        "no answer",
        "link lost",
        "number",
        "heartbeat",
        "reaped",
        "channels",
        "connections",
        "channel",
        "occupied",
        "members",
        "names",
        "leases",
        "done",
    ],
};

const NAMES: [&str; 28] = [
    "lapsed",
    "alive",
    "dead",
    "due",
    "epoch",
    "granted",
    "total",
    "sockets",
    "users",
    "nodes",
    "occupied_ms",
    "vacated_ms",
    "cached",
    "node",
    "left_ms",
    "held_ms",
    "app_id",
    "name",
    "traits",
    "listed",
    "roster",
    "webhooks",
    "counts",
    "1",
    "presence-b",
    "ann",
    "\u{7}\u{7}\u{7}\u{7}\u{7}\u{7}\u{7}\u{7}",
    "",
];

fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let mut stage = ClusterStage::new(bytes.byte() % 2 == 1);
    while !bytes.is_empty() {
        let form = bytes.byte();
        let Some(request) = stage.next_request() else {
            stage.wait(500 * (1 + u64::from(form)));
            stage.settle();
            continue;
        };
        let before = bytes.len();
        let value = match form % 8 {
            0 => parsed(bytes.chunk()),
            1 => fitting(&request),
            _ => Some(answer(&mut bytes, &NAMES)),
        };
        let used = before - bytes.len();
        match value.and_then(|value| read_reply(&request, value)) {
            Some(reply) => {
                note(&reply);
                // What a reply takes is what was there: no length that is only claimed.
                let size = format!("{reply:?}").len();
                assert!(size <= 80 * used + 600, "{size} from {used} bytes");
                stage.replied(reply);
            }
            None => {
                reached("link lost");
                stage.reconnect(form % 3);
            }
        }
        stage.settle();
    }
}

/// An answer as Redis writes it.
fn parsed(text: &[u8]) -> Option<Value> {
    let value = parse_redis_value(text).ok();
    if value.is_none() {
        reached("no answer");
    }
    value
}

/// What a Redis would answer, so that the requests behind this one come up: it has nothing but a dead node.
fn fitting(request: &Request) -> Option<Value> {
    let packed = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
    Some(match request {
        Request::Publish(_) => Value::Int(101),
        Request::Reap { .. } => Value::Int(0),
        Request::ListChannels => Value::Array(Vec::new()),
        Request::Connections { .. } => packed(b"\x82\xa7granted\x0a\xa5total\x0a"),
        Request::Heartbeat { .. } => packed(
            b"\x85\xa6lapsed\xc2\xa5alive\x01\xa4dead\x91\xa877777777\xa3due\x90\xa5epoch\xa1e",
        ),
        Request::Query(query) => match query {
            DirectoryQuery::Channel(_) => packed(b"\x83\xa7sockets\x01\xa5users\x01\xa5nodes\x01"),
            DirectoryQuery::Occupied { .. } => packed(b"\x91\x93\xa1a\x01\x00"),
            DirectoryQuery::Leases => packed(b"\x90"),
            DirectoryQuery::Members(_)
            | DirectoryQuery::Connections(_)
            | DirectoryQuery::Names { .. } => Value::Array(Vec::new()),
        },
        _ => Value::Okay,
    })
}

fn note(reply: &Reply) {
    reached(match reply {
        Reply::Done => "done",
        Reply::Published(_) => "number",
        Reply::Heartbeat(_) => "heartbeat",
        Reply::Reaped(_) => "reaped",
        Reply::Channels(_) => "channels",
        Reply::Connections(_) => "connections",
        Reply::Answer(answer) => match answer {
            QueryAnswer::Channel(_) => "channel",
            QueryAnswer::Occupied(_) => "occupied",
            QueryAnswer::Members(members) => {
                assert!(members.iter().all(|member| member.len() < 1 << 16));
                "members"
            }
            QueryAnswer::Connections(_) => "connections",
            QueryAnswer::Names(_) => "names",
            QueryAnswer::Leases(_) => "leases",
        },
    });
}
