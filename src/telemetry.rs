//! Traces of triggers for an OpenTelemetry collector: which are recorded, their spans, their export.
//!
//! Only signed requests make spans, so no peer without a secret can cause an export. Off, a trigger
//! costs one look at an `Option`. Where spans begin and end is left to [`http`](crate::http).
//!
//! By hand: the `opentelemetry` crates bring 17 packages and break their interface several times a year,
//! for what is three spans in a documented JSON format.

use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::metrics::Metrics;

mod exporter;
mod otlp;
mod trace_context;

use exporter::{Exporter, SpanQueue};
use otlp::{AttributeValue, Span, SpanKind};
use trace_context::{SpanId, TraceContext, TraceId};

/// Decides which triggers are traced, and queues their spans.
pub struct Telemetry {
    queue: Arc<SpanQueue>,
    /// Of all triggers whose caller decides nothing.
    sample_ratio: f64,
}

/// The trace of one request, while it is served.
pub struct TriggerTrace {
    telemetry: Arc<Telemetry>,
    trace: TraceId,
    id: SpanId,
    parent: Option<SpanId>,
    start: SystemTime,
    signed: Mutex<Option<SignedPart>>,
}

/// What is known of a request once its signature is checked.
struct SignedPart {
    app: String,
    /// Channels of all its events; an event of three channels counts three times.
    channels: u64,
    spans: Vec<Span>,
}

/// A part of a trigger that is under way.
pub struct StepTimer<'a> {
    trace: &'a TriggerTrace,
    start: SystemTime,
}

/// What a part of a trigger does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerStep {
    /// Queueing the frames for the sockets of this node.
    Delivery {
        /// Channels of all events.
        channels: usize,
        /// Sockets that get a frame; `None` in a cluster, where they get it once Redis has numbered it.
        subscribers: Option<usize>,
    },
    /// Waiting until Redis has the events.
    ClusterPublish {
        /// Whether Redis has them.
        is_published: bool,
    },
}

/// Starts the export; `None` if `telemetry.endpoint` is empty.
pub fn start(
    config: &Config,
    metrics: &Arc<Metrics>,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<Option<Arc<Telemetry>>> {
    let (config, targets) = (&config.telemetry, &config.calls);
    let Some(endpoint) = &config.endpoint else { return Ok(None) };
    let queue = Arc::new(SpanQueue::new(metrics.clone()));
    let exporter = Exporter::new(config, endpoint, targets, queue.clone(), metrics.clone())?;
    tasks.spawn(exporter.run());
    Ok(Some(Arc::new(Telemetry { queue, sample_ratio: config.sample_ratio })))
}

impl Telemetry {
    /// The trace of a request with this `traceparent` field. The caller's decision counts, whether to
    /// record or not; a request without a valid field is sampled.
    pub fn begin(self: &Arc<Self>, traceparent: Option<&str>) -> Option<TriggerTrace> {
        let context = traceparent.and_then(TraceContext::parse);
        let is_sampled = match context {
            Some(context) => context.is_sampled,
            None => rand::random::<f64>() < self.sample_ratio,
        };
        is_sampled.then(|| TriggerTrace {
            telemetry: self.clone(),
            trace: context.map_or_else(new_trace_id, |context| context.trace),
            id: new_span_id(),
            parent: context.map(|context| context.caller),
            start: SystemTime::now(),
            signed: Mutex::new(None),
        })
    }
}

impl TriggerTrace {
    /// The signature is valid: from here on the request is worth a trace.
    pub fn signed_for(&self, app: &str) {
        let app = app.to_owned();
        *self.signed.lock() = Some(SignedPart { app, channels: 0, spans: Vec::new() });
    }

    /// A part of the request begins.
    pub fn begin_step(&self) -> StepTimer<'_> {
        StepTimer { trace: self, start: SystemTime::now() }
    }

    fn add(&self, step: TriggerStep, start: SystemTime) {
        use AttributeValue::{Number, Text};
        let (name, kind, attributes, is_error) = match step {
            TriggerStep::Delivery { subscribers, .. } => {
                let subscribers =
                    subscribers.map(|count| ("resound.subscribers", Number(count as u64)));
                ("deliver to shards", SpanKind::Internal, subscribers.into_iter().collect(), false)
            }
            TriggerStep::ClusterPublish { is_published } => {
                let system = ("db.system.name", Text("redis".to_owned()));
                ("publish to cluster", SpanKind::Client, vec![system], !is_published)
            }
        };
        let (trace, parent, end) = (self.trace, Some(self.id), SystemTime::now());
        let (id, name) = (new_span_id(), name.to_owned());
        let span = Span { trace, id, parent, kind, name, start, end, attributes, is_error };
        if let Some(signed) = &mut *self.signed.lock() {
            if let TriggerStep::Delivery { channels, .. } = step {
                signed.channels = channels as u64;
            }
            signed.spans.push(span);
        }
    }

    /// The request is answered. Without a valid signature nothing of it is kept.
    pub fn end(&self, route: &str, status: u16) {
        use AttributeValue::{Number, Text};
        let Some(SignedPart { app, channels, mut spans }) = self.signed.lock().take() else {
            return;
        };
        spans.push(Span {
            trace: self.trace,
            id: self.id,
            parent: self.parent,
            kind: SpanKind::Server,
            name: format!("POST {route}"),
            start: self.start,
            end: SystemTime::now(),
            attributes: vec![
                ("http.request.method", Text("POST".to_owned())),
                ("http.route", Text(route.to_owned())),
                ("http.response.status_code", Number(status.into())),
                ("resound.app", Text(app)),
                ("resound.channels", Number(channels)),
            ],
            is_error: status >= 500,
        });
        self.telemetry.queue.push(spans);
    }
}

impl StepTimer<'_> {
    /// The part is done.
    pub fn end(self, step: TriggerStep) {
        self.trace.add(step, self.start);
    }
}

/// Zero is no id.
fn new_trace_id() -> TraceId {
    TraceId(rand::random_range(1..=u128::MAX))
}

fn new_span_id() -> SpanId {
    SpanId(rand::random_range(1..=u64::MAX))
}
