//! Wrong signatures, each refused with its cause; and every valid spelling.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::bystander::backend;
use crate::harness::server::REVERB_APP;
use crate::harness::{Program, TestServer};
use crate::requests::{CHANNELS, ask, check, content_length, request};
use crate::wire::{TEXT, Wire, frame, join};

/// A GET of `/channels` signed with these parameters as they stand.
fn signed_with(parameters: &[(&str, &str)]) -> String {
    let query: Vec<String> =
        parameters.iter().map(|(name, text)| format!("{name}={text}")).collect();
    let query = query.join("&");
    let mut mac = Hmac::<Sha256>::new_from_slice(b"reverb-secret").unwrap();
    mac.update(format!("GET\n{CHANNELS}\n{query}").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    request("GET", &format!("{CHANNELS}?{query}&auth_signature={signature}"), "", "")
}

#[tokio::test]
async fn a_wrong_signature_is_refused_with_its_cause() {
    let server = TestServer::start().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let key = ("auth_key", "reverb-key");
    let version = ("auth_version", "1.0");
    let at = |seconds: u64| signed_with(&[key, ("auth_timestamp", &seconds.to_string()), version]);
    let timestamp = |text: &str| signed_with(&[key, ("auth_timestamp", text), version]);
    let time = now.to_string();
    let time = ("auth_timestamp", time.as_str());
    let of_nothing = ("body_md5", "d41d8cd98f00b204e9800998ecf8427e");
    let of_something = ("body_md5", "900150983cd24fb0d6963f7d28e17f72");
    let cases = [
        ("now", at(now), 200, "channels"),
        ("590 s ago", at(now - 590), 200, "channels"),
        // The clock may tick between here and there; 602 is as far as that can go wrong.
        ("602 s ago", at(now - 602), 401, "behind the server's clock"),
        ("605 s ahead", at(now + 605), 401, "s ahead of the server's clock"),
        ("no digits", timestamp("1e9"), 401, "timestamp"),
        ("a negative time", timestamp("-1"), 401, "timestamp"),
        ("a time of 2^64", timestamp("18446744073709551616"), 401, "timestamp"),
        ("no time", signed_with(&[key, version]), 401, "auth_timestamp"),
        (
            "another key",
            signed_with(&[("auth_key", "other"), time, version]),
            401,
            "REVERB_APP_KEY",
        ),
        ("another version", signed_with(&[key, time, ("auth_version", "2.0")]), 401, "1.0"),
        ("body_md5 of nothing", signed_with(&[key, time, version, of_nothing]), 200, "channels"),
        (
            "body_md5 of something",
            signed_with(&[key, time, version, of_something]),
            401,
            "body_md5",
        ),
        (
            "a name twice",
            signed_with(&[key, time, version, ("info", "a"), ("info", "b")]),
            400,
            "info",
        ),
        ("auth_key twice", signed_with(&[key, key, time, version]), 400, "auth_key"),
        ("nothing", request("GET", CHANNELS, "", ""), 401, "missing"),
        ("a changed query", at(now).replace(" HTTP", "&info=x HTTP"), 401, "REVERB_APP_SECRET"),
        ("another method", at(now).replace("GET ", "HEAD "), 401, ""),
    ];
    // An answer to HEAD has no body to read: its status is enough.
    let (head, rest) = cases.split_last().unwrap();
    check(&server, rest).await;
    let mut wire = Wire::open(server.address).await;
    wire.send(&head.1).await;
    assert!(wire.head().await.starts_with("HTTP/1.1 401"), "signed for GET");
}

#[tokio::test]
async fn both_spellings_of_a_path_may_be_signed() {
    let server =
        TestServer::with(&REVERB_APP.replace("port = 0", "port = 0\npath = \"/ws\"")).await;
    let backend = backend(server.address);
    let terminate = |user: &str| format!("/apps/123456/users/{user}/terminate_connections");
    let asked = format!("/ws{}", terminate("a%20b"));
    let channels = "/ws/apps/123456/channels";
    let cases = [
        ("POST", &*asked, format!("/ws{}", terminate("a%20b")), 200),
        ("POST", &*asked, format!("/ws{}", terminate("a b")), 200),
        ("POST", &*asked, terminate("a%20b"), 200),
        ("POST", &*asked, terminate("a b"), 200),
        ("POST", &*asked, terminate("a+b"), 401),
        ("GET", channels, channels.to_owned(), 200),
        ("GET", channels, CHANNELS.to_owned(), 200),
        ("GET", channels, "/apps/123456/connections".to_owned(), 401),
        ("GET", CHANNELS, CHANNELS.to_owned(), 404),
    ];
    for (method, target, path, status) in cases {
        let body = if method == "POST" { "{}" } else { "" };
        let query = backend.query(method, &path, &[], body);
        let fields = content_length(body);
        let reply =
            ask(&server, request(method, &format!("{target}?{query}"), &fields, body)).await;
        assert_eq!(reply.status, status, "{target} signed as {path}: {reply:?}");
    }
}

/// What the client and the log get to read, since pusher-js stays away after 4009.
#[tokio::test]
async fn a_refused_sign_in_is_logged_with_its_cause() {
    let mut program = Program::start(&[]).await;
    let mut wire = Wire::socket(program.address).await;
    let data = serde_json::json!({ "auth": "reverb-key:00", "user_data": "{}" });
    let message = serde_json::json!({ "event": "pusher:signin", "data": data });
    wire.send(frame(TEXT, message.to_string())).await;
    let answer = wire.text().await;
    assert!(answer.contains("Sign-in refused: the signature does not fit"), "{answer}");
    assert_eq!(wire.farewell().await.code, Some(4009));
    let line = program.log_line("sign-in refused").await;
    assert!(line.contains("INFO") && line.contains("the signature does not fit"), "{line}");
    let mut wire = Wire::socket(program.address).await;
    let name = format!("private-{}", "x".repeat(5000));
    wire.send(join(&serde_json::json!({ "channel": name }))).await;
    assert!(wire.text().await.contains(&name));
    let line = program.log_line("subscription refused").await;
    assert!(line.contains("xxx…") && line.len() < 600, "{line}");
}
