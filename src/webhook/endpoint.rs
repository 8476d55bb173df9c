//! The task of one endpoint: collects events, sends them, and retries for Pusher's five minutes.
//!
//! Sends one call at a time, so an endpoint receives the events in order; the queue bounds those that
//! wait meanwhile. How a call is made is left to `http_calls` and `job_queue`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::app_webhooks::AppWebhooks;
use super::failure::CallFailure;
use super::http_calls::HttpCalls;
use super::job_queue::{JobBatch, JobQueue};
use super::past_calls::{PastCall, PastCalls};
use super::queue::Queue;
use crate::app::{Webhook, WebhookTarget};
use crate::channel_rules::WebhookEvent;
use crate::config::WebhooksConfig;
use crate::metrics::{CallResult, Metrics};
use crate::observation::{Observation, OccurrenceKind, WebhookCall, What};

/// Events of one call, where events are collected.
const BATCH_EVENTS_MAX: usize = 100;

/// The wait before the first retry; it doubles up to the longest.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);

/// The wait before a retry while the process ends, which leaves it a few of them.
const RETRY_AT_THE_END: Duration = Duration::from_millis(200);

/// One webhook of one app.
pub(super) struct Endpoint {
    app_id: String,
    webhook: Webhook,
    transport: Transport,
    retry: Duration,
    metrics: Arc<Metrics>,
    observation: Arc<Observation>,
    /// Cancelled when the process ends: from then on nothing is gathered, and retries come soon.
    ending: CancellationToken,
}

/// How its events are sent.
enum Transport {
    Http(HttpCalls),
    LaravelQueue(Box<JobQueue>),
}

/// What a call sends; the same again with each retry.
enum Call {
    Body(Vec<u8>),
    Jobs(JobBatch),
}

/// The events of one call. Those that it still has when it is dropped are lost: the call was given up, or the
/// process ends.
struct Unsent<'a> {
    events: Vec<WebhookEvent>,
    metrics: &'a Metrics,
}

impl Unsent<'_> {
    fn sent(mut self) {
        self.metrics.webhooks.events_sent.inc_by(self.events.drain(..).len() as u64);
    }
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        self.metrics.webhooks.events_lost.inc_by(self.events.len() as u64);
    }
}

impl Endpoint {
    /// Prepares the client or the connection; opens none.
    pub(super) fn new(
        app_id: &str,
        webhook: &Webhook,
        limits: WebhooksConfig,
        metrics: Arc<Metrics>,
        ending: CancellationToken,
    ) -> anyhow::Result<Self> {
        let transport = match &webhook.target {
            WebhookTarget::Http { headers } => {
                Transport::Http(HttpCalls::new(app_id, &webhook.url, headers, limits)?)
            }
            WebhookTarget::LaravelQueue(queue) => {
                Transport::LaravelQueue(Box::new(JobQueue::new(app_id, queue, limits)?))
            }
        };
        let (app_id, webhook) = (app_id.to_owned(), webhook.clone());
        let (retry, observation) = (limits.retry_for, Arc::default());
        Ok(Self { app_id, webhook, transport, retry, metrics, observation, ending })
    }

    /// The same, with its calls shown to those who look.
    pub(super) fn shown_to(self, observation: Arc<Observation>) -> Self {
        Self { observation, ..self }
    }

    pub(super) fn webhook(&self) -> &Webhook {
        &self.webhook
    }

    /// Sends the events of `queue` until it is closed and empty, with the key and the secret that the
    /// app has at the time of each call.
    pub(super) async fn run(
        mut self: Box<Self>,
        queue: Arc<Queue<WebhookEvent>>,
        app: Arc<AppWebhooks>,
        calls: Arc<PastCalls>,
    ) {
        let metrics = self.metrics.clone();
        while let Some(event) = queue.next().await {
            let mut unsent = Unsent { events: vec![event], metrics: &metrics };
            if !self.webhook.batch_window.is_zero() {
                self.wait(self.webhook.batch_window).await;
            }
            // Jobs are one per event in any case, so events that wait already share a round trip.
            if !self.webhook.batch_window.is_zero() || self.makes_jobs() {
                unsent.events.extend(queue.take(BATCH_EVENTS_MAX - 1));
            }
            self.call(unsent, &app, &calls).await;
        }
    }

    fn makes_jobs(&self) -> bool {
        matches!(self.transport, Transport::LaravelQueue(_))
    }

    async fn call(&mut self, unsent: Unsent<'_>, app: &AppWebhooks, calls: &PastCalls) {
        let (since, mut wait) = (Instant::now(), RETRY_FIRST);
        let call = self.transport.prepare(&unsent.events);
        loop {
            let called = Instant::now();
            let answer = self.transport.send(&call, app).await;
            let result = answer.as_ref().err().map_or(CallResult::Taken, |failure| failure.result);
            self.metrics.webhooks.called(&self.app_id, result, called.elapsed());
            self.observation.record(OccurrenceKind::Webhook, || {
                let took_ms = u64::try_from(called.elapsed().as_millis()).unwrap_or(u64::MAX);
                let (url, events) = (self.webhook.url.clone(), unsent.events.len());
                let call = WebhookCall { url, events, result: result.label(), took_ms };
                (Some(self.app_id.clone()), What::Webhook(call))
            });
            calls.push(PastCall::new(called.elapsed(), answer.as_ref().err(), &unsent.events));
            let Err(CallFailure { cause, .. }) = answer else {
                unsent.sent();
                return;
            };
            let (app, url) = (&self.app_id, &self.webhook.url);
            // Between half of the wait and all of it: retries of endpoints that failed
            // together are spread.
            let jittered = wait.mul_f64(rand::random_range(0.5..=1.0));
            if since.elapsed() + jittered > self.retry {
                let lost = unsent.events.len();
                tracing::warn!(
                    app,
                    url,
                    lost,
                    failure = cause,
                    "webhook events are lost: correct what the failure names, or raise webhooks.retry_for_seconds"
                );
                return;
            }
            tracing::warn!(app, url, failure = cause, retry_in = ?jittered, "webhook failed");
            calls.until_retry(Instant::now() + jittered, self.wait(jittered)).await;
            wait = (wait * 2).min(RETRY_LONGEST);
        }
    }

    /// Waits, for [`RETRY_AT_THE_END`] at most once the process ends.
    async fn wait(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.ending.cancelled() => tokio::time::sleep(time.min(RETRY_AT_THE_END)).await,
        }
    }
}

impl Transport {
    fn prepare(&mut self, events: &[WebhookEvent]) -> Call {
        match self {
            Self::Http(_) => Call::Body(HttpCalls::body(events)),
            Self::LaravelQueue(queue) => Call::Jobs(queue.batch(events)),
        }
    }

    async fn send(&mut self, call: &Call, app: &AppWebhooks) -> Result<(), CallFailure> {
        match (self, call) {
            (Self::Http(calls), Call::Body(body)) => calls.post(body, app).await,
            (Self::LaravelQueue(queue), Call::Jobs(batch)) => queue.push(batch).await,
            (Self::Http(_), Call::Jobs(_)) | (Self::LaravelQueue(_), Call::Body(_)) => {
                unreachable!("an endpoint sends what it prepared")
            }
        }
    }
}
