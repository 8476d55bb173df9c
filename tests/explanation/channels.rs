//! `GET /internal/v1/apps/{app}/channels` and `…/channels/{channel}`, as exact JSON.

use serde_json::{Value, json};

use crate::harness::TestServer;
use crate::harness::server::REVERB_APP;

async fn server(lines: &str) -> TestServer {
    TestServer::with(&format!("internal.listen = [\"127.0.0.1:0\"]\n{lines}\n{REVERB_APP}")).await
}

async fn channels(server: &TestServer, rest: &str) -> Value {
    let answer = server.internal(&format!("/internal/v1/apps/123456/channels{rest}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn names(list: &Value) -> Vec<&str> {
    let rows = list["channels"].as_array().unwrap().iter();
    rows.map(|row| row["channel"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_occupied_channels_are_listed_with_their_counts() {
    let server = server("").await;
    assert_eq!(
        channels(&server, "").await,
        json!({ "app": "123456", "channels": [], "matched": 0, "more": false })
    );
    let (mut ann, mut bob) = (server.connect().await, server.connect().await);
    ann.subscribe("orders").await;
    bob.subscribe("orders").await;
    ann.subscribe_signed("presence-room", Some(r#"{"user_id":"7","user_info":{"name":"Ann"}}"#))
        .await;
    ann.subscribe("cache-prices").await;
    server.backend().trigger("cache-prices", "Changed", r#"{"price":9}"#).await;
    assert_eq!(
        channels(&server, "").await,
        json!({
            "app": "123456",
            "channels": [
                {
                    "channel": "cache-prices", "type": "public", "cache": true,
                    "subscriptions": 1, "on_this_node": 1, "has_cached_event": true,
                },
                { "channel": "orders", "type": "public", "cache": false, "subscriptions": 2, "on_this_node": 2 },
                {
                    "channel": "presence-room", "type": "presence", "cache": false,
                    "subscriptions": 1, "on_this_node": 1, "members": 1,
                },
            ],
            "matched": 3,
            "more": false,
        })
    );
    let busiest = channels(&server, "?sort=subscriptions&limit=1").await;
    assert_eq!((names(&busiest), &busiest["matched"]), (vec!["orders"], &json!(3)));
    assert_eq!(busiest["more"], true);
    assert_eq!(names(&channels(&server, "?sort=members").await)[0], "presence-room");
    assert_eq!(names(&channels(&server, "?search=ROOM").await), ["presence-room"]);
    let first = channels(&server, "?limit=2").await;
    assert_eq!((names(&first), &first["more"]), (vec!["cache-prices", "orders"], &json!(true)));
    let second = channels(&server, "?limit=2&after=orders").await;
    assert_eq!((names(&second), &second["more"]), (vec!["presence-room"], &json!(false)));
}

#[tokio::test]
async fn one_channel_has_members_subscribers_and_its_cached_event() {
    let server = server("internal.payloads = \"full\"").await;
    let name = "presence-cache-room";
    let mut ann = server.connect().await;
    let member = r#"{"user_id":"7","user_info":{"name":"<b>Ann</b>"}}"#;
    ann.subscribe_signed(name, Some(member)).await;
    server.backend().trigger(name, "Said", r#"{"text":"hidden"}"#).await;
    let mut shown = channels(&server, &format!("/{name}")).await;
    let subscribers = shown["subscribers"].take();
    let [subscriber] = subscribers.as_array().unwrap().as_slice() else { panic!("{subscribers}") };
    assert_eq!((&subscriber["socket"], &subscriber["user_id"]), (&json!(ann.id), &json!("7")));
    let expires = shown["cached_event"]["expires_in_seconds"].take();
    assert!((1..=1800).contains(&expires.as_u64().unwrap()), "{expires}");
    assert_eq!(
        shown,
        json!({
            "app": "123456", "channel": name, "type": "presence", "cache": true,
            "subscriptions": 1, "on_this_node": 1, "members": 1, "has_cached_event": true,
            "nodes": 1, "partial": false,
            "cached_event": { "bytes": 17, "expires_in_seconds": null, "data": "{\"text\": string(6)}" },
            "member_list": [{ "user_id": "7", "user_info": "{\"name\": string(10)}" }],
            "subscribers": null,
        })
    );
    let full = channels(&server, &format!("/{name}?payloads=full")).await;
    assert_eq!(full["cached_event"]["data"], r#"{"text":"hidden"}"#);
    assert_eq!(full["member_list"][0]["user_info"], r#"{"name":"<b>Ann</b>"}"#);
    let none = channels(&server, &format!("/{name}?payloads=none")).await;
    assert_eq!(none["member_list"], json!([{ "user_id": "7" }]));
    assert_eq!(none["cached_event"]["bytes"], 17);
    assert_eq!(
        channels(&server, "/presence-empty").await,
        json!({
            "app": "123456", "channel": "presence-empty", "type": "presence", "cache": false,
            "subscriptions": 0, "on_this_node": 0, "members": 0, "nodes": 0, "partial": false,
            "member_list": [], "subscribers": [],
        })
    );
}

#[tokio::test]
async fn what_cannot_be_listed_is_refused_by_name() {
    let server = server("internal.payloads = \"masked\"").await;
    let check = async |target: &str, status: u16, error: &str| {
        let answer = server.internal(&format!("/internal/v1/apps{target}")).await;
        assert_eq!((answer.status, answer.json()), (status, json!({ "error": error })), "{target}");
    };
    check("/7/channels", 404, "no app of this server has the id \"7\"").await;
    check("/123456/channels?limit=0", 400, "limit must be 1 to 500").await;
    check("/123456/channels?limit=501", 400, "limit must be 1 to 500").await;
    let error = "sort must be one of name, subscriptions, members";
    check("/123456/channels?sort=age", 400, error).await;
    let error = "after needs sort=name: counts change between two pages";
    check("/123456/channels?sort=members&after=a", 400, error).await;
    let error = "the parameter \"serch\" is not known; known are search, sort, after, limit";
    check("/123456/channels?serch=a", 400, error).await;
    let error = "payloads=full is more than this server shows; set internal.payloads = \"full\" (RESOUND_INTERNAL_PAYLOADS) and restart it";
    check("/123456/channels/orders?payloads=full", 403, error).await;
    let error = "the channel name holds '/'; allowed are A-Z a-z 0-9 and _ - = @ , . ;";
    check("/123456/channels/orders%2F7", 400, error).await;
}
