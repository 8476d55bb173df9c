//! An app with an endpoint of its own, which counts what it is asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// What the app knows of itself.
pub(super) struct AskedApp {
    pub(super) address: SocketAddr,
    state: Arc<AppState>,
}

struct AppState {
    asked: AtomicUsize,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    /// Each answer takes one permit.
    answers: Semaphore,
}

impl AskedApp {
    /// Answers at once.
    pub(super) async fn start() -> Self {
        let app = Self::holding().await;
        app.release();
        app
    }

    /// Answers nothing until it is released.
    pub(super) async fn holding() -> Self {
        let state = Arc::new(AppState {
            asked: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            answers: Semaphore::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state }
    }

    pub(super) fn release(&self) {
        self.state.answers.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    pub(super) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    pub(super) fn under_way(&self) -> usize {
        self.state.under_way.load(Ordering::SeqCst)
    }

    pub(super) fn most_under_way(&self) -> usize {
        self.state.most_under_way.load(Ordering::SeqCst)
    }
}

/// Counts a question until it is answered or given up.
struct UnderWay(Arc<AppState>);

impl UnderWay {
    fn begin(app: &Arc<AppState>) -> Self {
        let under_way = app.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        app.most_under_way.fetch_max(under_way, Ordering::SeqCst);
        Self(app.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The session's cookie has what the app thinks of it: `session=permitted-7`, or a status.
async fn answer(State(app): State<Arc<AppState>>, headers: HeaderMap, body: Bytes) -> Response {
    app.asked.fetch_add(1, Ordering::SeqCst);
    let under_way = UnderWay::begin(&app);
    app.answers.acquire().await.unwrap().forget();
    drop(under_way);
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let session = text(header::COOKIE).unwrap_or_default().trim_start_matches("session=");
    let fields: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).unwrap().1.clone();
    let (socket, channel) = (field("socket_id"), field("channel_name"));
    match session.split_once('-') {
        Some(("permitted", user)) => {
            let data = format!(r#"{{"user_id":"{user}"}}"#);
            let auth = signed(&format!("{socket}:{channel}:{data}"));
            serde_json::json!({ "auth": auth, "channel_data": data }).to_string().into_response()
        }
        Some(("forged", _)) => r#"{"auth":"reverb-key:00"}"#.into_response(),
        Some(("headers", _)) => {
            let seen = ["accept", "x-csrf-token", "x-secret", "x-forwarded-for"];
            let seen = seen.map(|name| text(header::HeaderName::from_static(name)));
            (StatusCode::FORBIDDEN, format!("{seen:?}")).into_response()
        }
        Some(("302", _)) => (StatusCode::FOUND, [(header::LOCATION, "/login")]).into_response(),
        Some((status, _)) => status
            .parse::<u16>()
            .ok()
            .and_then(|status| StatusCode::from_u16(status).ok())
            .unwrap_or(StatusCode::FORBIDDEN)
            .into_response(),
        None => StatusCode::FORBIDDEN.into_response(),
    }
}

/// An `auth`, by an implementation of its own.
pub(super) fn signed(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"reverb-secret").unwrap();
    mac.update(text.as_bytes());
    format!("reverb-key:{}", hex::encode(mac.finalize().into_bytes()))
}
