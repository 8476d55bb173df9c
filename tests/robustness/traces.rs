//! Traces of triggers: which are recorded, what their spans say, and what a collector that is gone costs.

use serde_json::Value;

use crate::bystander::Bystander;
use crate::harness::collector::{Collector, attribute};
use crate::harness::server::REVERB_APP;
use crate::harness::{TestServer, eventually};
use crate::requests::{EVENT, EVENTS, ask, content_length, request, signed};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

async fn start(endpoint: &str, more: &str) -> TestServer {
    TestServer::with(&format!("{REVERB_APP}[telemetry]\nendpoint = \"{endpoint}\"\n{more}")).await
}

/// A trigger with a `traceparent` of these flags, or without.
async fn trigger(server: &TestServer, target: &str, flags: Option<&str>, body: &str) -> u16 {
    let traceparent = flags
        .map_or_else(String::new, |flags| format!("traceparent: 00-{TRACE}-{CALLER}-{flags}\r\n"));
    let fields = content_length(body) + &traceparent;
    ask(server, request("POST", target, &fields, body)).await.status
}

fn span<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    let found = spans.iter().find(|span| span["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {spans:?}"))
}

#[tokio::test]
async fn a_trigger_belongs_to_the_trace_of_its_caller() {
    let mut collector = Collector::start().await;
    let endpoint = format!("http://{}/", collector.address);
    let more = "service_name = \"orders\"\nsample_ratio = 0\n\
                headers = [\"authorization=Bearer%20token\"]\n";
    let server = start(&endpoint, more).await;
    let mut socket = server.connect().await;
    socket.subscribe("channel").await;
    // Not recorded: the caller does not, no caller and no share, no signature.
    let target = |body: &str| signed(&server, "POST", EVENTS, body);
    assert_eq!(trigger(&server, &target(EVENT), Some("00"), EVENT).await, 200);
    assert_eq!(trigger(&server, &target(EVENT), None, EVENT).await, 200);
    assert_eq!(trigger(&server, EVENTS, Some("01"), EVENT).await, 401);
    assert_eq!(trigger(&server, &target(EVENT), Some("01"), EVENT).await, 200);

    let (headers, resource, spans) = collector.call().await;
    assert_eq!(headers["authorization"], "Bearer token");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(attribute(&resource, "service.name")["stringValue"], "orders");
    assert_eq!(spans.len(), 2, "{spans:?}");
    let request = span(&spans, "POST /apps/{app_id}/events");
    assert_eq!((&request["traceId"], &request["parentSpanId"]), (&TRACE.into(), &CALLER.into()));
    assert_eq!(request["kind"], 2);
    assert_eq!(attribute(request, "http.response.status_code")["intValue"], "200");
    assert_eq!(attribute(request, "http.route")["stringValue"], "/apps/{app_id}/events");
    assert_eq!(attribute(request, "resound.app")["stringValue"], "123456");
    assert_eq!(attribute(request, "resound.channels")["intValue"], "1");
    let delivery = span(&spans, "deliver to shards");
    assert_eq!(
        (&delivery["traceId"], &delivery["parentSpanId"]),
        (&TRACE.into(), &request["spanId"])
    );
    assert_eq!(attribute(delivery, "resound.subscribers")["intValue"], "1");
    let exported = || server.metric("resound_trace_spans_exported_total");
    eventually("the answer to be counted", async || exported() == 2.0).await;
}

#[tokio::test]
async fn without_a_caller_a_trigger_begins_a_trace_and_a_refusal_has_its_status() {
    let mut collector = Collector::start().await;
    let server = start(&format!("http://{}/v1/traces", collector.address), "").await;
    let body = r#"{"name":"","channels":["channel"],"data":"{}"}"#;
    let target = signed(&server, "POST", EVENTS, body);
    assert_eq!(trigger(&server, &target, None, body).await, 400);
    let (_, _, spans) = collector.call().await;
    let [request] = &spans[..] else { panic!("nothing was delivered: {spans:?}") };
    assert_eq!(request.get("parentSpanId"), None);
    assert_eq!(attribute(request, "http.response.status_code")["intValue"], "400");
    assert_eq!(request.get("status"), None, "a refusal is no failure of the server");
}

#[tokio::test]
async fn a_collector_that_is_gone_costs_spans_and_nothing_else() {
    let server = start("http://127.0.0.1:9", "").await;
    let mut bystander = Bystander::at(server.address).await;
    let dropped = || server.metric("resound_trace_spans_dropped_total");
    eventually("spans to be dropped", async || dropped() >= 2.0).await;
    bystander.is_served().await;
    assert_eq!(server.metric("resound_trace_spans_exported_total"), 0.0);
}
