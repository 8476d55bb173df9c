//! A node in memory behind its two HTTP APIs, with a few sockets, and how a request of any bytes is sent to it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes as BodyBytes};
use axum::http::{HeaderMap, Request, StatusCode};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use resound::config::{Config, ConfigFile, Sources};
use resound::http::Api;
use resound::hub::Shard;
use resound::internal::{Entrance, InternalApi, OwnServer};
use resound::metrics::Metrics;
use resound::node::{Arrival, ConnectionPermit, Node, Socket};
use resound::protocol::ClientLibrary;
use resound::webhook::Webhooks;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use crate::fixture;
use crate::received::{Memory, Wire};

/// Texts that no answer may have.
pub(crate) const SECRET: &str = "q7Zx-secret-9Jw";
pub(crate) const TOKEN: &str = "full-token-5kQ-and-more";
pub(crate) const READ_TOKEN: &str = "read-token-8pR-and-more";

const FILE: &str = r#"
[[apps]]
id = "1"
key = "key"
secret = "q7Zx-secret-9Jw"
[internal]
listen = ["127.0.0.1:9"]
token = "full-token-5kQ-and-more"
read_only_token = "read-token-8pR-and-more"
payloads = "masked"
[http]
max_body_bytes = 20000
[record]
enabled = true
events = 100
"#;

const CHANNELS: [&str; 3] = ["news", "private-encrypted-cache-x", "cache-y"];

/// What is waited for an answer: there is no network, and nothing is to be waited for.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// An answer, as far as it is looked at.
#[derive(Debug)]
pub(crate) struct SiteAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Empty for a stream, which has no end.
    pub(crate) body: BodyBytes,
}

pub(crate) struct Site {
    pub(crate) node: Arc<Node>,
    pub(crate) http: Router,
    internal: Arc<InternalApi>,
    shards: RefCell<Vec<Shard>>,
    runtime: Runtime,
    _sockets: Vec<Socket>,
}

thread_local! {
    static KEPT: RefCell<Option<Site>> = const { RefCell::new(None) };
}

impl Site {
    /// One that is as new.
    pub(crate) fn fresh() -> Self {
        KEPT.take().unwrap_or_else(Self::new)
    }

    /// Keeps it for the next input: to be called if a request has changed nothing. To make one takes as long as some
    /// twenty requests.
    pub(crate) fn keep(self) {
        KEPT.set(Some(self));
    }

    fn new() -> Self {
        static CONFIG: LazyLock<Config> = LazyLock::new(|| {
            let file = ConfigFile { name: "site.toml".to_owned(), text: FILE.to_owned() };
            Config::new(&Sources { file: Some(file), ..Sources::default() })
                .expect("a valid configuration")
        });
        let metrics = Arc::new(Metrics::default());
        let (inboxes, shards) = fixture::shards(&metrics, usize::MAX);
        let cache = fixture::cache(Duration::from_secs(60));
        let node = Node::new(&CONFIG.apps, &inboxes, cache, metrics.clone(), &HashMap::new());
        let node = Arc::new(node);
        let api = Arc::new(Api::new(node.clone(), "".into(), CONFIG.http));
        let http = resound::http::router(&api);
        let internal = Arc::new(InternalApi::new(node.clone(), &CONFIG));
        let webhooks = Webhooks::new(&CONFIG, metrics, node.observation().clone());
        let (prefix, webhooks) = ("".into(), Arc::new(webhooks));
        internal.set_own_server(OwnServer {
            http_api: http.clone(),
            prefix,
            hostname: None,
            sockets: None,
            webhooks,
        });
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let sockets = (0..3).map(|at| socket(&node, CHANNELS[at])).collect();
        let site =
            Self { node, http, internal, shards: RefCell::new(shards), runtime, _sockets: sockets };
        site.settle();
        site
    }

    /// The answer to a request.
    pub(crate) fn ask(&self, router: &Router, request: Request<Body>) -> SiteAnswer {
        let router = router.clone();
        let answer = self.runtime.block_on(async {
            let answered = async {
                let Ok(answer) = router.oneshot(request).await;
                let (parts, body) = answer.into_parts();
                let is_stream = parts.headers.get("content-type").is_some_and(|kind| {
                    ["text/event-stream", "application/x-ndjson"]
                        .iter()
                        .any(|stream| kind.as_bytes().starts_with(stream.as_bytes()))
                });
                let body = match is_stream {
                    true => BodyBytes::new(),
                    false => body.collect().await.expect("a whole body").to_bytes(),
                };
                SiteAnswer { status: parts.status, headers: parts.headers, body }
            };
            tokio::select! {
                answer = tokio::time::timeout(ANSWER_TIME, answered) => answer.expect("an answer"),
                // Some answers wait for the shards.
                never = self.turn() => match never {},
            }
        });
        self.settle();
        answer
    }

    /// The routes for those who come by this entrance.
    pub(crate) fn operators(&self, entrance: Entrance) -> Router {
        resound::internal::router(&self.internal, entrance)
    }

    async fn turn(&self) -> std::convert::Infallible {
        loop {
            self.settle();
            tokio::task::yield_now().await;
        }
    }

    fn settle(&self) {
        self.node.shards().settle(&mut self.shards.borrow_mut());
    }
}

/// A socket that is in a channel.
fn socket(node: &Node, channel: &str) -> Socket {
    let channels = node.channels_by_id("1").expect("the app");
    let permit = ConnectionPermit::acquire(&channels).now_or_never().unwrap().expect("no bound");
    let transport = Arc::new(Memory { wire: Arc::new(Wire::default()), reads_deflated: false });
    let (id, library) = (node.shards().new_socket_id(0), ClientLibrary::Other);
    let arrival = Arrival { permit, id, client: None, library, transport, answer: None };
    let now = Instant::now();
    let mut socket = Socket::open(arrival, now);
    let auth = channels.app();
    let auth = resound::protocol::signature::signed_channel(&auth, socket.id(), channel, None);
    let data = serde_json::json!({ "channel": channel, "auth": auth });
    socket.receive(
        &serde_json::json!({ "event": "pusher:subscribe", "data": data }).to_string(),
        now,
    );
    socket
}
