//! The task of one endpoint: collects events, sends them, and retries for Pusher's five minutes.
//!
//! Sends one call at a time, so an endpoint receives the events in order; the queue bounds those that
//! wait meanwhile. A call that was given up is sent again where an operator wants that, between two others or two
//! tries of one. How a call is made is left to `http_calls` and `job_queue`.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::app_webhooks::AppWebhooks;
use super::call::Call;
use super::call_bounds::CallBounds;
use super::endpoint_past::EndpointPast;
use super::failure::CallFailure;
use super::given_up::WantedCall;
use super::http_calls::HttpCalls;
use super::job_queue::JobQueue;
use super::past_calls::{CallContent, PastCall, milliseconds};
use super::queue::Queue;
use crate::app::{Webhook, WebhookTarget};
use crate::channel_rules::WebhookEvent;
use crate::metrics::{CallResult, Metrics};
use crate::observation::{Observation, OccurrenceKind, Outline, WebhookCall, What};

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

/// Why a call is made.
#[derive(Clone, Copy)]
enum Occasion<'a> {
    /// Its events are new, or it failed before.
    Due,
    /// It was given up under this number, and an operator has it sent again.
    Resent(&'a str),
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
        bounds: &CallBounds,
        metrics: Arc<Metrics>,
        ending: CancellationToken,
    ) -> anyhow::Result<Self> {
        let transport = match &webhook.target {
            WebhookTarget::Http { headers } => {
                Transport::Http(HttpCalls::new(app_id, &webhook.url, headers, bounds)?)
            }
            WebhookTarget::LaravelQueue(queue) => {
                Transport::LaravelQueue(Box::new(JobQueue::new(app_id, queue, bounds.limits)?))
            }
        };
        let (app_id, webhook) = (app_id.to_owned(), webhook.clone());
        let (retry, observation) = (bounds.limits.retry_for, Arc::default());
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
        past: Arc<EndpointPast>,
    ) {
        let metrics = self.metrics.clone();
        loop {
            let event = tokio::select! {
                wanted = past.given_up.wanted() => {
                    self.send_again(wanted, &app, &past).await;
                    continue;
                }
                event = queue.next() => event,
            };
            let Some(event) = event else { return };
            let mut unsent = Unsent { events: vec![event], metrics: &metrics };
            if !self.webhook.batch_window.is_zero() {
                wait(&self.ending, self.webhook.batch_window).await;
            }
            // Jobs are one per event in any case, so events that wait already share a round trip.
            if !self.webhook.batch_window.is_zero() || self.makes_jobs() {
                unsent.events.extend(queue.take(BATCH_EVENTS_MAX - 1));
            }
            self.call(unsent, &app, &past).await;
        }
    }

    fn makes_jobs(&self) -> bool {
        matches!(self.transport, Transport::LaravelQueue(_))
    }

    async fn call(&mut self, unsent: Unsent<'_>, app: &AppWebhooks, past: &EndpointPast) {
        let (since, mut delay, mut tries) = (Instant::now(), RETRY_FIRST, 0);
        let (call, content) =
            (self.transport.prepare(&unsent.events), CallContent::of(&unsent.events));
        loop {
            tries += 1;
            let made = self.make(&call, &content, Occasion::Due, app, past).await;
            let Err(failure) = made else {
                unsent.sent();
                return;
            };
            let (app_id, url, cause) = (&self.app_id, &self.webhook.url, &failure.cause);
            // Between half of the wait and all of it: retries of endpoints that failed
            // together are spread.
            let jittered = delay.mul_f64(rand::random_range(0.5..=1.0));
            if since.elapsed() + jittered > self.retry {
                let lost = unsent.events.len();
                tracing::warn!(
                    app = app_id,
                    url,
                    lost,
                    failure = cause,
                    "webhook events are lost: correct what the failure names, or raise webhooks.retry_for_seconds"
                );
                let bytes = call.bytes();
                past.given_up.keep(call, bytes, tries, content, &failure);
                return;
            }
            tracing::warn!(app = app_id, url, failure = cause, retry_in = ?jittered, "webhook failed");
            let ending = self.ending.clone();
            let waiting = wait(&ending, jittered);
            let mut retry = pin!(past.calls.until_retry(Instant::now() + jittered, waiting));
            loop {
                tokio::select! {
                    () = &mut retry => break,
                    wanted = past.given_up.wanted() => self.send_again(wanted, app, past).await,
                }
            }
            delay = (delay * 2).min(RETRY_LONGEST);
        }
    }

    /// Makes a call that was given up once more, without a retry: the operator who wants it sees what came of it.
    async fn send_again(
        &mut self,
        mut wanted: WantedCall<Call>,
        app: &AppWebhooks,
        past: &EndpointPast,
    ) {
        self.transport.renew(&mut wanted.call);
        let occasion = Occasion::Resent(&wanted.batch);
        let made = self.make(&wanted.call, &wanted.content, occasion, app, past).await;
        if made.is_ok() {
            self.metrics.webhooks.taken_again(wanted.content.events as u64);
        }
        past.given_up.ended(wanted, made.err().as_ref());
    }

    /// Makes a call, counts it and shows it.
    async fn make(
        &mut self,
        call: &Call,
        content: &CallContent,
        occasion: Occasion<'_>,
        app: &AppWebhooks,
        past: &EndpointPast,
    ) -> Result<(), CallFailure> {
        let called = Instant::now();
        let answer = self.transport.send(call, occasion, app).await;
        let took = called.elapsed();
        let result = answer.as_ref().err().map_or(CallResult::Taken, |failure| failure.result);
        self.metrics.webhooks.called(&self.app_id, past.place(), result, took);
        let is_resent = matches!(occasion, Occasion::Resent(_));
        let outline = Outline { app: Some(&self.app_id), ..Outline::of(OccurrenceKind::Webhook) };
        self.observation.record(&outline, || {
            let (url, events, result) = (self.webhook.url.clone(), content.events, result.label());
            What::Webhook(WebhookCall {
                url,
                events,
                result,
                took_ms: milliseconds(took),
                is_resent,
            })
        });
        let shown = PastCall::new(took, answer.as_ref().err(), content.clone());
        past.calls.push(if is_resent { shown.resent() } else { shown });
        answer
    }
}

