//! What the sections mean: ranges, units and forms of everything but apps.
//!
//! Owns the rules of each key. Knows nothing of layers: it is given the merged values and the
//! places they came from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::thread::available_parallelism;

use tracing_subscriber::EnvFilter;

use super::layers::Places;
use super::problem::{Place, Problem};
use super::written::{Cache, Http, Log, Metrics, Server, WebSocket, Webhooks};
use super::{
    CacheConfig, HttpConfig, LogConfig, LogFormat, MetricsConfig, ServerConfig, WebSocketConfig,
    WebhooksConfig,
};

/// More threads than any machine has cores are a typo.
const MOST_SHARDS: u64 = 1024;
/// hyper refuses a head buffer below 8 KiB.
const SMALLEST_HEAD_BYTES: u64 = 8192;
/// Beyond it the head itself is the bound.
const MOST_HEAD_FIELDS: u64 = 1000;
const MOST_CONNECTIONS: u64 = 10_000_000;

pub(super) fn server(written: &Server, places: &Places<'_>) -> Result<ServerConfig, Problem> {
    Ok(ServerConfig {
        host: host(&written.host, &places.at("server.host"))?,
        port: places.at("server.port").number(written.port, 0..=65_535)?,
        path: prefix(&written.path, &places.at("server.path"))?,
        hostname: Some(written.hostname.clone()).filter(|name| !name.is_empty()),
        drain: places.at("server.drain_seconds").seconds(written.drain_seconds)?,
        workers: match places.at("server.workers").number(written.workers, 0..=MOST_SHARDS)? {
            // With two workers on two cores, a delivery costs 15 to 50 % more CPU than with one, and
            // fewer of them are made: nothing is left for the other end of the connections.
            0 => available_parallelism().map_or(1, NonZero::get).saturating_sub(1).max(1),
            workers => workers,
        },
    })
}

pub(super) fn http(written: &Http, places: &Places<'_>) -> Result<HttpConfig, Problem> {
    let max_header_bytes = places.at("http.max_header_bytes");
    let max_headers = places.at("http.max_headers");
    let pending = places.at("http.max_pending_connections");
    Ok(HttpConfig {
        max_body_bytes: places.at("http.max_body_bytes").bytes(written.max_body_bytes)?,
        max_header_bytes: max_header_bytes
            .number(written.max_header_bytes, SMALLEST_HEAD_BYTES..=1 << 20)?,
        max_headers: max_headers.number(written.max_headers, 1..=MOST_HEAD_FIELDS)?,
        header_timeout: places
            .at("http.header_timeout_seconds")
            .seconds(written.header_timeout_seconds)?,
        body_timeout: places
            .at("http.body_timeout_seconds")
            .seconds(written.body_timeout_seconds)?,
        idle_timeout: places
            .at("http.idle_timeout_seconds")
            .seconds(written.idle_timeout_seconds)?,
        max_pending_connections: pending
            .number(written.max_pending_connections, 1..=MOST_CONNECTIONS)?,
    })
}

pub(super) fn websocket(
    written: &WebSocket,
    places: &Places<'_>,
) -> Result<WebSocketConfig, Problem> {
    let message_timeout = places.at("websocket.message_timeout_seconds");
    let write_timeout = places.at("websocket.write_timeout_seconds");
    let close_timeout = places.at("websocket.close_timeout_seconds");
    Ok(WebSocketConfig {
        outbox_bytes: places.at("websocket.outbox_bytes").bytes(written.outbox_bytes)?,
        inbox_bytes: places.at("websocket.inbox_bytes").bytes(written.inbox_bytes)?,
        deflate: written.deflate,
        deflate_min_bytes: places
            .at("websocket.deflate_min_bytes")
            .number(written.deflate_min_bytes, 0..=1 << 30)?,
        max_fragments: places
            .at("websocket.max_fragments")
            .number(written.max_fragments, 1..=1 << 20)?,
        message_timeout: message_timeout.seconds(written.message_timeout_seconds)?,
        write_timeout: write_timeout.seconds(written.write_timeout_seconds)?,
        close_timeout: close_timeout.seconds(written.close_timeout_seconds)?,
    })
}

pub(super) fn cache(written: &Cache, places: &Places<'_>) -> Result<CacheConfig, Problem> {
    Ok(CacheConfig {
        ttl: places.at("cache.ttl_seconds").seconds(written.ttl_seconds)?,
        bytes: places.at("cache.bytes").bytes(written.bytes)?,
    })
}

