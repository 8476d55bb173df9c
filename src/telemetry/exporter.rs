//! Sends spans to the collector: a bounded queue, a batch a second, one call at a time.
//!
//! No request ever waits for it. Spans that find the queue full, and those of a call that failed, are
//! dropped and counted: traces are a sample, and a late one has no use.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use parking_lot::Mutex;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::sync::Notify;

use super::otlp::{self, Span, SpanResource};
use crate::call_targets::CallTargets;
use crate::config::TelemetryConfig;
use crate::http_client::http_client;
use crate::metrics::Metrics;
use crate::network_fault::NetworkFault;

/// Spans that wait, of about 500 bytes each: 2 MB.
const QUEUE_SPANS: usize = 4096;

/// Spans of one call: a body of 256 KB.
const BATCH_SPANS: usize = 512;

/// How long spans are collected for a call.
const BATCH_WINDOW: Duration = Duration::from_secs(1);

/// For a whole call: a collector queues and answers.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The spans that wait for the collector.
pub(super) struct SpanQueue {
    waiting: Mutex<Vec<Span>>,
    filled: Notify,
    metrics: Arc<Metrics>,
}

impl SpanQueue {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { waiting: Mutex::default(), filled: Notify::new(), metrics }
    }

    /// Queues the spans of one trigger; drops and counts them if there is no room.
    pub(super) fn push(&self, spans: Vec<Span>) {
        let mut waiting = self.waiting.lock();
        if waiting.len() + spans.len() > QUEUE_SPANS {
            drop(waiting);
            self.metrics.telemetry.trace_spans_dropped.inc_by(spans.len() as u64);
            return;
        }
        waiting.extend(spans);
        drop(waiting);
        self.filled.notify_one();
    }

    fn take(&self) -> Vec<Span> {
        let mut waiting = self.waiting.lock();
        let count = waiting.len().min(BATCH_SPANS);
        waiting.drain(..count).collect()
    }
}

/// The task that sends.
pub(super) struct Exporter {
    queue: Arc<SpanQueue>,
    client: reqwest::Client,
    url: String,
    resource: SpanResource,
    metrics: Arc<Metrics>,
}

impl Exporter {
    /// Prepares the client.
    pub(super) fn new(
        config: &TelemetryConfig,
        endpoint: &str,
        targets: &CallTargets,
        queue: Arc<SpanQueue>,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            headers.insert(name.clone(), value.clone());
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let url = reqwest::Url::parse(endpoint).context("telemetry.endpoint is no URL")?;
        let builder =
            http_client(&url, targets, CALL_TIMEOUT, CALL_TIMEOUT).context("telemetry.endpoint")?;
        let client = builder.default_headers(headers).build().context("cannot prepare telemetry.endpoint: are the certificates of authorities (package ca-certificates) installed?")?;
        let resource = SpanResource {
            service_name: config.service_name.clone(),
            instance_id: format!("{:016x}", rand::random::<u64>()),
        };
        Ok(Self { queue, client, url: endpoint.to_owned(), resource, metrics })
    }

    /// Sends for as long as the process runs.
    pub(super) async fn run(self) {
        loop {
            self.queue.filled.notified().await;
            tokio::time::sleep(BATCH_WINDOW).await;
            loop {
                let spans = self.queue.take();
                if spans.is_empty() {
                    break;
                }
                self.send(&spans).await;
            }
        }
    }

    async fn send(&self, spans: &[Span]) {
        let body = otlp::body(&self.resource, spans);
        let cause = match self.client.post(&self.url).body(body).send().await {
            Ok(answer) if answer.status().is_success() => {
                self.metrics.telemetry.trace_spans_exported.inc_by(spans.len() as u64);
                return;
            }
            Ok(answer) => format!("it answered {}", answer.status()),
            Err(error) if error.is_timeout() => "no answer came in time".to_owned(),
            Err(error) => match NetworkFault::of(&error) {
                Some(fault) => fault.to_string(),
                None => error.without_url().to_string(),
            },
        };
        let lost = spans.len() as u64;
        self.metrics.telemetry.trace_spans_dropped.inc_by(lost);
        tracing::warn!(
            endpoint = self.url,
            cause,
            lost,
            "traces cannot be exported: correct telemetry.endpoint (OTEL_EXPORTER_OTLP_ENDPOINT), which takes OTLP over HTTP, on port 4318 as a rule"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    use super::{BATCH_SPANS, Metrics, QUEUE_SPANS, Span, SpanQueue};
    use crate::telemetry::otlp::SpanKind;
    use crate::telemetry::trace_context::{SpanId, TraceId};

    #[test]
    fn a_full_queue_drops_and_counts() {
        let metrics = Arc::new(Metrics::default());
        let queue = SpanQueue::new(metrics.clone());
        let span = Span {
            trace: TraceId(1),
            id: SpanId(1),
            parent: None,
            kind: SpanKind::Internal,
            name: String::new(),
            start: UNIX_EPOCH,
            end: UNIX_EPOCH,
            attributes: Vec::new(),
            is_error: false,
        };
        queue.push(vec![span.clone(); QUEUE_SPANS]);
        queue.push(vec![span; 2]);
        assert_eq!(metrics.telemetry.trace_spans_dropped.get(), 2);
        assert_eq!(queue.take().len(), BATCH_SPANS);
    }
}
