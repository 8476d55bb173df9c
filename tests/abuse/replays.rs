//! Signatures that are used again: by whom they may be, for how long, and what thousands of refused ones cost.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use serde_json::json;
use sha2::Sha256;

use crate::canary::Canary;
use crate::harness::{Program, TestSocket};
use crate::wire::{APP, Wire};

const EVENT: &str = r#"{"name":"event","channels":["replayed"],"data":"{}"}"#;
const PATH: &str = "/apps/123456/events";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A whole request that was signed at a time.
fn signed_at(seconds: u64) -> String {
    let md5 = hex::encode(Md5::digest(EVENT));
    let query =
        format!("auth_key=reverb-key&auth_timestamp={seconds}&auth_version=1.0&body_md5={md5}");
    let mut mac = Hmac::<Sha256>::new_from_slice(b"reverb-secret").unwrap();
    mac.update(format!("POST\n{PATH}\n{query}").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    format!(
        "POST {PATH}?{query}&auth_signature={signature} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{EVENT}",
        EVENT.len()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_request_is_good_for_ten_minutes_and_no_longer() {
    const AGAIN: usize = 2000;
    let program = Program::start(&[]).await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let mut socket = TestSocket::greeted(address, APP).await;
    socket.subscribe("replayed").await;
    let mut wire = Wire::open(address).await;
    // Within the time it is a request like another one: the protocol has nothing that is used once.
    let recorded = signed_at(now() - 500);
    for _ in 0..3 {
        wire.send(&recorded).await;
        assert_eq!(wire.reply().await.status, 200);
        assert_eq!(socket.receive_json().await["event"], "event");
    }
    // Altered in any part it is none.
    for (part, other) in
        [("version=1.0", "version=1.1"), ("replayed", "another!"), ("123456", "123457")]
    {
        wire.send(recorded.replacen(part, other, 1)).await;
        assert!([401, 404].contains(&wire.reply().await.status), "{part}");
    }
    let flood = async move {
        // 602 s and more: the clock may tick between here and there.
        let old = signed_at(now() - 610);
        for _ in 0..AGAIN {
            wire.send(&old).await;
            assert_eq!(wire.reply().await.status, 401);
        }
    };
    canary.beside("2 000 replays of an old request", "600 s, Pusher's", flood).await;
    assert_eq!(socket.receive_all().await, [""; 0], "none of them was published");
}

/// How a subscription with this `auth` ends.
async fn subscribes(socket: &mut TestSocket, data: serde_json::Value) -> bool {
    socket.send_text(&json!({ "event": "pusher:subscribe", "data": data }).to_string()).await;
    let answer = socket.receive_json().await;
    if answer["event"] == "pusher_internal:subscription_succeeded" {
        return true;
    }
    assert_eq!(answer["event"], "pusher:subscription_error", "{answer}");
    // The error that follows for clients that do not know the first.
    assert_eq!(socket.receive_json().await["event"], "pusher:error");
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_of_one_socket_is_good_for_no_other() {
    let program = Program::start(&[]).await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let mut owner = TestSocket::greeted(address, APP).await;
    let member = r#"{"user_id":"owner"}"#;
    let private = json!({ "channel": "private-a", "auth": owner.auth("private-a", None) });
    let presence = json!({
        "channel": "presence-a", "auth": owner.auth("presence-a", Some(member)), "channel_data": member
    });
    for data in [&private, &presence] {
        assert!(subscribes(&mut owner, data.clone()).await);
    }
    let other_channel = json!({ "channel": "private-b", "auth": private["auth"] });
    let other_user = json!({
        "channel": "presence-a", "auth": presence["auth"], "channel_data": r#"{"user_id":"other"}"#
    });
    let flood = async move {
        for _ in 0..100 {
            let mut thief = TestSocket::greeted(address, APP).await;
            for data in [&private, &presence, &other_channel, &other_user] {
                assert!(!subscribes(&mut thief, data.clone()).await, "{data}");
            }
        }
        assert!(!subscribes(&mut owner, other_channel).await, "another channel");
        (owner, private)
    };
    let what = "400 replays on other sockets";
    let (mut owner, private) = canary.beside(what, "the socket id is signed", flood).await;
    // On its own socket it stays good, as for a client that leaves a page and comes back to it.
    let leave = json!({ "event": "pusher:unsubscribe", "data": { "channel": "private-a" } });
    owner.send_text(&leave.to_string()).await;
    assert!(subscribes(&mut owner, private).await);
}
