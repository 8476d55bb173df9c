//! `GET /internal/v1/apps/{app}`: the settings of an app, with fingerprints in place of secrets; and
//! `POST …/reveal`: the block for the `.env` of its Laravel app, with the secret.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::parameters;
use crate::app::{App, AuthMode, ClientEvents, PublicAddress, Secret, Webhook, laravel_env};

/// The port that stock clients use without TLS, and the one of Reverb.
const DEFAULT_PORT: u16 = 8080;

#[derive(Serialize)]
struct AppSettings<'a> {
    id: &'a str,
    key: &'a str,
    /// The fingerprint, as `resound check` prints it.
    secret: String,
    previous_secret: Option<String>,
    enabled: bool,
    allowed_origins: Vec<String>,
    require_origin: bool,
    activity_timeout_seconds: u64,
    ping_interval_seconds: u64,
    accept_client_events_from: &'static str,
    subscription_count_events: bool,
    watchlist_events: bool,
    gap_event: Option<&'a str>,
    /// `jwt`, `ask` or `sign_everything`; null where the app authorizes alone.
    auth: Option<&'static str>,
    /// By their keys; null is no bound.
    limits: BTreeMap<&'static str, Option<u64>>,
    webhooks: Vec<WebhookSettings<'a>>,
    pacing: Vec<PacingSettings<'a>>,
}

#[derive(Serialize)]
struct WebhookSettings<'a> {
    url: &'a str,
    /// Empty: all.
    events: Vec<&'static str>,
    channel_prefix: &'a str,
    channel_suffix: &'a str,
    batch_ms: u64,
}

#[derive(Serialize)]
struct PacingSettings<'a> {
    channels: &'a str,
    latest_within_ms: u64,
    spread_over_ms: u64,
}

/// Where the block of an `.env` leads; what is left out is what this server knows of itself.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WantedAddress {
    host: Option<String>,
    port: Option<u16>,
    tls: Option<bool>,
}

#[derive(Serialize)]
struct Revealed<'a> {
    secret: &'a str,
    /// The block for `.env`.
    env: String,
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    Path(app): Path<String>,
) -> Result<Response, InternalError> {
    let channels = parameters::channels_of(&api, &app)?;
    Ok(json(&settings(&channels.app())))
}

pub(super) async fn reveal(
    State(api): State<Arc<InternalApi>>,
    Path(app): Path<String>,
    body: String,
) -> Result<Response, InternalError> {
    let wanted = match body.trim() {
        "" => WantedAddress::default(),
        body => serde_json::from_str(body).map_err(|error| {
            let example = r#"{"host":"ws.example.com","port":443,"tls":true}"#;
            InternalError::bad_request(format!(
                "the body must be empty or look like {example}: {error}"
            ))
        })?,
    };
    let is_host = |host: &String| {
        !host.is_empty()
            && host.chars().all(|char| char.is_ascii_alphanumeric() || "-.:[]".contains(char))
    };
    if wanted.host.as_ref().is_some_and(|host| !is_host(host)) {
        return Err(InternalError::bad_request("host must be a name or an IP address"));
    }
    let channels = parameters::channels_of(&api, &app)?;
    let server = api.own_server()?;
    let own = server.sockets.as_ref().map(|route| (route.address, route.url.tls));
    let host = wanted.host.or_else(|| server.hostname.clone());
    let host = host.or_else(|| own.map(|(address, _)| host_of(address.ip())));
    let port = wanted.port.or(own.map(|(address, _)| address.port()));
    let address = PublicAddress {
        host: host.as_deref().unwrap_or("localhost"),
        port: port.unwrap_or(DEFAULT_PORT),
        tls: wanted.tls.unwrap_or(own.is_some_and(|(_, tls)| tls)),
        path: &server.prefix,
    };
    let app = channels.app();
    let env = laravel_env(&app, &address);
    Ok(json(&Revealed { secret: app.secret.reveal(), env }))
}

/// An address as it stands in a URL.
fn host_of(ip: std::net::IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}

fn settings(app: &App) -> AppSettings<'_> {
    AppSettings {
        id: &app.id,
        key: &app.key,
        secret: app.secret.fingerprint(),
        previous_secret: app.previous_secret.as_ref().map(Secret::fingerprint),
        enabled: app.enabled,
        allowed_origins: app.allowed_origins.patterns().map(ToString::to_string).collect(),
        require_origin: app.allowed_origins.require_origin(),
        activity_timeout_seconds: app.activity_timeout.as_secs(),
        ping_interval_seconds: app.ping_interval.as_secs(),
        accept_client_events_from: match app.accept_client_events_from {
            ClientEvents::Members => "members",
            ClientEvents::All => "all",
            ClientEvents::None => "none",
        },
        subscription_count_events: app.subscription_count_events,
        watchlist_events: app.watchlist_events,
        gap_event: app.gap_event.as_deref(),
        auth: app.auth.as_ref().map(|auth| match auth.mode {
            AuthMode::Jwt(_) => "jwt",
            AuthMode::Ask(_) => "ask",
            AuthMode::SignEverything => "sign_everything",
        }),
        limits: limits(app),
        webhooks: app.webhooks.iter().map(webhook).collect(),
        pacing: app
            .pacing
            .iter()
            .map(|pacing| PacingSettings {
                channels: &pacing.channels,
                latest_within_ms: milliseconds(pacing.rule.latest_within),
                spread_over_ms: milliseconds(pacing.rule.spread_over),
            })
            .collect(),
    }
}

fn webhook(webhook: &Webhook) -> WebhookSettings<'_> {
    WebhookSettings {
        url: &webhook.url,
        events: webhook.events.iter().map(|kind| kind.name()).collect(),
        channel_prefix: &webhook.channel_prefix,
        channel_suffix: &webhook.channel_suffix,
        batch_ms: milliseconds(webhook.batch_window),
    }
}

fn limits(app: &App) -> BTreeMap<&'static str, Option<u64>> {
    let limits = &app.limits;
    let size = |number: usize| u64::try_from(number).ok();
    BTreeMap::from([
        ("max_connections", limits.connections.map(u64::from)),
        ("max_message_size", size(limits.message_bytes)),
        ("max_subscriptions", size(limits.subscriptions)),
        ("max_client_events_per_second", limits.client_events_per_second.map(u64::from)),
        ("max_channel_name_bytes", size(limits.channel_name_bytes)),
        ("max_event_name_chars", size(limits.event_name_chars)),
        ("max_event_data_bytes", size(limits.event_data_bytes)),
        ("event_data_warn_bytes", size(limits.event_data_warn_bytes)),
        ("max_channels_per_event", size(limits.channels_per_event)),
        ("max_events_per_batch", size(limits.events_per_batch)),
        ("max_presence_members", size(limits.presence_members)),
        ("max_watchlist_users", size(limits.watchlist_users)),
        ("max_presence_user_id_bytes", size(limits.presence_user_id_bytes)),
        ("max_presence_user_info_bytes", size(limits.presence_user_info_bytes)),
    ])
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
