//! Tokens whose keys are fetched: rotation, invented key ids, a source that is away.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::channel_auth::{AuthAnswer, client};
use crate::harness::{TestServer, within};

/// An issuer with keys by id, and the address of their set.
struct Issuer {
    address: SocketAddr,
    state: Arc<IssuerState>,
}

#[derive(Default)]
struct IssuerState {
    keys: Mutex<Vec<(String, Ed25519KeyPair)>>,
    fetched: AtomicUsize,
    is_away: AtomicBool,
}

impl Issuer {
    async fn start() -> Self {
        let state = Arc::new(IssuerState::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(key_set).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state }
    }

    fn add_key(&self, id: &str) {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        self.state.keys.lock().push((id.to_owned(), key));
    }

    /// A token that names a key and is signed with the last one.
    fn token(&self, key_id: &str, claims: Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = claims;
        claims["exp"] = (now + 60).into();
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = json!({ "alg": "EdDSA", "kid": key_id });
        let signed = format!("{}.{}", part(&head), part(&claims));
        let keys = self.state.keys.lock();
        let key = keys.iter().find(|(id, _)| id == key_id).or(keys.last()).unwrap();
        let signature = URL_SAFE_NO_PAD.encode(key.1.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// Withdraws a key.
    fn remove_key(&self, id: &str) {
        self.state.keys.lock().retain(|(known, _)| known != id);
    }

    fn fetched(&self) -> usize {
        self.state.fetched.load(Ordering::SeqCst)
    }
}

async fn key_set(State(issuer): State<Arc<IssuerState>>) -> Response {
    issuer.fetched.fetch_add(1, Ordering::SeqCst);
    if issuer.is_away.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let jwk = |(id, key): &(String, Ed25519KeyPair)| {
        let x = URL_SAFE_NO_PAD.encode(key.public_key());
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": id, "x": x })
    };
    let keys: Vec<Value> = issuer.keys.lock().iter().map(jwk).collect();
    json!({ "keys": keys }).to_string().into_response()
}

async fn ask(server: &TestServer, token: &str, channel: &str) -> AuthAnswer {
    let request = client()
        .post(format!("http://{}/broadcasting/auth", server.address))
        .bearer_auth(token)
        .body(format!("socket_id=1.2&channel_name={channel}"));
    let answer = within("an answer", request.send()).await.unwrap();
    AuthAnswer { status: answer.status().as_u16(), text: answer.text().await.unwrap() }
}

async fn serving(issuer: &Issuer) -> TestServer {
    TestServer::with_app(&format!(
        "[apps.auth]\nmode = \"jwt\"\n[apps.auth.jwt]\njwks = \"http://{}/keys\"\n\
         channels = [\"private-org.{{org_id}}.*\", \"presence-org.{{org_id}}\"]\n\
         user_info_fields = [\"name\"]\njwks_max_age_seconds = 1\n",
        issuer.address
    ))
    .await
}

#[tokio::test]
async fn claims_decide_and_the_user_is_that_of_the_token() {
    let issuer = Issuer::start().await;
    issuer.add_key("a");
    let server = serving(&issuer).await;
    let token = issuer.token("a", json!({ "sub": "u7", "org_id": 7, "name": "Ann" }));
    assert_eq!(ask(&server, &token, "private-org.7.x").await.status, 200);
    let presence = ask(&server, &token, "presence-org.7").await.json();
    assert_eq!(presence["channel_data"], r#"{"user_id":"u7","user_info":{"name":"Ann"}}"#);
    let refused = ask(&server, &token, "private-org.8.x").await;
    let text = "The token does not permit the channel \"private-org.8.x\": see app.auth.jwt.channels and channels_claim";
    assert_eq!(refused, AuthAnswer { status: 403, text: text.to_owned() });
    let without = issuer.token("a", json!({ "org_id": 7 }));
    assert_eq!(ask(&server, &without, "private-org.7.x").await.status, 200);
    assert_eq!(ask(&server, &without, "presence-org.7").await.status, 403);
}

#[tokio::test]
async fn many_requests_share_one_fetch_and_invented_keys_cause_no_more() {
    let issuer = Issuer::start().await;
    issuer.add_key("a");
    let server = Arc::new(serving(&issuer).await);
    let token = issuer.token("a", json!({ "org_id": 7 }));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (server, token) = (server.clone(), token.clone());
        tasks.spawn(async move { ask(&server, &token, "private-org.7.x").await.status });
    }
    while let Some(status) = within("the answers", tasks.join_next()).await {
        assert_eq!(status.unwrap(), 200);
    }
    assert_eq!(issuer.fetched(), 1);
    for number in 0..20 {
        let invented = issuer.token(&format!("invented-{number}"), json!({ "org_id": 7 }));
        let answer = ask(&server, &invented, "private-org.7.x").await;
        assert!(answer.status == 401 && answer.text.contains("(kid)"), "{answer:?}");
    }
    assert_eq!(issuer.fetched(), 1, "at most one fetch in ten seconds");
}

#[tokio::test]
async fn keys_that_are_not_there_at_first_are_fetched_when_they_are() {
    let issuer = Issuer::start().await;
    issuer.add_key("a");
    issuer.state.is_away.store(true, Ordering::SeqCst);
    let server = serving(&issuer).await;
    let token = issuer.token("a", json!({ "org_id": 7 }));
    let answer = ask(&server, &token, "private-org.7.x").await;
    assert!(answer.status == 503 && answer.text.contains("it answered 503"), "{answer:?}");
    issuer.state.is_away.store(false, Ordering::SeqCst);
    crate::harness::eventually("the keys", async || {
        ask(&server, &token, "private-org.7.x").await.status == 200
    })
    .await;
    // From now on they are known, whether their source is there or not.
    issuer.state.is_away.store(true, Ordering::SeqCst);
    assert_eq!(ask(&server, &token, "private-org.7.x").await.status, 200);
}

/// A server that has accepted a token of the key "old", which the issuer has then replaced with "new".
async fn with_withdrawn_key() -> (Issuer, TestServer, String) {
    let issuer = Issuer::start().await;
    issuer.add_key("old");
    let server = serving(&issuer).await;
    let old = issuer.token("old", json!({ "org_id": 7 }));
    assert_eq!(ask(&server, &old, "private-org.7.x").await.status, 200);
    issuer.add_key("new");
    issuer.remove_key("old");
    (issuer, server, old)
}

/// The issuer replaces its key while the server runs: tokens of the new one are accepted and tokens of the old one are
/// refused, without a restart. Keys are fetched every ten seconds at most, so this takes as long.
#[tokio::test]
async fn a_key_that_replaces_another_is_accepted_and_the_other_one_is_refused() {
    let (issuer, server, old) = with_withdrawn_key().await;
    let new = issuer.token("new", json!({ "org_id": 7 }));
    let refused = ask(&server, &new, "private-org.7.x").await;
    assert!(refused.status == 401 && refused.text.contains("(kid)"), "{refused:?}");
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    within("the new key", async {
        loop {
            ticks.tick().await;
            if ask(&server, &new, "private-org.7.x").await.status == 200 {
                return;
            }
        }
    })
    .await;
    assert_eq!(issuer.fetched(), 2);
    let refused = ask(&server, &old, "private-org.7.x").await;
    assert!(refused.status == 401 && refused.text.contains("(kid)"), "{refused:?}");
    // The issuer is away: what was withdrawn stays withdrawn.
    issuer.state.is_away.store(true, Ordering::SeqCst);
    assert_eq!(ask(&server, &new, "private-org.7.x").await.status, 200);
    assert_eq!(ask(&server, &old, "private-org.7.x").await.status, 401);
}

/// The same where no token of the new key comes: the first old one after a long time is not believed.
#[tokio::test]
async fn a_withdrawn_key_is_refused_once_the_keys_are_old() {
    let (issuer, server, old) = with_withdrawn_key().await;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    within("the refusal", async {
        loop {
            ticks.tick().await;
            let fetched = issuer.fetched();
            let status = ask(&server, &old, "private-org.7.x").await.status;
            assert!(fetched == 1 || status == 401, "not after the second fetch");
            if status == 401 {
                return;
            }
        }
    })
    .await;
    assert_eq!(issuer.fetched(), 2);
}
