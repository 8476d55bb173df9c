//! `resound-explain: 1`: each trap in one sentence.

use serde_json::{Value, json};

use crate::harness::{TestServer, TestSocket, eventually};

/// The verdicts on an event.
async fn explain(server: &TestServer, body: &Value) -> Vec<Value> {
    server.backend().explained("/events", &body.to_string()).await
}

/// The code and the sentence of the only verdict on an event for one channel.
async fn verdict(server: &TestServer, channel: &str, event: &str) -> (String, String) {
    let body = json!({ "name": event, "channels": [channel], "data": "{}" });
    let all = explain(server, &body).await;
    assert_eq!(all.len(), 1, "{all:?}");
    let text = |key: &str| all[0][key].as_str().unwrap().to_owned();
    assert_eq!((text("channel"), text("event")), (channel.to_owned(), event.to_owned()));
    (text("verdict"), text("sentence"))
}

async fn subscribed(server: &TestServer, channel: &str) -> TestSocket {
    let mut socket = server.connect().await;
    socket.subscribe_signed(channel, None).await;
    socket
}

#[tokio::test]
async fn an_answer_holds_no_verdict_that_was_not_asked_for() {
    let server = TestServer::start().await;
    let body = json!({ "name": "a", "channels": ["x"], "data": "{}" }).to_string();
    let (answer, headers) = server.backend().post_with("/events", &[], &body).await;
    assert_eq!((answer.status, &*answer.body), (200, "{}"));
    assert!(headers.get("resound-explain").is_none());
}

#[tokio::test]
async fn a_public_channel_in_place_of_a_private_one_is_named() {
    let server = TestServer::start().await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(subscribed(&server, "private-organization.1.capacity").await);
    }
    let (code, sentence) =
        verdict(&server, "organization.1.capacity", "App\\Events\\CapacityChanged").await;
    assert_eq!(code, "near_miss");
    assert_eq!(
        sentence,
        "0 on `organization.1.capacity`; 3 sockets on `private-organization.1.capacity`: publish on `PrivateChannel`"
    );
}

#[tokio::test]
async fn the_wire_name_and_the_call_that_receives_it_are_named() {
    let server = TestServer::start().await;
    let mut socket = server.connect().await;
    socket.subscribe("servers.5").await;
    let (code, sentence) = verdict(&server, "servers.5", "App\\Events\\ServerUpdated").await;
    assert_eq!(code, "delivered");
    assert_eq!(
        sentence,
        "delivered to 1 socket on 1 node, no socket excluded; a page receives `App\\Events\\ServerUpdated` with `.listen('ServerUpdated')`, without a dot in front"
    );
    let (_, sentence) = verdict(&server, "servers.5", "server.updated").await;
    assert_eq!(
        sentence,
        "delivered to 1 socket on 1 node, no socket excluded; a page receives `server.updated` with `.listen('.server.updated')`, with the dot in front"
    );
}

#[tokio::test]
async fn the_excluded_socket_is_named() {
    let server = TestServer::start().await;
    let (mut sender, mut other) = (server.connect().await, server.connect().await);
    sender.subscribe("room").await;
    let body = json!({ "name": "a", "channels": ["room"], "data": "{}", "socket_id": sender.id });
    let alone = &explain(&server, &body).await[0];
    let id = &sender.id;
    assert_eq!(alone["verdict"], "only_subscriber_excluded");
    assert_eq!(
        alone["sentence"],
        format!(
            "0 on `room`: its only subscriber is socket {id}, which the socket_id of the trigger excludes (`toOthers()`)"
        )
    );
    other.subscribe("room").await;
    let both = &explain(&server, &body).await[0];
    assert_eq!((&both["sockets"], &both["excluded"]), (&json!(1), &json!(true)));
    assert_eq!((&both["nodes"], &both["socket_id"]), (&json!(1), &json!(id)));
    // A job in a queue without a browser behind it excludes none.
    let body = json!({ "name": "a", "channels": ["room"], "data": "{}" });
    let none = &explain(&server, &body).await[0];
    assert_eq!((&none["socket_id"], &none["sockets"]), (&Value::Null, &json!(2)));
    assert!(none["sentence"].as_str().unwrap().contains("no socket excluded"));
}

