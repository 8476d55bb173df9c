//! The files of `config/`: complete, as documented, and loadable.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use resound::app::{AppLimits, ClientEvents};
use resound::call_targets::CallTargets;
use resound::config::{
    CacheConfig, EXAMPLE_SECRET, HttpConfig, LogConfig, LogFormat, PayloadView, WebSocketConfig,
    WebhooksConfig,
};

use crate::{APP, load, only_app};

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = load(APP, &[]).unwrap();
    let seconds = Duration::from_secs;
    assert_eq!(config.server.host, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    assert_eq!(config.server.port, 8080);
    assert_eq!(config.server.path, "");
    assert_eq!(config.server.hostname, None);
    assert_eq!(config.tls, None);
    assert_eq!(config.server.drain, seconds(10));
    assert!(config.server.workers >= 1);
    let http = HttpConfig {
        max_body_bytes: 4 << 20,
        max_header_bytes: 16 << 10,
        max_headers: 100,
        header_timeout: seconds(10),
        body_timeout: seconds(10),
        idle_timeout: seconds(3660),
        max_pending_connections: 5000,
    };
    assert_eq!(config.http, http);
    let websocket = WebSocketConfig {
        outbox_bytes: 1 << 20,
        inbox_bytes: 64 << 20,
        deflate: true,
        deflate_min_bytes: 512,
        max_fragments: 1024,
        message_timeout: seconds(30),
        write_timeout: seconds(30),
        close_timeout: seconds(5),
    };
    assert_eq!(config.websocket, websocket);
    assert_eq!(config.cache, CacheConfig { ttl: seconds(1800), bytes: 64 << 20 });
    let webhooks = WebhooksConfig {
        queue_events: 10_000,
        connect_timeout: seconds(3),
        request_timeout: seconds(10),
        retry_for: seconds(300),
    };
    assert_eq!(config.webhooks, webhooks);
    let named = ["named".to_owned()];
    assert_eq!(Ok(config.calls), CallTargets::parse(&named));
    let log = LogConfig { format: LogFormat::Auto, level: "info".to_owned(), debug: false };
    assert_eq!(config.log, log);
    assert_eq!(config.metrics.listen, None);
    assert!(config.internal.listen.is_empty() && config.internal.token.is_none());
    assert!(config.internal.read_only_token.is_none() && config.internal.hosts.is_empty());
    assert_eq!(config.internal.payloads, PayloadView::Masked);
    assert_eq!(config.record, None);
    assert!(config.cluster.is_none());
    assert!(config.development.is_none());
}

#[test]
fn the_defaults_of_an_app_are_the_documented_ones() {
    let app = only_app(APP, &[]);
    assert!(app.enabled);
    assert!(app.allowed_origins.allow(Some("https://anything.example")));
    assert!(app.allowed_origins.allow(None));
    assert_eq!(app.ping_interval, Duration::from_secs(50));
    assert_eq!(app.activity_timeout, Duration::from_secs(30));
    assert_eq!(app.pong_timeout, Duration::from_secs(30));
    assert!(!app.require_protocol);
    assert_eq!(app.authorization_timeout, None);
    assert!(app.watchlist_events && app.terminate_presence_users);
    assert!(!app.subscription_count_events);
    assert!(app.webhooks.is_empty() && app.gap_event.is_none());
    assert_eq!(app.accept_client_events_from, ClientEvents::Members);
    let AppLimits {
        connections,
        message_bytes,
        subscriptions,
        client_events_per_second,
        messages,
        channel_name_bytes,
        event_name_chars,
        event_data_bytes,
        event_data_warn_bytes,
        channels_per_event,
        events_per_batch,
        presence_members,
        watchlist_users,
        presence_user_id_bytes,
        presence_user_info_bytes,
    } = app.limits;
    assert_eq!((connections, client_events_per_second, messages), (None, Some(10), None));
    assert_eq!((message_bytes, subscriptions), (10_000, 1000));
    assert_eq!((channel_name_bytes, event_name_chars), (200, 200));
    assert_eq!((event_data_bytes, event_data_warn_bytes), (102_400, 10_240));
    assert_eq!((channels_per_event, events_per_batch), (100, 10));
    assert_eq!((presence_members, presence_user_id_bytes), (10_000, 128));
    assert_eq!((presence_user_info_bytes, watchlist_users), (10_240, 100));
}

#[test]
fn the_example_file_loads() {
    let text = include_str!("../../config/reverb.toml");
    let app = only_app(text, &[]);
    assert_eq!((app.id.as_str(), app.key.as_str()), ("123456", "app-key-change-me"));
    assert_eq!(app.secret.reveal(), EXAMPLE_SECRET);
}

#[test]
fn without_an_app_the_development_app_is_served_on_loopback() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.server.host, IpAddr::V4(Ipv4Addr::LOCALHOST));
    let app = config.development.unwrap();
    assert_eq!((app.id.as_str(), app.key.as_str()), ("100001", "resound-dev-key"));
    assert_eq!(app.secret.reveal(), "resound-dev-secret");
    assert_eq!(config.internal.payloads, PayloadView::Full, "its data is that of its developer");
    let masked = load("[internal]\npayloads = \"masked\"\n", &[]).unwrap();
    assert_eq!(masked.internal.payloads, PayloadView::Masked);
    assert!(config.apps.by_key("resound-dev-key").is_some());
    assert_eq!(load("[app]\nping_interval = 7\n", &[]).unwrap().apps.iter().count(), 1);
}
