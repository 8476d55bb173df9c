//! Spans as OTLP/JSON: the body of `POST /v1/traces` of an OpenTelemetry collector.
//!
//! Pure. The format: numbers of 64 bits are texts, ids are hexadecimal, enums are numbers.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::trace_context::{SpanId, TraceId};

/// A part of a trace: what was done, and from when to when.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) kind: SpanKind,
    pub(super) name: String,
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
    pub(super) attributes: Vec<(&'static str, AttributeValue)>,
    /// A failure of this server or of what it needs; a refused request is none.
    pub(super) is_error: bool,
}

/// The relation of a span to other programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpanKind {
    /// Within this program.
    Internal = 1,
    /// A request that this program answers.
    Server = 2,
    /// A request to another program.
    Client = 3,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum AttributeValue {
    Text(String),
    Number(u64),
}

/// What identifies this process among all that send spans.
#[derive(Debug, Clone)]
pub(super) struct SpanResource {
    pub(super) service_name: String,
    /// Of this process; another one of the same service has another.
    pub(super) instance_id: String,
}

const STATUS_ERROR: u8 = 2;

/// The body of one export.
pub(super) fn body(resource: &SpanResource, spans: &[Span]) -> Vec<u8> {
    let text =
        |key: &'static str, text: &str| attribute(key, &AttributeValue::Text(text.to_owned()));
    let version = env!("CARGO_PKG_VERSION");
    let resource = json!({ "attributes": [
        text("service.name", &resource.service_name),
        text("service.version", version),
        text("service.instance.id", &resource.instance_id),
    ] });
    let scope = json!({ "name": "resound", "version": version });
    let spans: Vec<Value> = spans.iter().map(span).collect();
    let body = json!({ "resourceSpans": [
        { "resource": resource, "scopeSpans": [{ "scope": scope, "spans": spans }] }
    ] });
    body.to_string().into_bytes()
}

fn span(span: &Span) -> Value {
    let attributes = span.attributes.iter().map(|(key, value)| attribute(key, value));
    let attributes: Vec<Value> = attributes.collect();
    let mut json = json!({
        "traceId": span.trace.to_string(),
        "spanId": span.id.to_string(),
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": nanoseconds(span.start),
        "endTimeUnixNano": nanoseconds(span.end),
        "attributes": attributes,
    });
    if let Some(parent) = span.parent {
        json["parentSpanId"] = parent.to_string().into();
    }
    if span.is_error {
        json["status"] = json!({ "code": STATUS_ERROR });
    }
    json
}

fn attribute(key: &str, value: &AttributeValue) -> Value {
    let value = match value {
        AttributeValue::Text(text) => json!({ "stringValue": text }),
        AttributeValue::Number(number) => json!({ "intValue": number.to_string() }),
    };
    json!({ "key": key, "value": value })
}

fn nanoseconds(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{AttributeValue, Span, SpanId, SpanKind, SpanResource, TraceId, body};

    #[test]
    fn a_span_has_the_form_of_the_specification() {
        let span = Span {
            trace: TraceId(0x0af7),
            id: SpanId(7),
            parent: Some(SpanId(8)),
            kind: SpanKind::Server,
            name: "POST /apps/{app_id}/events".to_owned(),
            start: UNIX_EPOCH + Duration::new(1_764_000_000, 5),
            end: UNIX_EPOCH + Duration::new(1_764_000_001, 0),
            attributes: vec![
                ("resound.app", AttributeValue::Text("1".to_owned())),
                ("http.response.status_code", AttributeValue::Number(200)),
            ],
            is_error: true,
        };
        let root = Span { parent: None, is_error: false, attributes: Vec::new(), ..span.clone() };
        let resource =
            SpanResource { service_name: "resound".to_owned(), instance_id: "x".to_owned() };
        let body: serde_json::Value =
            serde_json::from_slice(&body(&resource, &[span, root])).unwrap();
        let of_resource = &body["resourceSpans"][0];
        let name = r#"{"key":"service.name","value":{"stringValue":"resound"}}"#;
        assert_eq!(of_resource["resource"]["attributes"][0].to_string(), name);
        let spans = &of_resource["scopeSpans"][0]["spans"];
        let expected = serde_json::json!({
            "traceId": "00000000000000000000000000000af7",
            "spanId": "0000000000000007",
            "parentSpanId": "0000000000000008",
            "name": "POST /apps/{app_id}/events",
            "kind": 2,
            "startTimeUnixNano": "1764000000000000005",
            "endTimeUnixNano": "1764000001000000000",
            "attributes": [
                { "key": "resound.app", "value": { "stringValue": "1" } },
                { "key": "http.response.status_code", "value": { "intValue": "200" } },
            ],
            "status": { "code": 2 },
        });
        assert_eq!(spans[0], expected);
        assert_eq!((spans[1].get("parentSpanId"), spans[1].get("status")), (None, None));
    }
}