#[tokio::test]
async fn the_same_channel_in_another_app_is_named() {
    let toml = format!(
        "{}\n[[apps]]\nid = \"2\"\nkey = \"k2\"\nsecret = \"s2\"\n",
        crate::harness::server::REVERB_APP
    );
    let server = TestServer::with(&toml).await;
    let path = "/app/k2?protocol=7&client=js&version=8.6.0";
    let mut socket = TestSocket::greeted(server.address, path).await;
    socket.subscribe("orders").await;
    let (code, sentence) = verdict(&server, "orders", "a").await;
    assert_eq!(code, "other_app");
    assert_eq!(
        sentence,
        "0 on `orders`; 1 socket on the channel of this name in app \"2\": the back end publishes with the id and key of another app than the page"
    );
}

#[tokio::test]
async fn a_socket_that_has_just_left_is_named() {
    let server = TestServer::start().await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    socket.send_text(r#"{"event":"pusher:unsubscribe","data":{"channel":"orders"}}"#).await;
    socket.receive_all().await;
    let (code, sentence) = verdict(&server, "orders", "a").await;
    assert_eq!(code, "last_socket_left");
    let start = format!("0 on `orders`; socket {}, its last subscriber, left ", socket.id);
    assert!(sentence.starts_with(&start) && sentence.ends_with(" before"), "{sentence}");
}

#[tokio::test]
async fn every_channel_and_every_event_of_a_batch_has_its_verdict() {
    let server = TestServer::start().await;
    let mut socket = server.connect().await;
    socket.subscribe("a").await;
    let body = json!({ "name": "n", "channels": ["a", "b"], "data": "{}" });
    let both = explain(&server, &body).await;
    assert_eq!(both[0]["trigger"], both[1]["trigger"]);
    assert_eq!(
        (&both[0]["verdict"], &both[1]["verdict"]),
        (&json!("delivered"), &json!("never_subscribed"))
    );
    let event = |channel| json!({ "name": "n", "channel": channel, "data": "{}" });
    let batch = json!({ "batch": [event("a"), event("b")] }).to_string();
    let batch = server.backend().explained("/batch_events", &batch).await;
    assert_eq!(batch.len(), 2);
    assert_ne!(batch[0]["trigger"], batch[1]["trigger"]);
    assert_eq!(batch[0]["channel"], "a");
}

#[tokio::test]
async fn the_verdicts_of_an_answer_are_bounded() {
    let server = TestServer::start().await;
    let channels: Vec<String> = (0..30).map(|number| format!("channel.{number}")).collect();
    let body = json!({ "name": "é".repeat(150), "channels": channels, "data": "{}" });
    let all = explain(&server, &body).await;
    let (omitted, verdicts) = all.split_last().unwrap();
    assert_eq!(omitted["omitted"], json!(30 - verdicts.len()));
    assert!(verdicts.len() >= 2, "{all:?}");
}

#[tokio::test]
async fn what_many_explanations_a_second_leave_out_is_said() {
    let server = TestServer::start().await;
    let body = json!({ "name": "a", "channels": ["x"], "data": "{}" }).to_string();
    let mut backend = server.backend();
    let first = backend.explained("/events", &body).await.remove(0);
    let sentence = "0 on `x`; no socket has subscribed to it since the server started, ";
    assert!(first["sentence"].as_str().unwrap().starts_with(sentence), "{first}");
    let note =
        "; near names were not looked for: more than 20 events of this second were explained";
    eventually("the bound", async || {
        let verdict = backend.explained("/events", &body).await.remove(0);
        verdict["sentence"].as_str().unwrap().ends_with(note)
    })
    .await;
}
