//! `GET /internal/v1/apps/{app}/triggers/{id}`: what became of an event that a viewer was shown; and refusals by cause.

use serde_json::{Value, json};

use crate::harness::server::REVERB_APP;
use crate::harness::{TestServer, Viewer};

async fn server(payloads: &str) -> TestServer {
    let toml = format!(
        "internal.listen = [\"127.0.0.1:0\"]\ninternal.payloads = \"{payloads}\"\n{REVERB_APP}"
    );
    TestServer::with(&toml).await
}

async fn explanation(server: &TestServer, row: &Value, query: &str) -> Value {
    let id = row["id"].as_str().unwrap();
    let answer = server.internal(&format!("/internal/v1/apps/123456/triggers/{id}?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// The reasons and the sentences of one channel.
fn unreached(explanation: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = explanation["channels"][0]["unreached"].as_array().unwrap().iter();
    all.map(|one| (text(&one["reason"]), text(&one["sentence"]))).collect()
}

#[tokio::test]
async fn an_event_is_explained_with_its_receivers_and_its_excepted_socket() {
    let server = server("masked").await;
    let mut viewer = Viewer::open(&server, "?kind=trigger").await;
    let (mut one, mut other) = (server.connect().await, server.connect().await);
    one.subscribe_signed("private-orders", None).await;
    other.subscribe_signed("private-orders", None).await;
    let event = r"App\Events\Shipped";
    server.backend().trigger_except("private-orders", event, "{\"id\":7}", Some(&one.id)).await;
    let row = viewer.row("trigger").await;
    assert_eq!((&row["outcome"], &row["subscribers"]), (&json!("delivered"), &json!(2)));
    // Who leaves later was a receiver all the same.
    drop(other);
    let explained = explanation(&server, &row, "").await;
    assert_eq!(explained["socket_id"], one.id.as_str());
    let channel = &explained["channels"][0];
    assert_eq!((&channel["verdict"], &channel["sockets"]), (&json!("delivered"), &json!(1)));
    assert_eq!(channel["receivers"].as_array().unwrap().len(), 1);
    assert_ne!(channel["receivers"][0], one.id.as_str());
    assert_eq!(
        channel["echo"],
        "Echo.private('orders')\n    .listen('Shipped', (event) => console.log(event));"
    );
    let excepted = format!(
        "socket {} is subscribed, and the socket_id of the trigger excepts it (`toOthers()`)",
        one.id
    );
    assert_eq!(unreached(&explained), [("excepted".to_owned(), excepted)]);
    let copied = explained["copy"].to_string();
    assert!(copied.contains("resound trigger private-orders"), "{copied}");
    assert!(!copied.contains("reverb-secret") && !copied.contains("reverb-key"), "{copied}");
    assert!(!copied.contains("id\\\\\\\":7"), "masked data are not copied: {copied}");
}

#[tokio::test]
async fn an_event_without_a_receiver_is_explained_by_what_was_and_what_came() {
    let server = server("full").await;
    let mut viewer = Viewer::open(&server, "?outcome=missed&payloads=full").await;
    let mut backend = server.backend();
    backend.trigger("orders", "Shipped", "{\"id\":7}").await;
    let alone = explanation(&server, &viewer.row("trigger").await, "payloads=full").await;
    assert_eq!(unreached(&alone)[0].0, "no_client");
    assert!(alone["copy"]["resound"].as_str().unwrap().contains(r#"'{"id":7}'"#), "{alone}");

    let mut near = server.connect().await;
    near.subscribe_signed("private-orders", None).await;
    backend.trigger("orders", "Shipped", "{}").await;
    let missed = viewer.row("trigger").await;
    let explained = explanation(&server, &missed, "").await;
    assert_eq!(explained["channels"][0]["verdict"], "near_miss");
    assert_eq!(
        explained["channels"][0]["sentence"],
        "0 on `orders`; 1 socket on `private-orders`: publish on `PrivateChannel`"
    );
    near.subscribe("orders").await;
    let late = explanation(&server, &missed, "").await;
    assert_eq!(late["channels"][0]["sockets"], 0, "it stays what it was");
    let (reason, sentence) = unreached(&late).pop().unwrap();
    assert_eq!(reason, "too_early");
    assert!(
        sentence.starts_with("the first socket subscribed to `orders` ")
            && sentence.ends_with(" after the event: it was published too early"),
        "{sentence}"
    );
    near.send_text(r#"{"event":"pusher:unsubscribe","data":{"channel":"orders"}}"#).await;
    near.receive_all().await;
    backend.trigger("orders", "Shipped", "{}").await;
    let left = explanation(&server, &viewer.row("trigger").await, "").await;
    assert_eq!(left["channels"][0]["verdict"], "last_socket_left");
    assert!(unreached(&left).iter().any(|(reason, _)| reason == "left"), "{left}");
}

#[tokio::test]
async fn the_only_subscriber_may_be_the_sender() {
    let server = server("masked").await;
    let mut viewer = Viewer::open(&server, "?outcome=missed").await;
    let mut socket = server.connect().await;
    socket.subscribe_signed("private-chat", None).await;
    let whisper = json!({"event": "client-typing", "channel": "private-chat", "data": {}});
    socket.send_text(&whisper.to_string()).await;
    let row = viewer.row("trigger").await;
    assert_eq!((&row["source"], &row["except"]), (&json!("client_event"), &json!(socket.id)));
    let explained = explanation(&server, &row, "").await;
    assert_eq!(explained["channels"][0]["verdict"], "only_subscriber_excluded");
    assert_eq!(explained["channels"][0]["listen"], ".listenForWhisper('typing')");
}

#[tokio::test]
async fn what_was_not_shown_is_not_kept() {
    let server = server("masked").await;
    let check = async |id: &str, status: u16, error: &str| {
        let answer = server.internal(&format!("/internal/v1/apps/123456/triggers/{id}")).await;
        assert_eq!((answer.status, answer.json()), (status, json!({ "error": error })), "{id}");
    };
    check("7", 400, "the id of a trigger has 16 hexadecimal digits").await;
    let not_kept = "this trigger is not kept: the last ones are, from the time when a viewer was shown them on this node; ask /explain of the app about its channel";
    check("0123456789abcdef", 404, not_kept).await;
    let unknown = "the parameter \"view\" is not known; known are payloads, nodes";
    check("0123456789abcdef?view=1", 400, unknown).await;
    let mut viewer = Viewer::open(&server, "?event=shown").await;
    server.backend().trigger("a", "hidden", "{}").await;
    server.backend().trigger("a", "shown", "{}").await;
    let row = viewer.row("trigger").await;
    let id = u64::from_str_radix(row["id"].as_str().unwrap(), 16).unwrap();
    check(&format!("{:016x}", id.wrapping_sub(1)), 404, not_kept).await;
    let other_app = server.internal(&format!("/internal/v1/apps/7/triggers/{id:016x}")).await;
    assert_eq!(other_app.status, 404);
}

#[tokio::test]
async fn a_fast_stream_is_sampled_and_counted() {
    let server = server("masked").await;
    let query = "?kind=trigger&max_rows_per_second=1";
    let mut viewer = Viewer::open(&server, query).await;
    let mut socket = server.connect().await;
    socket.subscribe("a").await;
    let mut backend = server.backend();
    for _ in 0..5 {
        backend.trigger("a", "e", "{}").await;
    }
    assert_eq!(viewer.row("trigger").await["event"], "e");
    assert!(viewer.row("dropped").await["count"].as_u64().unwrap() >= 1);
}

#[tokio::test]
async fn refusals_are_grouped_by_their_cause_with_a_remedy() {
    let server = server("masked").await;
    let mut socket = server.connect().await;
    for channel in ["private-a", "private-b"] {
        let data = json!({ "channel": channel });
        socket.send_text(&json!({ "event": "pusher:subscribe", "data": data }).to_string()).await;
        socket.receive_all().await;
    }
    let body = r#"{"name":"e","channels":["a"],"data":"{}"}"#;
    let unsigned = server.backend().send("POST", "/apps/123456/events", body).await;
    assert_eq!(unsigned.status, 401);
    let answer = server.internal("/internal/v1/refusals?group=cause").await.json();
    let groups = answer["groups"].as_array().unwrap();
    let of = |part: &str| groups.iter().find(|group| group["part"] == part).unwrap();
    let (request, subscription) = (of("request"), of("subscription"));
    assert_eq!((groups.len(), &request["reason"]), (2, &json!("missing")));
    assert_eq!((&request["code"], &request["count"]), (&json!(401), &json!(1)));
    assert_eq!(
        request["remedy"],
        "The request is not signed as Pusher's libraries do: use one of them, or add auth_key, auth_timestamp, auth_version=1.0, body_md5 and auth_signature."
    );
    assert_eq!((&subscription["reason"], &subscription["count"]), (&json!("no_auth"), &json!(2)));
    assert_eq!(subscription["example"]["channel"], "private-b");
    let rows = subscription["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[1]["channel"]), (2, &json!("private-a")));
    let filtered = server.internal("/internal/v1/refusals?group=cause&channel=private-*").await;
    assert_eq!(filtered.json()["groups"].as_array().unwrap().len(), 1);
    let error = json!({ "error": "group must be cause" });
    assert_eq!(server.internal("/internal/v1/refusals?group=app").await.json(), error);
}
