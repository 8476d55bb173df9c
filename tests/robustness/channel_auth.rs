//! `/broadcasting/auth`: what is asked of the app, and what is refused before.

use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{TestServer, eventually, within};
use asked_app::{AskedApp, signed};

mod asked_app;
mod pages;
mod tokens;

/// What a request was answered with.
#[derive(Debug, PartialEq)]
struct AuthAnswer {
    status: u16,
    text: String,
}

impl AuthAnswer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// A client of many requests at once.
fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}

/// A request as pusher-js sends it, with a cookie.
async fn ask(
    client: &reqwest::Client,
    server: &TestServer,
    (socket, channel): (&str, &str),
    session: &str,
) -> AuthAnswer {
    let request = client
        .post(format!("http://{}/broadcasting/auth", server.address))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", format!("session={session}"))
        .body(format!("socket_id={socket}&channel_name={channel}"));
    let answer = within("an answer", request.send()).await.unwrap();
    AuthAnswer { status: answer.status().as_u16(), text: answer.text().await.unwrap() }
}

async fn asking(app: &AskedApp, lines: &str) -> TestServer {
    TestServer::with_app(&format!(
        "[apps.auth]\nmode = \"ask\"\n[apps.auth.ask]\nurl = \"http://{}/broadcasting/auth\"\n{lines}",
        app.address
    ))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_of_reconnects_is_one_question_for_each_session_and_channel() {
    let app = AskedApp::start().await;
    let server = asking(&app, "").await;
    let (sessions, channels, sockets) = (10, 5, 100);
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    let (client, server) = (client(), std::sync::Arc::new(server));
    for session in 0..sessions {
        for part in 0..10 {
            let (client, server) = (client.clone(), server.clone());
            tasks.spawn(async move {
                for number in 0..sockets / 10 * channels {
                    let socket = format!("{session}.{}", part * 100 + number);
                    let channel = format!("presence-{}", number % channels);
                    let cookie = format!("permitted-{session}");
                    let answer = ask(&client, &server, (&socket, &channel), &cookie).await;
                    let data = format!(r#"{{"user_id":"{session}"}}"#);
                    let auth = signed(&format!("{socket}:{channel}:{data}"));
                    assert_eq!(answer.status, 200, "{}", answer.text);
                    assert_eq!(answer.json(), json!({ "auth": auth, "channel_data": data }));
                }
            });
        }
    }
    while let Some(done) = within("the herd", tasks.join_next()).await {
        done.unwrap();
    }
    let requests = sessions * channels * sockets;
    println!("{requests} requests, {} questions, {:?}", app.asked(), started.elapsed());
    assert_eq!(requests, 5000);
    assert_eq!(app.asked(), sessions * channels);
    let remembered = server.metric("resound_channel_auth_remembered_answers_total");
    assert_eq!(remembered as usize, requests - sessions * channels);
    assert_eq!(server.metric("resound_channel_auth_requests_total{result=\"granted\"}"), 5000.0);
}

#[tokio::test]
async fn what_is_signed_opens_the_channel() {
    let app = AskedApp::start().await;
    let server = asking(&app, "").await;
    let client = client();
    for _ in 0..2 {
        let mut socket = server.connect().await;
        let answer = ask(&client, &server, (&socket.id, "presence-a"), "permitted-7").await.json();
        let data = json!({ "channel": "presence-a", "auth": answer["auth"],
                           "channel_data": answer["channel_data"] });
        socket.send_text(&json!({ "event": "pusher:subscribe", "data": data }).to_string()).await;
        let answer = socket.receive().await;
        assert!(answer.contains("subscription_succeeded"), "{answer}");
    }
    assert_eq!(app.asked(), 1);
}

#[tokio::test]
async fn an_answer_is_for_its_session_and_its_fields_alone() {
    let app = AskedApp::start().await;
    let server = asking(&app, "").await;
    let client = client();
    let one = ask(&client, &server, ("1.1", "private-a"), "permitted-1").await.json();
    let two = ask(&client, &server, ("1.1", "private-a"), "permitted-2").await.json();
    assert_ne!(one["channel_data"], two["channel_data"]);
    assert_eq!(ask(&client, &server, ("1.1", "private-a"), "403-3").await.status, 403);
    assert_eq!(app.asked(), 3);
    // A request without a session is never answered from memory.
    for asked in 4..6 {
        let request = client
            .post(format!("http://{}/broadcasting/auth", server.address))
            .body("socket_id=1.1&channel_name=private-a");
        assert_eq!(request.send().await.unwrap().status(), 403);
        assert_eq!(app.asked(), asked);
    }
}

#[tokio::test]
async fn refusals_of_the_app_are_passed_on_with_a_text() {
    let app = AskedApp::start().await;
    let server = asking(&app, "remember_refusals_seconds = 1\n").await;
    let client = client();
    for (session, status, part) in [
        ("302-1", 401, "redirects to \"/login\""),
        ("401-1", 401, "logged-in user"),
        ("403-1", 403, "routes/channels.php"),
        ("419-1", 419, "X-CSRF-TOKEN"),
        ("500-1", 500, "see the log of the app"),
        ("200-1", 502, "BROADCAST_CONNECTION"),
        ("forged-1", 502, "REVERB_APP_SECRET"),
    ] {
        let answer = ask(&client, &server, ("1.1", "private-a"), session).await;
        assert!(answer.status == status && answer.text.contains(part), "{session}: {answer:?}");
    }
    assert_eq!(app.asked(), 7);
    // A refusal is remembered, a failure is not.
    ask(&client, &server, ("1.2", "private-a"), "403-1").await;
    assert_eq!(app.asked(), 7);
    ask(&client, &server, ("1.2", "private-a"), "500-1").await;
    assert_eq!(app.asked(), 8);
    // It is asked again once the time is over.
    eventually("the refusal to be forgotten", async || {
        ask(&client, &server, ("1.2", "private-a"), "403-1").await;
        app.asked() > 8
    })
    .await;
}

#[tokio::test]
async fn only_the_listed_header_fields_are_passed_on() {
    let app = AskedApp::start().await;
    let server = asking(&app, "").await;
    let request = client()
        .post(format!("http://{}/broadcasting/auth?tenant=3", server.address))
        .header("cookie", "session=permitted-7")
        .header("x-csrf-token", "t")
        .header("x-secret", "s")
        .header("accept", "*/*")
        .body("socket_id=1.1&channel_name=presence-a");
    assert_eq!(request.send().await.unwrap().status(), 200);
    // Another token is another question.
    let request = client()
        .post(format!("http://{}/broadcasting/auth?tenant=3", server.address))
        .header("cookie", "session=permitted-7")
        .header("x-csrf-token", "other")
        .body("socket_id=1.1&channel_name=presence-a");
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(app.asked(), 2);
}

#[tokio::test]
async fn the_app_gets_few_questions_at_once_and_late_ones_are_refused() {
    let app = AskedApp::holding().await;
    let server = asking(&app, "max_concurrent = 2\ntimeout_seconds = 2\n").await;
    let (client, server) = (client(), std::sync::Arc::new(server));
    let mut tasks = tokio::task::JoinSet::new();
    for session in 0..6 {
        let (client, server) = (client.clone(), server.clone());
        tasks.spawn(async move {
            let session = format!("permitted-{session}");
            ask(&client, &server, ("1.1", "private-a"), &session).await
        });
    }
    let mut statuses = Vec::new();
    while let Some(done) = within("the answers", tasks.join_next()).await {
        statuses.push(done.unwrap().status);
    }
    // A question that is given up ends there a moment after it has ended here.
    let most = app.most_under_way();
    assert!((2..=4).contains(&most), "{most} at once");
    assert!(statuses.contains(&504) && statuses.iter().all(|status| [503, 504].contains(status)));
}

#[tokio::test]
async fn a_question_outlives_the_request_that_began_it() {
    let app = AskedApp::holding().await;
    let server = asking(&app, "").await;
    let client = client();
    {
        let first = ask(&client, &server, ("1.1", "private-a"), "permitted-7");
        let mut first = std::pin::pin!(first);
        eventually("the question", async || {
            let _ = futures_util::poll!(first.as_mut());
            app.under_way() == 1
        })
        .await;
    }
    app.release();
    let second = ask(&client, &server, ("1.2", "private-a"), "permitted-7").await;
    assert_eq!((second.status, app.asked()), (200, 1));
}

#[tokio::test]
async fn an_app_that_is_away_is_named() {
    let app = AskedApp::start().await;
    let server = TestServer::with_app(
        "[apps.auth]\nmode = \"ask\"\n[apps.auth.ask]\nurl = \"http://127.0.0.1:9/\"\n",
    )
    .await;
    let answer = ask(&client(), &server, ("1.1", "private-a"), "permitted-7").await;
    let text =
        "The app's own endpoint cannot be reached: nothing listens on that port (app.auth.ask.url)";
    assert_eq!(answer, AuthAnswer { status: 502, text: text.to_owned() });
    assert_eq!(app.asked(), 0);
}