/// Waits, for [`RETRY_AT_THE_END`] at most once the process ends.
async fn wait(ending: &CancellationToken, time: Duration) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = ending.cancelled() => tokio::time::sleep(time.min(RETRY_AT_THE_END)).await,
    }
}

impl Transport {
    fn prepare(&mut self, events: &[WebhookEvent]) -> Call {
        match self {
            Self::Http(_) => Call::Body(HttpCalls::body(events)),
            Self::LaravelQueue(queue) => Call::Jobs(queue.batch(events)),
        }
    }

    /// Prepares a call that was given up for being sent again, with the same body or jobs.
    fn renew(&mut self, call: &mut Call) {
        if let (Self::LaravelQueue(queue), Call::Jobs(batch)) = (self, call) {
            queue.renumber(batch);
        }
    }

    async fn send(
        &mut self,
        call: &Call,
        occasion: Occasion<'_>,
        app: &AppWebhooks,
    ) -> Result<(), CallFailure> {
        match (self, call, occasion) {
            (Self::Http(calls), Call::Body(body), Occasion::Due) => calls.post(body, app).await,
            (Self::Http(calls), Call::Body(body), Occasion::Resent(batch)) => {
                calls.post_again(body, batch, app).await
            }
            (Self::LaravelQueue(queue), Call::Jobs(batch), _) => queue.push(batch).await,
            (Self::Http(_), Call::Jobs(_), _) | (Self::LaravelQueue(_), Call::Body(_), _) => {
                unreachable!("an endpoint sends what it prepared")
            }
        }
    }
}
