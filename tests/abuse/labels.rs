//! Floods of names: nothing that a peer chooses becomes a series of the metrics.

use std::collections::BTreeSet;

use serde_json::json;

use crate::canary::Canary;
use crate::harness::server::REVERB_APP;
use crate::harness::{Backend, TestServer, TestSocket, eventually};
use crate::wire::{Wire, handshake};

/// The names of all series, without their values.
fn series(server: &TestServer) -> BTreeSet<String> {
    let text = server.metrics.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

/// Everything that a peer can name, with a number that makes each another one.
async fn names(address: std::net::SocketAddr, number: usize) {
    let mut backend = Backend::new(address, "123456", "reverb-key", "reverb-secret");
    let event = format!("event-{number}");
    let channel = format!("channel-{number}");
    backend.trigger(&channel, &event, "{}").await;
    let path = format!("/channels/{channel}");
    backend.get(&path, &[("info", "subscription_count")]).await;
    for (method, target) in [
        ("GET", format!("/apps/app-{number}/channels")),
        ("GET", format!("/path-{number}?query={number}")),
        ("POST", format!("/apps/123456/events?auth_key=key-{number}")),
        (&*format!("METHOD{number}"), "/up".to_owned()),
    ] {
        backend.send_with(method, &target, &[("user-agent", &*event)], "").await;
    }
    let mut wire = Wire::open(address).await;
    let client = format!("client=c{number}&version={number}.0");
    let origin = format!("Host: x\r\nOrigin: https://o{number}.example\r\nUser-Agent: a{number}");
    let shake = handshake().replace("client=js&version=8.6.0", &client).replace("Host: x", &origin);
    wire.send(shake).await;
    assert_eq!(wire.reply().await.status, 101);
    let mut unknown = Wire::open(address).await;
    unknown.send(handshake().replace("reverb-key", &format!("key-{number}"))).await;
    let _ = unknown.rest().await;
    let app = "/app/reverb-key?protocol=7&client=js&version=8.6.0";
    let mut socket = TestSocket::greeted(address, app).await;
    socket.subscribe_signed("private-a", None).await;
    socket.sign_in(&json!({ "id": format!("user-{number}") }).to_string()).await;
    for message in [
        json!({ "event": format!("client-{number}"), "channel": "private-a", "data": {} }),
        json!({ "event": "pusher:subscribe", "data": { "channel": format!("private-{number}") } }),
        json!({ "event": "pusher:unsubscribe", "data": { "channel": format!("none-{number}") } }),
        json!({ "event": format!("pusher:{number}"), "data": {} }),
    ] {
        socket.send_text(&message.to_string()).await;
    }
    socket.receive_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_peer_sends_makes_a_series() {
    let server = TestServer::with(REVERB_APP).await;
    let address = server.address;
    let mut canary = Canary::at(address).await;
    // One of each, to its end, so that every series of a kind of outcome is there.
    names(address, 0).await;
    let has_ended = async || server.metric("resound_connections") == 1.0;
    eventually("its sockets to be gone", has_ended).await;
    let before = series(&server);
    let flood = async move {
        for number in 1..150 {
            names(address, number).await;
        }
    };
    canary.beside("150 names of each kind", "no key: no label is a peer's", flood).await;
    let after = series(&server);
    let new: Vec<&String> = after.difference(&before).collect();
    println!("{} series before, {} after", before.len(), after.len());
    assert!(new.is_empty(), "{new:?}");
}
