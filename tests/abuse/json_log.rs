//! The log as JSON: each line is one object, whose names are those of `config/README.md` and come once, whatever text
//! peers, back ends, endpoints, Redis and files bring into it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use serde::de::{self, Deserialize, Deserializer, MapAccess};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::server::REVERB_APP;
use crate::harness::{Folder, Program, TestRedis, eventually};
use crate::log_fields::{heads, messages, signed};

/// A member of an object and the end of it, a line of its own, what commands a terminal, what viewers take for line ends, and
/// more than a line may have. It begins with the place that it comes from.
fn hostile(place: &str) -> String {
    let forged = "\",\"level\":\"ERROR\"}\r\n{\"message\":\"forged\"}\\\u{1b}[2J\u{9b}1m\u{85}\u{2028}\u{202e}\u{7f}";
    format!("from-{place}{forged}{}", "long\u{1}".repeat(4000))
}

/// The same, and bytes that are not UTF-8.
fn hostile_bytes(place: &str) -> Vec<u8> {
    [hostile(place).as_bytes(), b"\xff\xc3\x28\xed\xa0\x80"].concat()
}

/// What a field of a header, or a line of Redis, may have of it.
fn without_line_ends(mut text: Vec<u8>) -> Vec<u8> {
    text.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
    text
}

/// The fields of a line in their order: `serde_json` alone keeps the last one of a name.
struct Line(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> de::Visitor<'de> for Fields {
            type Value = Line;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Line(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// How the one message begins that has a name from Redis.
const DISAGREEMENT: &str = "nodes on this Redis do not agree with this one: ";

fn check(line: &str) {
    assert!(line.len() <= 8192, "{} bytes: {line}", line.len());
    let is_unsafe = |letter: char| {
        letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202e}')
    };
    assert!(!line.contains(is_unsafe), "{line:?}");
    let Line(fields) = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
    let names: Vec<&str> = fields.iter().map(|(name, _)| &**name).collect();
    assert_eq!(
        (&names[..3], names.last()),
        (&["timestamp", "level", "message"][..], Some(&"target")),
        "{line}"
    );
    let is_plain = |letter: char| letter.is_ascii_lowercase() || matches!(letter, '_' | '.');
    for (at, name) in names.iter().enumerate() {
        assert!(name.chars().all(is_plain) && !names[..at].contains(name), "{name} in {line}");
    }
    let text = |name: &str| {
        fields.iter().find(|(own, _)| own == name).and_then(|(_, value)| value.as_str())
    };
    assert!(
        text("timestamp").is_some_and(|time| time.starts_with("20") && time.ends_with('Z')),
        "{line}"
    );
    let levels = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
    assert!(text("level").is_some_and(|level| levels.contains(&level)), "{line}");
    // Of other crates at the level trace, and of an app that another node claims to have, the name is in the message.
    let is_ours = text("target").is_some_and(|target| target.starts_with("resound"));
    let message = text("message").expect("each line has a message");
    let is_fixed = !message.contains("forged") || message.contains(DISAGREEMENT);
    assert!(is_fixed || !is_ours, "{line}");
    assert!(
        fields.iter().all(|(_, value)| !value.is_object() && !value.is_array() && !value.is_null()),
        "{line}"
    );
}

/// A service that answers each connection with these bytes, and ends it.
async fn answering(bytes: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 8192]).await;
            let _ = stream.write_all(&bytes).await;
        }
    });
    address
}

/// An endpoint of the back end whose answers are hostile in each part.
async fn endpoint() -> SocketAddr {
    let field = without_line_ends(hostile_bytes("endpoint"));
    let head =
        [b"HTTP/1.1 500 ".to_vec(), field.clone(), b"\r\nLocation: ".to_vec(), field].concat();
    answering([head, b"\r\nConnection: close\r\n\r\n".to_vec(), hostile_bytes("endpoint")].concat())
        .await
}

/// A Redis that refuses everything with a text of its own.
async fn refusing_redis() -> SocketAddr {
    let text = without_line_ends(hostile("refusal").into_bytes());
    answering([b"-ERR ".to_vec(), text, b"\r\n".to_vec()].concat().repeat(20)).await
}

