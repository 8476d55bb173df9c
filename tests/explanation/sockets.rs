//! `GET /internal/v1/sockets`, `…/sockets/{id}`, and terminating a socket or a user, as exact JSON.

use serde_json::{Value, json};

use crate::harness::server::{INTERNAL_TOKEN, REVERB_APP};
use crate::harness::{TestServer, TestSocket, eventually};

async fn server(lines: &str) -> TestServer {
    let toml = format!(
        "internal.listen = [\"127.0.0.1:0\"]\ninternal.token = \"{INTERNAL_TOKEN}\"\n{lines}{REVERB_APP}"
    );
    TestServer::with(&toml).await
}

async fn get(server: &TestServer, target: &str) -> Value {
    let answer = server.internal_as("GET", &format!("/internal/v1/sockets{target}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// The row without the numbers that differ from run to run, each of which must be there.
fn steady(mut row: Value) -> Value {
    for name in ["opened_at_ms", "open_for_ms", "sent_bytes", "received_bytes"] {
        let number = row.as_object_mut().unwrap().remove(name);
        assert!(number.as_ref().is_some_and(Value::is_u64), "{name} of {row}");
    }
    row
}

async fn ids(server: &TestServer, query: &str) -> Vec<String> {
    let list = get(server, query).await;
    let rows = list["sockets"].as_array().unwrap().iter();
    rows.map(|row| row["socket"].as_str().unwrap().to_owned()).collect()
}

const HOSTILE: &str = "<script>alert(1)</script>";

async fn hostile(server: &TestServer) -> TestSocket {
    let path = "/app/reverb-key?protocol=7&client=%3Cb%3Ejs&version=9.9";
    let fields = [("origin", "https://shop.example"), ("user-agent", HOSTILE)];
    TestSocket::with_fields(server.address, path, &fields).await
}

#[tokio::test]
async fn a_socket_is_listed_with_what_it_brought() {
    let server = server("").await;
    assert_eq!(get(&server, "").await, json!({ "sockets": [], "matched": 0, "more": false }));
    let mut socket = hostile(&server).await;
    let row = json!({
        "socket": socket.id, "app": "123456", "address": "127.0.0.1",
        "library": "<b>js", "version": "9.9", "protocol": "7",
        "origin": "https://shop.example", "user_agent": HOSTILE,
        "tls": false, "deflate": false, "outbox_bytes": 0, "channel_count": 0,
    });
    let list = get(&server, "").await;
    assert_eq!((&list["matched"], &list["more"]), (&json!(1), &json!(false)));
    assert_eq!(steady(list["sockets"][0].clone()), row);
    let before = list["sockets"][0].clone();
    socket.subscribe("orders").await;
    let member = r#"{"user_id":"7","user_info":{"name":"Ann"}}"#;
    socket.subscribe_signed("presence-room", Some(member)).await;
    let one = get(&server, &format!("/{}", socket.id)).await;
    let bytes = |row: &Value, name: &str| row[name].as_u64().unwrap();
    assert!(bytes(&one, "sent_bytes") > bytes(&before, "sent_bytes") + 100);
    assert!(bytes(&one, "received_bytes") > bytes(&before, "received_bytes") + 100);
    let mut row = row;
    row["channel_count"] = json!(2);
    row["user_id"] = json!("7");
    row["channels"] =
        json!([{ "channel": "orders" }, { "channel": "presence-room", "user_id": "7" }]);
    assert_eq!(steady(one), row);
}

#[tokio::test]
async fn sockets_are_found_by_what_they_are() {
    let server = server("").await;
    let (mut ann, mut bob, shop) =
        (server.connect().await, server.connect().await, hostile(&server).await);
    ann.sign_in(r#"{"id":"ann"}"#).await;
    bob.subscribe_signed("presence-room", Some(r#"{"user_id":"bob"}"#)).await;
    let all = [&ann.id, &bob.id, &shop.id];
    for (query, expected) in [
        ("?user=ann", vec![0]),
        ("?user=bob", vec![1]),
        ("?user=eve", vec![]),
        ("?channel=presence-room", vec![1]),
        ("?channel=nowhere", vec![]),
        ("?client=SHOP.example", vec![2]),
        ("?client=8.6.0", vec![0, 1]),
        ("?address=127.", vec![0, 1, 2]),
        ("?address=10.", vec![]),
        ("?app=123456&search=", vec![0, 1, 2]),
        ("?search=ann", vec![0]),
        ("?search=presence-room", vec![1]),
        ("?search=9.9", vec![2]),
        (&format!("?search={}", bob.id), vec![1]),
        ("?user=bob&client=9.9", vec![]),
    ] {
        let mut found = ids(&server, query).await;
        let mut expected: Vec<_> = expected.into_iter().map(|at: usize| all[at].clone()).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{query}");
    }
    let first = get(&server, "?limit=2").await;
    assert_eq!(first["sockets"].as_array().unwrap().len(), 2);
    assert_eq!((&first["matched"], &first["more"]), (&json!(3), &json!(true)));
    let most = ids(&server, "?sort=received&limit=1").await;
    assert_eq!(most, [&*bob.id], "its subscription has most bytes");
}

#[tokio::test]
async fn a_socket_that_ended_is_kept_with_its_reason() {
    let server = server("").await;
    let (mut ended, mut left) = (server.connect().await, server.connect().await);
    let target = format!("/internal/v1/sockets/{}/terminate", ended.id);
    let answer = server.internal_as("POST", &target).await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "app": "123456", "socket": ended.id }))
    );
    let (_, close) = ended.receive_close().await;
    let close = close.unwrap();
    assert_eq!(
        (u16::from(close.code), close.reason.as_str()),
        (4009, "You got disconnected by the app.")
    );
    let row = get(&server, &format!("/{}", ended.id)).await;
    assert!(row["closed"]["ago_ms"].is_u64());
    let closed = (&row["closed"]["by"], &row["closed"]["code"], &row["closed"]["reason"]);
    assert_eq!(closed, (&json!("server"), &json!(4009), &json!("terminated")));
    assert_eq!((&row["version"], &row["app"]), (&json!("8.6.0"), &json!("123456")));
    let again = server.internal_as("POST", &target).await;
    assert_eq!((again.status, again.json()), (404, absent(&ended.id)));
    left.send(tokio_tungstenite::tungstenite::Message::Close(None)).await;
    eventually("two ends", async || get(&server, "?state=closed").await["matched"] == 2).await;
    assert_eq!(ids(&server, "?state=closed").await, [&*left.id, &*ended.id]);
    assert_eq!(get(&server, &format!("/{}", left.id)).await["closed"]["by"], "client");
    assert_eq!(ids(&server, "?state=closed&client=nothing").await, Vec::<String>::new());
    assert_eq!(ids(&server, "").await, Vec::<String>::new());
}

#[tokio::test]
async fn the_ring_of_ended_sockets_is_bounded() {
    let server = server("").await;
    for _ in 0..300 {
        server.connect().await;
    }
    eventually("all ends", async || ids(&server, "").await.is_empty()).await;
    let kept = get(&server, "?state=closed&limit=500").await;
    let kept = kept["matched"].as_u64().unwrap();
    assert!((128..=256).contains(&kept), "{kept}: 128 of each of two workers at most");
}

#[tokio::test]
async fn the_sockets_of_a_user_are_terminated() {
    let server = server("").await;
    let (mut ann, mut again, bob) =
        (server.connect().await, server.connect().await, server.connect().await);
    ann.sign_in(r#"{"id":"a/b"}"#).await;
    again.sign_in(r#"{"id":"a/b"}"#).await;
    let answer = server.internal_as("POST", "/internal/v1/apps/123456/users/a%2Fb/terminate").await;
    let expected = json!({ "app": "123456", "user": "a/b", "sockets_on_this_node": 2 });
    assert_eq!((answer.status, answer.json()), (200, expected));
    for socket in [&mut ann, &mut again] {
        assert_eq!(u16::from(socket.receive_close().await.1.unwrap().code), 4009);
    }
    assert_eq!(ids(&server, "").await, [&*bob.id]);
}

#[tokio::test]
async fn a_session_that_reads_nothing_is_described_too() {
    let server = server("").await;
    let stalled = server.connect().await;
    // What waits for it stays in the kernel's buffers and its outbox.
    let big = format!("\"{}\"", "x".repeat(9_000));
    let mut stalled = stalled;
    stalled.subscribe("orders").await;
    let mut backend = server.backend();
    eventually("bytes wait for it", async || {
        backend.trigger("orders", "Big", &big).await;
        let row = get(&server, &format!("/{}", stalled.id)).await;
        assert_eq!(row["channel_count"], 1);
        row["outbox_bytes"].as_u64().unwrap() > 0 || row["closed"].is_object()
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_listed_is_refused_by_name() {
    let server = server("").await;
    let check = async |target: &str, status: u16, error: Value| {
        let answer = server.internal_as("GET", &format!("/internal/v1/sockets{target}")).await;
        assert_eq!((answer.status, answer.json()), (status, error), "{target}");
    };
    let error = |text: &str| json!({ "error": text });
    check("/1.2", 404, absent("1.2")).await;
    check("/abc", 400, error("the id of a socket is digits, a dot, digits")).await;
    check("/1.2?x=1", 400, error("the parameter \"x\" is not known; known are nodes")).await;
    check("?app=7", 404, error("no app of this server has the id \"7\"")).await;
    check("?state=all", 400, error("state must be one of open, closed")).await;
    let text = "sort must be one of newest, oldest, outbox, sent, received";
    check("?sort=age", 400, error(text)).await;
    let text = "the parameter \"ip\" is not known; known are search, app, user, address, channel, client, sort, state, nodes, limit";
    check("?ip=1", 400, error(text)).await;
    check(
        &format!("?search={}", "x".repeat(513)),
        400,
        error("search must have 512 bytes at most"),
    )
    .await;
    for target in
        ["/internal/v1/sockets/1.2/terminate", "/internal/v1/apps/123456/users/7/terminate"]
    {
        assert_eq!(
            server.internal_as("GET", target).await.status,
            405,
            "a GET changes nothing: {target}"
        );
    }
}

fn absent(id: &str) -> Value {
    let text = format!(
        "no socket has the id {id}: it closed before the last 128 of each worker, or never opened"
    );
    json!({ "error": text })
}
