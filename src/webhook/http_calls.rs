//! The calls of one endpoint over HTTP: signed POST requests.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder};
use serde::Serialize;

use super::app_webhooks::AppWebhooks;
use super::call_bounds::CallBounds;
use super::failure::CallFailure;
use crate::channel_rules::WebhookEvent;
use crate::http_client::http_client;
use crate::protocol::signature;

/// The header field of a call that was given up before.
const RESENT: &str = "resound-resent";

/// The client of one endpoint.
pub(super) struct HttpCalls {
    url: String,
    client: Client,
}

impl HttpCalls {
    /// Prepares the client.
    pub(super) fn new(
        app_id: &str,
        url: &str,
        headers: &[(String, String)],
        bounds: &CallBounds,
    ) -> anyhow::Result<Self> {
        let parsed = reqwest::Url::parse(url)
            .with_context(|| format!("the webhook {url:?} of app {app_id} is no URL"))?;
        let CallBounds { limits, targets } = bounds;
        let builder = http_client(&parsed, targets, limits.connect_timeout, limits.request_timeout)
            .with_context(|| format!("the webhook {url} of app {app_id}"))?;
        let client = builder.default_headers(fields(headers)?).build().with_context(|| {
            format!("cannot prepare the webhook {url}: are the certificates of authorities (package ca-certificates) installed?")
        })?;
        Ok(Self { url: url.to_owned(), client })
    }

    /// The body of a call: exactly these bytes are signed.
    pub(super) fn body(events: &[WebhookEvent]) -> Vec<u8> {
        #[derive(Serialize)]
        struct Call<'a> {
            time_ms: u64,
            events: &'a [WebhookEvent],
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        serde_json::to_vec(&Call { time_ms, events }).expect("plain strings and numbers serialize")
    }

    /// Sends a call with the key and the secret that the app has now.
    pub(super) async fn post(&self, body: &[u8], app: &AppWebhooks) -> Result<(), CallFailure> {
        Self::send(self.signed(body, app), body).await
    }

    /// Sends a call that was given up under this number, which its header names: the body is the same.
    pub(super) async fn post_again(
        &self,
        body: &[u8],
        batch: &str,
        app: &AppWebhooks,
    ) -> Result<(), CallFailure> {
        Self::send(self.signed(body, app).header(RESENT, batch), body).await
    }

    fn signed(&self, body: &[u8], app: &AppWebhooks) -> RequestBuilder {
        let app = app.app();
        let request = self.client.post(&self.url).header("X-Pusher-Key", &app.key);
        request.header("X-Pusher-Signature", signature::signed_body(&app, body))
    }

    async fn send(request: RequestBuilder, body: &[u8]) -> Result<(), CallFailure> {
        match request.body(body.to_vec()).send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(CallFailure::of_status(answer.status())),
            Err(error) => Err(CallFailure::of_error(error)),
        }
    }
}

fn fields(headers: &[(String, String)]) -> anyhow::Result<HeaderMap> {
    let mut fields = HeaderMap::new();
    for (name, value) in headers {
        fields.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(fields)
}