fn toml(redis: &TestRedis, refusing: SocketAddr, endpoint: SocketAddr) -> String {
    let url = &redis.url;
    format!(
        "{REVERB_APP}[[apps.webhooks]]\nurl = \"http://{endpoint}/\"\n[apps.auth]\nmode = \"ask\"\n\
         [apps.auth.ask]\nurl = \"http://{endpoint}/\"\n\
         [[apps]]\nid = \"2\"\nkey = \"second\"\nsecret = \"s\"\n[apps.auth]\nmode = \"jwt\"\n\
         [apps.auth.jwt]\njwks = \"http://{endpoint}/\"\nchannels = [\"private-*\"]\n\
         [log]\nlevel = \"trace\"\ndebug = true\n[cluster]\nenabled = true\nlease_seconds = 300\nurl = \"{url}\"\n\
         [beside_reverb]\nurl = \"{url}\"\n[[laravel_redis]]\napp = \"2\"\nprefix = \"p-\"\nurl = \"redis://{refusing}\"\n"
    )
}

/// What other programs and other nodes write into Redis.
async fn through_redis(redis: &TestRedis) {
    let other = "otherone";
    let own: Vec<String> = redis.ask(&["HVALS", "resound:claims"]).await;
    let mut claim: Value = serde_json::from_str(&own[0]).unwrap();
    let app = claim["apps"]["2"].clone();
    claim["apps"][hostile("redis")] = app;
    // The lease of this node, which is not text, for the other one.
    let lease = "return redis.call('HSET', KEYS[1], ARGV[1], redis.call('HVALS', KEYS[1])[1])";
    let _: i64 = redis.ask(&["EVAL", lease, "1", "resound:nodes", other]).await;
    let _: i64 = redis.ask(&["HSET", "resound:claims", other, &claim.to_string()]).await;
    for message in [
        hostile_bytes("reverb"),
        format!("{{\"type\":{},\"application\":1}}", Value::from(hostile("reverb"))).into_bytes(),
    ] {
        redis.publish("reverb", &message).await;
        redis.publish("resound:all", &message).await;
    }
}

/// Requests to the endpoints that this server has in place of the app's.
async fn authorizations(address: SocketAddr) {
    for key in ["reverb-key", "second"] {
        let body = "socket_id=1.2&channel_name=private-a";
        let request = format!(
            "POST /broadcasting/auth?app_key={key} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer from-token\u{9b}.x.y\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

/// Configurations that are refused, each for another part of it.
async fn reloads(program: &mut Program, path: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let text = hostile("file");
    let quoted = Value::from(text.clone());
    for contents in [
        text.clone().into_bytes(),
        hostile_bytes("file"),
        format!("{REVERB_APP}[log]\nformat = {quoted}\n").into_bytes(),
        format!("{REVERB_APP}[cluster]\nprefix = {quoted}\n").into_bytes(),
        format!("{REVERB_APP}[{quoted}]\nx = 1\n").into_bytes(),
        format!("{REVERB_APP}[log]\n{quoted} = 1\n").into_bytes(),
        format!("[[apps]]\nid = {quoted}\nkey = \"k\"\nsecret = \"s\"\n").into_bytes(),
    ] {
        std::fs::write(path, contents).unwrap();
        program.signal("HUP");
        lines.extend(program.log_up_to("the configuration is refused").await);
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_line_of_the_log_is_one_object_with_each_name_once() {
    let (redis, folder) = (TestRedis::start().await, Folder::new());
    let name = "from-path\n\"},{\u{1b}[2J.toml";
    let path = folder.write(name, &toml(&redis, refusing_redis().await, endpoint().await));
    let mut program = Program::start_with_json_log(&path).await;
    let address = program.address;
    eventually("the claim of the node", async || {
        let claims: i64 = redis.ask(&["HLEN", "resound:claims"]).await;
        claims == 1
    })
    .await;
    through_redis(&redis).await;
    heads(address).await;
    messages(address).await;
    signed(address).await;
    authorizations(address).await;
    let mut lines = program.log_up_to(DISAGREEMENT).await;
    lines.extend(reloads(&mut program, &path).await);
    program.terminate();
    lines.extend(program.rest_of_log().await);
    // Of the answers of endpoints, and of what Reverb's topic brings, the log has causes in words of this server.
    let places = ["forged", "from-refusal", "from-redis", "from-file", "from-path"];
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &lines {
        check(line);
        for place in places.into_iter().filter(|place| line.contains(place)) {
            *found.entry(place).or_default() += 1;
        }
    }
    println!("{} lines, with hostile text of {found:?}", lines.len());
    assert_eq!(found.len(), places.len(), "each reaches the log: {found:?}");
}
