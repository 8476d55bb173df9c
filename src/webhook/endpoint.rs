//! The task of one endpoint: collects events, signs and sends a call, and retries it for Pusher's five
//! minutes.
//!
//! Sends one call at a time, so an endpoint receives the events in order; the queue bounds those that
//! wait meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::app_webhooks::AppWebhooks;
use super::failure;
use super::queue::Queue;
use crate::app::Webhook;
use crate::channel_rules::WebhookEvent;
use crate::config::WebhooksConfig;
use crate::metrics::Metrics;
use crate::protocol::signature;

/// Events of one call, where events are collected.
const BATCH_EVENTS_MAX: usize = 100;

/// The wait before the first retry; it doubles up to the longest.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);

/// The wait before a retry while the process ends, which leaves it a few of them.
const RETRY_AT_THE_END: Duration = Duration::from_millis(200);

/// One webhook of one app, with its HTTP client.
pub(super) struct Endpoint {
    app_id: String,
    webhook: Webhook,
    retry: Duration,
    client: Client,
    metrics: Arc<Metrics>,
    /// Cancelled when the process ends: from then on nothing is gathered, and retries come soon.
    ending: CancellationToken,
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
    /// Prepares the client: no redirects (a signed body goes where it was configured to go), no
    /// proxies from the environment, a bound on every step.
    pub(super) fn new(
        app_id: &str,
        webhook: &Webhook,
        limits: WebhooksConfig,
        metrics: Arc<Metrics>,
        ending: CancellationToken,
    ) -> anyhow::Result<Self> {
        let url = reqwest::Url::parse(&webhook.url)
            .with_context(|| format!("the webhook {:?} of app {app_id} is no URL", webhook.url))?;
        // The first caller in the process wins, and every caller brings the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .default_headers(headers(webhook)?)
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(limits.connect_timeout)
            .timeout(limits.request_timeout);
        if url.scheme() == "http" {
            // Not even those of the machine, of which a small image may have none.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().with_context(|| {
            let url = &webhook.url;
            format!("cannot prepare the webhook {url}: are the certificates of authorities (package ca-certificates) installed?")
        })?;
        let (app_id, webhook) = (app_id.to_owned(), webhook.clone());
        Ok(Self { app_id, webhook, retry: limits.retry_for, client, metrics, ending })
    }

    pub(super) fn webhook(&self) -> &Webhook {
        &self.webhook
    }

    /// Sends the events of `queue` until it is closed and empty, with the key and the secret that the
    /// app has at the time of each call.
    pub(super) async fn run(
        self: Box<Self>,
        queue: Arc<Queue<WebhookEvent>>,
        app: Arc<AppWebhooks>,
    ) {
        while let Some(event) = queue.next().await {
            let mut unsent = Unsent { events: vec![event], metrics: &self.metrics };
            if !self.webhook.batch_window.is_zero() {
                self.wait(self.webhook.batch_window).await;
                unsent.events.extend(queue.take(BATCH_EVENTS_MAX - 1));
            }
            self.call(unsent, &app).await;
        }
    }

    async fn call(&self, unsent: Unsent<'_>, app: &AppWebhooks) {
        let (body, since, mut wait) = (body(&unsent.events), Instant::now(), RETRY_FIRST);
        let url = &self.webhook.url;
        loop {
            let called = Instant::now();
            let answer = self.post(&body, app).await;
            let result = failure::result_of(&answer);
            self.metrics.webhooks.called(&self.app_id, result, called.elapsed());
            let failure = match answer {
                Ok(status) if status.is_success() => {
                    unsent.sent();
                    return;
                }
                Ok(status) => failure::of_status(status),
                Err(error) => failure::of_error(error),
            };
            // Between half of the wait and all of it: retries of endpoints that failed
            // together are spread.
            let jittered = wait.mul_f64(rand::random_range(0.5..=1.0));
            if since.elapsed() + jittered > self.retry {
                let lost = unsent.events.len();
                tracing::warn!(app = self.app_id, url, lost, failure, "webhook events are lost");
                return;
            }
            tracing::warn!(app = self.app_id, url, failure, retry_in = ?jittered, "webhook failed");
            self.wait(jittered).await;
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

    async fn post(&self, body: &[u8], app: &AppWebhooks) -> reqwest::Result<StatusCode> {
        let request = {
            let app = app.app();
            let request = self.client.post(&self.webhook.url).header("X-Pusher-Key", &app.key);
            request.header("X-Pusher-Signature", signature::signed_body(&app, body))
        };
        Ok(request.body(body.to_vec()).send().await?.status())
    }
}

fn headers(webhook: &Webhook) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &webhook.headers {
        headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(headers)
}

/// The body of a call: exactly these bytes are signed.
fn body(events: &[WebhookEvent]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Call<'a> {
        time_ms: u64,
        events: &'a [WebhookEvent],
    }
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    serde_json::to_vec(&Call { time_ms, events }).expect("plain strings and numbers serialize")
}
