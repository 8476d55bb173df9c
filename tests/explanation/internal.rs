//! `GET /internal/v1/apps/{app}/explain`: what happened of late on a channel, and what would happen now.

use serde_json::{Value, json};

use crate::harness::server::REVERB_APP;
use crate::harness::{TestServer, TestSocket};

async fn server() -> TestServer {
    TestServer::with(&format!("internal.listen = [\"127.0.0.1:0\"]\n{REVERB_APP}")).await
}

async fn explanation(server: &TestServer, query: &str) -> Value {
    let answer = server.internal(&format!("/internal/v1/apps/123456/explain?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn an_event_before_the_first_subscription_is_explained() {
    let server = server().await;
    server.backend().trigger("orders", "Shipped", "{}").await;
    server.backend().trigger("orders", "Shipped", "{}").await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    let explained = explanation(&server, "channel=orders&event=Shipped").await;
    assert_eq!(explained["app"], "123456");
    assert_eq!(explained["now"]["verdict"], "delivered");
    assert_eq!(explained["now"]["listen"], ".listen('.Shipped')");
    let [missed] = explained["past"].as_array().unwrap().as_slice() else { panic!("{explained}") };
    assert_eq!((&missed["kind"], &missed["event"]), (&json!("missed"), &json!("Shipped")));
    assert!(missed["trigger"].as_str().unwrap().len() == 16 && missed["ago_ms"].is_u64());
    let sentence = missed["sentence"].as_str().unwrap();
    let (start, end) = (
        "no socket received `Shipped`: it was published ",
        " ms before the first subscription to `orders` (1 further events before it)",
    );
    assert!(sentence.starts_with(start) && sentence.ends_with(end), "{sentence}");
    let other = explanation(&server, "channel=orders&event=Paid").await;
    assert_eq!(other["past"], json!([]));
}

#[tokio::test]
async fn departures_and_refused_subscriptions_are_explained() {
    let server = server().await;
    let earlier = server.connect().await;
    let mut socket = server.connect().await;
    let data = json!({ "channel": "private-x", "auth": earlier.auth("private-x", None) });
    socket.send_text(&json!({ "event": "pusher:subscribe", "data": data }).to_string()).await;
    socket.receive_all().await;
    let explained = explanation(&server, "channel=private-x").await;
    assert_eq!(explained["now"]["verdict"], "subscription_refused");
    let refused = &explained["past"][0];
    assert_eq!((&refused["kind"], &refused["reason"]), (&json!("refused"), &json!("other_socket")));
    assert_eq!(
        refused["sentence"],
        format!(
            "the subscription of socket {id} was refused: auth was signed for socket {earlier}, and this is socket {id}: the page kept the answer of its auth endpoint from an earlier connection",
            id = socket.id,
            earlier = earlier.id
        )
    );
    leave(&mut socket).await;
    let explained = explanation(&server, "channel=private-x").await;
    assert_eq!(explained["now"]["verdict"], "last_socket_left");
    let left = format!("socket {} left as the last one", socket.id);
    assert_eq!(explained["past"][0]["sentence"], left);
}

/// Subscribes and leaves again.
async fn leave(socket: &mut TestSocket) {
    socket.subscribe_signed("private-x", None).await;
    socket.send_text(r#"{"event":"pusher:unsubscribe","data":{"channel":"private-x"}}"#).await;
    socket.receive_all().await;
}

#[tokio::test]
async fn the_apps_are_listed() {
    let server = server().await;
    let answer = server.internal("/internal/v1/apps").await;
    assert_eq!((answer.status, &*answer.body), (200, r#"{"apps":["123456"]}"#));
}

#[tokio::test]
async fn what_cannot_be_explained_is_refused_by_name() {
    let server = server().await;
    let check = async |target: &str, status: u16, error: &str| {
        let answer = server.internal(&format!("/internal/v1/apps{target}")).await;
        assert_eq!((answer.status, answer.json()), (status, json!({ "error": error })), "{target}");
    };
    check("/7/explain?channel=a", 404, "no app of this server has the id \"7\"").await;
    check("/123456/explain", 400, "name a channel: ?channel=…").await;
    check("/123456/explain?channel=", 400, "channel must have 1 to 1024 bytes").await;
    let error = "the parameter \"chanel\" is not known; known are channel, event, nodes";
    check("/123456/explain?chanel=a", 400, error).await;
    let explained = explanation(&server, "channel=orders%2F7").await;
    assert_eq!(explained["now"]["verdict"], "invalid_channel");
    assert_eq!(
        explained["now"]["sentence"],
        "0 on `orders/7`; no channel has this name: the channel name holds '/'; allowed are A-Z a-z 0-9 and _ - = @ , . ;"
    );
}
