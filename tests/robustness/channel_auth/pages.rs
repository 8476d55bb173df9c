//! What pages of this and of other origins send, well-formed or not.

use reqwest::Method;

use crate::channel_auth::client;
use crate::harness::server::REVERB_APP;
use crate::harness::{TestServer, within};

const EVERYTHING: &str = "[apps.auth]\nmode = \"sign-everything\"\n";

/// The status, the headers and the body of an answer.
async fn send(request: reqwest::RequestBuilder) -> (u16, reqwest::header::HeaderMap, String) {
    let answer = within("an answer", request.send()).await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.text().await.unwrap())
}

fn post(server: &TestServer, body: &str) -> reqwest::RequestBuilder {
    let url = format!("http://{}/broadcasting/auth", server.address);
    client().post(url).body(body.to_owned())
}

#[tokio::test]
async fn forms_and_json_are_read_and_other_bodies_refused() {
    let server = TestServer::with_app(EVERYTHING).await;
    for (kind, body, status, part) in [
        ("application/x-www-form-urlencoded", "socket_id=1.2&channel_name=private-a", 200, "auth"),
        ("application/json", r#"{"socket_id":"1.2","channel_name":"private-a"}"#, 200, "auth"),
        ("application/json", "{", 400, "no JSON object"),
        ("multipart/form-data; boundary=x", "--x--", 415, "application/json"),
        (
            "application/json",
            r#"{"socket_id":"1.2","channel_name":["private-a"]}"#,
            400,
            "one channel",
        ),
        ("", "socket_id=1.2&channel_name[0]=private-a", 400, "one channel"),
        ("", "socket_id=1.2", 400, "channel_name is missing"),
        ("", "channel_name=private-a", 400, "socket_id is missing"),
        ("", "socket_id=1.2:private-b&channel_name=private-a", 400, "socket_id is missing"),
        ("", "socket_id=1.2&channel_name=private-a%3Ab", 400, "the channel name holds"),
        ("", "socket_id=1.2&channel_name=a", 400, "Public channels"),
    ] {
        let mut request = post(&server, body);
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let (found, _, text) = send(request).await;
        assert!(found == status && text.contains(part), "{kind} {body}: {found} {text}");
    }
    let (status, ..) = send(post(&server, &"x".repeat(70_000))).await;
    assert_eq!(status, 413);
    let url = format!("http://{}/broadcasting/auth?callback=x", server.address);
    let (status, headers, _) = send(client().get(url)).await;
    assert_eq!((status, headers["allow"].to_str().unwrap()), (405, "POST, OPTIONS"));
    assert_eq!(
        server.metric("resound_api_requests_total{route=\"/broadcasting/auth\",status=\"200\"}"),
        2.0
    );
}

#[tokio::test]
async fn pages_of_other_hosts_may_ask_if_the_app_allows_them() {
    let lines = format!("allowed_origins = [\"https://app.example\"]\n{EVERYTHING}");
    let server = TestServer::with_app(&lines).await;
    let url = format!("http://{}/broadcasting/auth", server.address);
    let preflight = |origin: &str| {
        client()
            .request(Method::OPTIONS, &url)
            .header("origin", origin.to_owned())
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization")
    };
    let (status, headers, _) = send(preflight("https://app.example")).await;
    assert_eq!(status, 204);
    assert_eq!(headers["access-control-allow-origin"], "https://app.example");
    assert_eq!(headers["access-control-allow-credentials"], "true");
    assert_eq!(headers["access-control-allow-headers"], "authorization");
    assert_eq!(headers["access-control-max-age"], "7200");
    let (_, headers, _) = send(preflight("https://other.example")).await;
    assert!(!headers.contains_key("access-control-allow-origin"));
    let body = "socket_id=1.2&channel_name=private-a";
    let (status, headers, _) =
        send(post(&server, body).header("origin", "https://app.example")).await;
    assert_eq!(status, 200);
    assert_eq!(headers["access-control-allow-origin"], "https://app.example");
    assert_eq!(headers["vary"], "Origin");
    // A refusal can be read by the page too.
    let refused = post(&server, "socket_id=1.2").header("origin", "https://app.example");
    let (status, headers, _) = send(refused).await;
    assert_eq!(
        (status, headers["access-control-allow-credentials"].to_str().unwrap()),
        (400, "true")
    );
    let foreign = post(&server, body).header("origin", "https://other.example");
    let (status, headers, text) = send(foreign).await;
    assert!(status == 403 && text.contains("allowed_origins"), "{text}");
    assert!(!headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn what_signs_everything_serves_no_client_elsewhere() {
    let server = TestServer::with_app(EVERYTHING).await;
    let body = "socket_id=1.2&channel_name=private-a";
    assert_eq!(send(post(&server, body)).await.0, 200);
    let (status, _, text) = send(post(&server, body).header("x-forwarded-for", "192.0.2.1")).await;
    assert!(status == 403 && text.contains("sign-everything"), "{text}");
}

#[tokio::test]
async fn a_reload_switches_it_on_and_off_and_an_address_has_a_limit() {
    let limit = "[server]\nmax_auth_requests_per_address_per_second = 3\n";
    let config = REVERB_APP.replace("[server]\n", limit);
    let server = TestServer::with(&config).await;
    let body = "socket_id=1.2&channel_name=private-a";
    assert_eq!(send(post(&server, body)).await.0, 404);
    server.reload(&format!("{config}{EVERYTHING}"));
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(send(post(&server, body)).await.0);
    }
    assert!(statuses[0] == 200 && statuses.contains(&429), "{statuses:?}");
    server.reload(&config);
    assert_eq!(send(post(&server, body)).await.0, 404);
}

#[tokio::test]
async fn apps_that_share_a_path_are_told_apart_by_their_keys() {
    let other = "[[apps]]\nid = \"2\"\nkey = \"other-key\"\nsecret = \"other-secret\"\n";
    let server = TestServer::with(&format!("{REVERB_APP}{EVERYTHING}{other}{EVERYTHING}")).await;
    let url = format!("http://{}/broadcasting/auth", server.address);
    let body = "socket_id=1.2&channel_name=private-a";
    let (status, _, text) = send(client().post(&url).body(body)).await;
    assert!(status == 400 && text.contains("app_key"), "{text}");
    for key in ["reverb-key", "other-key"] {
        let (status, _, text) =
            send(client().post(format!("{url}?app_key={key}")).body(body)).await;
        assert!(status == 200 && text.contains(&format!("{{\"auth\":\"{key}:")), "{text}");
    }
    let (status, ..) = send(client().post(&url).body(format!("{body}&app_key=none"))).await;
    assert_eq!(status, 404);
}
