//! An OpenTelemetry collector that keeps what it is sent, and checks its form.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::within;

/// A collector at `/v1/traces`, until it is dropped.
pub struct Collector {
    pub address: SocketAddr,
    calls: UnboundedReceiver<(HeaderMap, Bytes)>,
    serving: JoinHandle<()>,
}

type Calls = UnboundedSender<(HeaderMap, Bytes)>;

async fn take(State(calls): State<Calls>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let _ = calls.send((headers, body));
    StatusCode::OK
}

impl Collector {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (taken, calls) = unbounded_channel();
        let router = Router::new().route("/v1/traces", post(take)).with_state(taken);
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { address, calls, serving }
    }

    /// The header of the next call, its resource and its spans.
    pub async fn call(&mut self) -> (HeaderMap, Value, Vec<Value>) {
        let (headers, body) = within("an export", self.calls.recv()).await.unwrap();
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        check_keys(&body, &["resourceSpans"]);
        let [of_resource] = list(&body["resourceSpans"]) else { panic!("one resource: {body}") };
        check_keys(of_resource, &["resource", "scopeSpans"]);
        check_keys(&of_resource["resource"], &["attributes"]);
        list(&of_resource["resource"]["attributes"]).iter().for_each(check_attribute);
        let [of_scope] = list(&of_resource["scopeSpans"]) else { panic!("one scope: {body}") };
        check_keys(of_scope, &["scope", "spans"]);
        check_keys(&of_scope["scope"], &["name", "version"]);
        let spans = list(&of_scope["spans"]).to_vec();
        spans.iter().for_each(check_span);
        (headers, of_resource["resource"].clone(), spans)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A field of a list of attributes.
pub fn attribute<'a>(of: &'a Value, key: &str) -> &'a Value {
    let found = list(&of["attributes"]).iter().find(|attribute| attribute["key"] == key);
    &found.unwrap_or_else(|| panic!("no {key} in {of}"))["value"]
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

/// The message has these fields of its schema and no other.
fn check_keys(message: &Value, known: &[&str]) {
    let fields = message.as_object().unwrap_or_else(|| panic!("no message: {message}"));
    for name in fields.keys() {
        assert!(known.contains(&name.as_str()), "{name} is no field here: {message}");
    }
}

fn check_attribute(attribute: &Value) {
    check_keys(attribute, &["key", "value"]);
    assert!(attribute["key"].is_string());
    let value = attribute["value"].as_object().unwrap();
    assert_eq!(value.len(), 1, "one type: {attribute}");
    match value.iter().next().unwrap() {
        (kind, Value::String(_)) if kind == "stringValue" => {}
        // A number of 64 bits is a text in the JSON form of protocol buffers.
        (kind, Value::String(number)) if kind == "intValue" => {
            number.parse::<i64>().expect("a number");
        }
        other => panic!("{other:?}"),
    }
}

/// `Span` of `opentelemetry/proto/trace/v1/trace.proto`, in the form that OTLP/HTTP has for JSON.
fn check_span(span: &Value) {
    check_keys(
        span,
        &[
            "traceId",
            "spanId",
            "parentSpanId",
            "name",
            "kind",
            "startTimeUnixNano",
            "endTimeUnixNano",
            "attributes",
            "status",
        ],
    );
    let is_id = |field: &str, digits: usize| {
        let id = span[field].as_str().unwrap_or_default();
        id.len() == digits && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    assert!(is_id("traceId", 32) && is_id("spanId", 16), "{span}");
    assert!(span.get("parentSpanId").is_none() || is_id("parentSpanId", 16), "{span}");
    assert!((1..=5).contains(&span["kind"].as_u64().unwrap()), "{span}");
    let time = |field: &str| span[field].as_str().unwrap().parse::<u64>().unwrap();
    assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"), "{span}");
    list(&span["attributes"]).iter().for_each(check_attribute);
    if let Some(status) = span.get("status") {
        check_keys(status, &["code"]);
        assert_eq!(status["code"], 2, "{span}");
    }
}
