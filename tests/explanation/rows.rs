//! What a viewer sees, beside what the header and the log have.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::server::REVERB_APP;
use crate::harness::{Backend, TestServer, TestSocket, Viewer};

async fn server(more: &str) -> TestServer {
    TestServer::with(&format!("internal.listen = [\"127.0.0.1:0\"]\n{REVERB_APP}{more}")).await
}

#[tokio::test]
async fn the_id_in_the_header_is_the_id_of_the_row() {
    let server = server("").await;
    let mut viewer = Viewer::open(&server, "").await;
    let event = |channel| json!({ "name": "n", "channel": channel, "data": "{}" });
    let single = json!({ "name": "n", "channels": ["a", "b"], "data": "{}" }).to_string();
    let batch = json!({ "batch": [event("a"), event("b")] }).to_string();
    let mut backend = server.backend();
    let verdicts = backend.explained("/events", &single).await;
    let row = viewer.row("trigger").await;
    for verdict in &verdicts {
        assert_eq!(verdict["trigger"], row["id"]);
    }
    for verdict in backend.explained("/batch_events", &batch).await {
        let row = viewer.row("trigger").await;
        assert_eq!(
            (&verdict["trigger"], &json!([verdict["channel"]])),
            (&row["id"], &row["channels"])
        );
    }
}

/// Rows of what was refused are found by the app that they are about, whatever part of the server refused it.
#[tokio::test]
async fn a_refusal_has_its_app_where_that_is_known() {
    let other = "[[apps]]\nid = \"2\"\nkey = \"k2\"\nsecret = \"s2\"\nmax_connections = 1\n[apps.auth]\nmode = \"jwt\"\njwt.secret = \"a secret of the issuer, of 32 bytes or more\"\njwt.channels = [\"private-*\"]\n";
    let server = server(other).await;
    let mut ours = Viewer::open(&server, "?kind=refused&app=123456").await;
    let mut theirs = Viewer::open(&server, "?kind=refused&app=2").await;
    let mut all = Viewer::open(&server, "?kind=refused").await;
    let check = |row: &Value, part: &str, app: &str| {
        assert_eq!((&row["part"], &row["app"]), (&json!(part), &json!(app)), "{row}");
    };

    let mut forger = Backend::new(server.address, "123456", "reverb-key", "wrong");
    assert_eq!(forger.post("/events", "{}").await.status, 401);
    let row = ours.row("refused").await;
    check(&row, "request", "123456");
    assert_eq!(row["reason"], "signature");
    assert_eq!(server.backend().post("/events", "{}").await.status, 400);
    check(&ours.row("refused").await, "request", "123456");

    let _only = TestSocket::greeted(server.address, "/app/k2?protocol=7").await;
    TestSocket::open(server.address, "/app/k2?protocol=7").await.receive_close().await;
    let row = theirs.row("refused").await;
    check(&row, "handshake", "2");
    assert_eq!((&row["code"], &row["reason"]), (&json!(4100), &json!("over_connection_limit")));
    TestSocket::open(server.address, "/app/k2?protocol=3").await.receive_close().await;
    let row = theirs.row("refused").await;
    check(&row, "handshake", "2");
    assert_eq!((&row["code"], &row["reason"]), (&json!(4007), &json!("unsupported_protocol")));

    let page = "socket_id=1.2&channel_name=private-x";
    let answer = server.backend().send("POST", "/broadcasting/auth", page).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    check(&theirs.row("refused").await, "request", "2");

    let mut unknown = Backend::new(server.address, "9", "k", "s");
    assert_eq!(unknown.post("/events", "{}").await.status, 404);
    loop {
        let row = all.row("refused").await;
        if row["code"] == 404 {
            assert_eq!(row.get("app"), None, "{row}");
            break;
        }
    }
}

#[tokio::test]
async fn a_handshake_with_a_key_of_no_app_is_explained() {
    let server = server("").await;
    let mut viewer = Viewer::open(&server, "?kind=refused").await;
    let mut refused = TestSocket::open(server.address, "/app/other?protocol=7").await;
    let (texts, _) = refused.receive_close().await;
    assert_eq!(
        texts,
        [r#"{"event":"pusher:error","data":{"code":4001,"message":"Application does not exist"}}"#]
    );
    let row = viewer.row("refused").await;
    assert_eq!(
        (&row["part"], &row["code"], &row["cause"]),
        (
            &json!("handshake"),
            &json!(4001),
            &json!(
                "no app of this server has the key \"other\": the page has another VITE_REVERB_APP_KEY than REVERB_APP_KEY, or was built before that changed"
            )
        )
    );
}

#[tokio::test]
async fn a_call_of_a_webhook_is_shown_with_its_result() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/taken", post(StatusCode::OK))
        .route("/refused", post(StatusCode::FORBIDDEN));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let webhook = |path: &str, channels: &str| {
        format!(
            "[[apps.webhooks]]\nurl = \"http://{address}/{path}\"\nevents = [\"channel_occupied\"]\nchannel_prefix = \"{channels}\"\n"
        )
    };
    let webhooks = format!("{}{}", webhook("taken", "orders"), webhook("refused", "other"));
    let server = server(&webhooks).await;
    let mut viewer = Viewer::open(&server, "?kind=webhook&app=123456").await;
    let mut socket = server.connect().await;
    for (channel, path, result) in
        [("orders", "taken", "taken"), ("other", "refused", "client_error")]
    {
        socket.subscribe(channel).await;
        let row = viewer.row("webhook").await;
        let expected = (&json!(format!("http://{address}/{path}")), &json!(1), &json!(result));
        assert_eq!((&row["url"], &row["events"], &row["result"]), expected, "{row}");
        assert!(row["took_ms"].is_u64() && row["at_ms"].is_u64(), "{row}");
    }
}
