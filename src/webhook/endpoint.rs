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

use super::failure;
use super::queue::Queue;
use crate::app::{App, Webhook};
use crate::channel_rules::WebhookEvent;
use crate::config::WebhooksConfig;
use crate::metrics::Metrics;
use crate::protocol::signature;

/// Events of one call, where events are collected.
const BATCH_EVENTS_MAX: usize = 100;

/// The wait before the first retry; it doubles up to the longest.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);

/// One webhook of one app, with its HTTP client.
pub(super) struct Endpoint {
    app: Arc<App>,
    webhook: Webhook,
    retry: Duration,
    client: Client,
    metrics: Arc<Metrics>,
}

impl Endpoint {
    /// Prepares the client: no redirects (a signed body goes where it was configured to go), no
    /// proxies from the environment, a bound on every step.
    pub(super) fn new(
        app: Arc<App>,
        webhook: Webhook,
        limits: WebhooksConfig,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let url = reqwest::Url::parse(&webhook.url).with_context(|| {
            format!("the webhook {:?} of app {} is no URL", webhook.url, app.id)
        })?;
        // The first caller in the process wins, and every caller brings the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .default_headers(headers(&app, &webhook)?)
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
        Ok(Self { app, webhook, retry: limits.retry_for, client, metrics })
    }

    /// Sends the events of `queue`, for as long as the process runs.
    pub(super) async fn run(self, queue: Arc<Queue<WebhookEvent>>) {
        loop {
            let mut events = vec![queue.next().await];
            if !self.webhook.batch_window.is_zero() {
                tokio::time::sleep(self.webhook.batch_window).await;
                events.extend(queue.take(BATCH_EVENTS_MAX - 1));
            }
            self.call(&events).await;
        }
    }

    async fn call(&self, events: &[WebhookEvent]) {
        let (body, since, mut wait) = (body(events), Instant::now(), RETRY_FIRST);
        let url = &self.webhook.url;
        loop {
            let called = Instant::now();
            let answer = self.post(&body).await;
            let result = failure::result_of(&answer);
            self.metrics.webhooks.called(&self.app.id, result, called.elapsed());
            let failure = match answer {
                Ok(status) if status.is_success() => {
                    self.metrics.webhooks.events_sent.inc_by(events.len() as u64);
                    return;
                }
                Ok(status) => failure::of_status(status),
                Err(error) => failure::of_error(error),
            };
            // Between half of the wait and all of it: retries of endpoints that failed
            // together are spread.
            let jittered = wait.mul_f64(rand::random_range(0.5..=1.0));
            if since.elapsed() + jittered > self.retry {
                self.metrics.webhooks.events_lost.inc_by(events.len() as u64);
                let lost = events.len();
                tracing::warn!(app = self.app.id, url, lost, failure, "webhook events are lost");
                return;
            }
            tracing::info!(app = self.app.id, url, failure, retry_in = ?jittered, "webhook failed");
            tokio::time::sleep(jittered).await;
            wait = (wait * 2).min(RETRY_LONGEST);
        }
    }

    async fn post(&self, body: &[u8]) -> reqwest::Result<StatusCode> {
        let signature = signature::signed_body(&self.app, body);
        let request = self.client.post(&self.webhook.url).header("X-Pusher-Signature", signature);
        Ok(request.body(body.to_vec()).send().await?.status())
    }
}

fn headers(app: &App, webhook: &Webhook) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &webhook.headers {
        headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("X-Pusher-Key", HeaderValue::try_from(&app.key)?);
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