pub(super) fn webhooks(written: &Webhooks, places: &Places<'_>) -> Result<WebhooksConfig, Problem> {
    let connect_timeout = places.at("webhooks.connect_timeout_seconds");
    let request_timeout = places.at("webhooks.request_timeout_seconds");
    Ok(WebhooksConfig {
        queue_events: places.at("webhooks.queue_events").bytes(written.queue_events)?,
        connect_timeout: connect_timeout.seconds(written.connect_timeout_seconds)?,
        request_timeout: request_timeout.seconds(written.request_timeout_seconds)?,
        retry_for: places.at("webhooks.retry_for_seconds").seconds(written.retry_for_seconds)?,
    })
}

pub(super) fn log(written: &Log, places: &Places<'_>) -> Result<LogConfig, Problem> {
    let format = match written.format.as_str() {
        "auto" => LogFormat::Auto,
        "human" => LogFormat::Human,
        "json" => LogFormat::Json,
        other => {
            let found = format_args!("{other:?}");
            return Err(places.at("log.format").refuse(found, "allowed are auto, human and json"));
        }
    };
    let level = level(&written.level, &places.at("log.level"))?;
    Ok(LogConfig { format, level, debug: written.debug })
}

pub(super) fn metrics(
    written: &Metrics,
    server: &ServerConfig,
    places: &Places<'_>,
) -> Result<MetricsConfig, Problem> {
    let text = written.listen.as_str();
    if text.is_empty() {
        return Ok(MetricsConfig { listen: None });
    }
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("{}:{port}", Ipv4Addr::LOCALHOST),
        None => text.to_owned(),
    };
    let listen: SocketAddr = numeric.parse().map_err(|_| {
        let allowed = "it must be an address and a port such as 127.0.0.1:9601, or empty";
        places.at("metrics.listen").refuse(format_args!("{text:?}"), allowed)
    })?;
    if overlap(listen, SocketAddr::new(server.host, server.port)) {
        let allowed = format!(
            "it must have another port than server.port, which is {}: clients connect there",
            server.port
        );
        return Err(places.at("metrics.listen").refuse(listen, allowed));
    }
    Ok(MetricsConfig { listen: Some(listen) })
}

/// Whether one process cannot listen on both: an unspecified address takes its family, and `::`
/// takes IPv4 too. Port 0 is a free one each time.
fn overlap(left: SocketAddr, right: SocketAddr) -> bool {
    let covers = |all: IpAddr, one: IpAddr| {
        all == one || all.is_unspecified() && (all.is_ipv6() || one.is_ipv4())
    };
    let (a, b) = (left.ip(), right.ip());
    left.port() != 0 && left.port() == right.port() && (covers(a, b) || covers(b, a))
}

/// Reverb wants brackets around IPv6; both forms are taken.
fn host(text: &str, place: &Place) -> Result<IpAddr, Problem> {
    if text == "localhost" {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| {
        let allowed = "it must be an IP address such as 0.0.0.0, 127.0.0.1 or [::], or localhost";
        place.refuse(format_args!("{text:?}"), allowed)
    })
}

/// The same prefix however its slashes are written.
fn prefix(text: &str, place: &Place) -> Result<String, Problem> {
    let path = text.trim_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    if !path.chars().all(plain) || path.contains("//") {
        let allowed = "it must be a path such as /ws, of letters, digits and - . _ ~";
        return Err(place.refuse(format_args!("{text:?}"), allowed));
    }
    Ok(if path.is_empty() { String::new() } else { format!("/{path}") })
}

/// A bare word must be a level: the filter itself would take `inof` for the name of a module, and
/// nothing would be logged.
fn level(text: &str, place: &Place) -> Result<String, Problem> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let is_level = |word: &str| LEVELS.contains(&word.to_ascii_lowercase().as_str());
    let known = text.split(',').all(|part| part.contains(['=', '[']) || is_level(part.trim()));
    if !known || EnvFilter::try_new(text).is_err() {
        let allowed = "it must be error, warn, info, debug, trace or off, with target=level pairs \
                       after commas";
        return Err(place.refuse(format_args!("{text:?}"), allowed));
    }
    Ok(text.to_owned())
}
