//! One endpoint's task: gathers, signs, sends, tries again, gives up after Pusher's five minutes.
//!
//! One call at a time, so what an endpoint hears is in order; what waits meanwhile is bounded by
//! its queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};

use super::WebhookLimits;
use super::failure;
use super::notice::{self, Notice};
use super::queue::Queue;
use crate::app::{App, Webhook};
use crate::metrics::Metrics;
use crate::protocol::signature;

/// Events of one call, when they are gathered.
const BATCH_EVENTS_MAX: usize = 100;

/// The first wait before another try; it doubles up to the longest.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);

/// Where one webhook of one app goes.
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
        limits: WebhookLimits,
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
            .timeout(limits.answer_timeout);
        if url.scheme() == "http" {
            // Not even those of the machine, of which a small image may have none.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().with_context(|| {
            let url = &webhook.url;
            format!("cannot prepare the webhook {url}: are the certificates of authorities (package ca-certificates) installed?")
        })?;
        Ok(Self { app, webhook, retry: limits.retry, client, metrics })
    }

    /// Sends what `waiting` brings, for ever.
    pub(super) async fn run(self, waiting: Arc<Queue<Notice>>) {
        loop {
            let mut events = vec![waiting.next().await];
            if !self.webhook.batch_window.is_zero() {
                tokio::time::sleep(self.webhook.batch_window).await;
                events.extend(waiting.take(BATCH_EVENTS_MAX - 1));
            }
            self.deliver(&events).await;
        }
    }

    async fn deliver(&self, events: &[Notice]) {
        let (body, since, mut wait) = (notice::body(events), Instant::now(), RETRY_FIRST);
        let url = &self.webhook.url;
        loop {
            let failure = match self.post(&body).await {
                Ok(status) if status.is_success() => {
                    self.metrics.webhook_events_sent.inc_by(events.len() as u64);
                    return;
                }
                Ok(status) => failure::of_status(status),
                Err(error) => failure::of_error(error),
            };
            self.metrics.webhook_attempts_failed.inc();
            // Half of the wait at least, all of it at most: endpoints that fail together must not
            // be called together.
            let jittered = wait.mul_f64(rand::random_range(0.5..=1.0));
            if since.elapsed() + jittered > self.retry {
                self.metrics.webhook_events_lost.inc_by(events.len() as u64);
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
