//! Which layer wins, and that every name of every layer arrives.

use std::net::IpAddr;
use std::time::Duration;

use resound::app::{ClientEvents, MessageRate};
use resound::config::{Config, Flag};

use crate::tls::CERTIFICATE;
use crate::{APP, AUTHORITY, flag, load, only_app, sources};

/// [`CERTIFICATE`] by another path.
const SAME_CERTIFICATE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/configuration/../certificates/valid.pem");

#[test]
fn later_layers_win() {
    let file = format!("{APP}[server]\nport = 1\n");
    let reverb = ("REVERB_SERVER_PORT", "2");
    let resound = ("RESOUND_SERVER_PORT", "3");
    let port = flag("--port", "server.port", "4");
    let check = |variables: &[_], flags: &[_], wins| {
        let config = Config::new(&sources(&file, variables, flags)).unwrap();
        assert_eq!(config.server.port, wins);
    };
    check(&[], &[], 1);
    check(&[reverb], &[], 2);
    check(&[reverb, resound], &[], 3);
    check(&[reverb, resound], &[port], 4);
    check(&[("RESOUND_SERVER_PORT", ""), ("REVERB_SERVER_PORT", "null")], &[], 1);
}

#[test]
fn an_entry_wins_over_what_every_app_starts_from() {
    let app = only_app(&format!("{APP}max_message_size = 5\n[app]\nmax_message_size = 6\n"), &[]);
    assert_eq!(app.limits.message_bytes, 5);
    let app = only_app(&format!("{APP}[app]\nmax_message_size = 6\n"), &[]);
    assert_eq!(app.limits.message_bytes, 6);
    // A part of a table leaves the rest as it was.
    let file =
        format!("{APP}rate_limiting.enabled = true\n[app.rate_limiting]\nmax_attempts = 7\n");
    let rate =
        MessageRate { max_attempts: 7, decay: Duration::from_secs(60), terminate_on_limit: false };
    assert_eq!(only_app(&file, &[]).limits.messages, Some(rate));
}

#[test]
fn every_name_of_reverb_arrives() {
    let values = [
        ("REVERB_SERVER_HOST", "[::1]"),
        ("REVERB_SERVER_PORT", "9000"),
        ("REVERB_SERVER_PATH", "ws/"),
        ("REVERB_HOST", "ws.example.com"),
        ("REVERB_MAX_REQUEST_SIZE", "10000"),
        ("REVERB_APP_PING_INTERVAL", "61"),
        ("REVERB_APP_ACTIVITY_TIMEOUT", "31"),
        ("REVERB_APP_MAX_CONNECTIONS", "100"),
        ("REVERB_APP_MAX_MESSAGE_SIZE", "20000"),
        ("REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM", "all"),
        ("REVERB_APP_RATE_LIMITING_ENABLED", "(true)"),
        ("REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS", "61"),
        ("REVERB_APP_RATE_LIMIT_DECAY_SECONDS", "62"),
        ("REVERB_APP_RATE_LIMIT_TERMINATE", "TRUE"),
        ("REVERB_SCALING_ENABLED", "1"),
    ];
    let config = load(APP, &values).unwrap();
    assert_eq!(config.server.host, "::1".parse::<IpAddr>().unwrap());
    assert_eq!(config.server.port, 9000);
    assert_eq!(config.server.path, "/ws");
    assert_eq!(config.server.hostname.as_deref(), Some("ws.example.com"));
    assert_eq!(config.http.max_body_bytes, 10_000);
    let app = config.apps.by_id("1").unwrap();
    assert_eq!(app.ping_interval, Duration::from_secs(61));
    assert_eq!(app.activity_timeout, Duration::from_secs(31));
    assert_eq!(app.limits.connections, Some(100));
    assert_eq!(app.limits.message_bytes, 20_000);
    assert_eq!(app.accept_client_events_from, ClientEvents::All);
    let rate =
        MessageRate { max_attempts: 61, decay: Duration::from_secs(62), terminate_on_limit: true };
    assert_eq!(app.limits.messages, Some(rate));
    assert!(config.cluster.is_some());
}

#[test]
fn variables_without_effect_are_ignored() {
    let ignored = [
        ("REVERB_SERVER", "reverb"),
        ("REVERB_PORT", "443"),
        ("REVERB_SCHEME", "https"),
        ("REVERB_PULSE_INGEST_INTERVAL", "15"),
        ("REVERB_TELESCOPE_INGEST_INTERVAL", "15"),
        ("REVERB_SCALING_ENABLED", "false"),
        // Those of a cluster are not read without one, however wrong they are.
        ("REVERB_SCALING_CHANNEL", "{reverb}"),
        ("REDIS_URL", "mysql://localhost"),
        ("REDIS_HOST", "a b"),
        ("REDIS_PORT", "none"),
        ("REDIS_DB", "-1"),
        ("PATH", "/bin"),
    ];
    let shown = |variables| format!("{:?}", load(APP, variables).unwrap());
    assert_eq!(shown(&ignored), shown(&[]));
}

/// The keys of a table that have a variable; a list of tables has none.
fn keys(table: &toml::Table, path: &str) -> Vec<String> {
    let keys = table.iter().flat_map(|(name, value)| match value {
        toml::Value::Table(inner) => keys(inner, &format!("{path}{name}.")),
        _ => vec![format!("{path}{name}")],
    });
    keys.filter(|key| key != "app.webhooks" && key != "app.pacing").collect()
}

/// A valid value of each key that is not its default.
fn other_value(key: &str) -> &'static str {
    match key {
        "server.host" => "127.0.0.9",
        "server.path" => "/other",
        "server.hostname" => "other.example",
        "log.format" => "json",
        "log.level" => "warn,hyper=error",
        "server.listen" => "127.0.0.1:8081, unix:/run/resound.sock",
        "server.proxies" => "10.0.0.0/8,unix",
        "server.forwarded_header" => "forwarded",
        "server.proxy_protocol" => "auto",
        "server.max_handshake_wait_seconds" => "9",
        "http.listen" => "[\"[::1]:8082\"]",
        "metrics.listen" => "localhost:9601",
        "internal.listen" => "localhost:9600,unix:/run/resound-internal.sock",
        "internal.token" => "0123456789abcdef",
        "internal.read_only_token" => "fedcba9876543210",
        "internal.hosts" => "ops.example.com, 10.0.0.5",
        "internal.payloads" => "full",
        "limits.memory_bytes" => "16777216",
        "calls.inner_networks" => "named,10.0.0.0/8",
        "record.enabled" => "true",
        "app.enabled" | "app.rate_limiting.enabled" => "false",
        "app.watchlist_events" | "app.terminate_presence_users" | "websocket.deflate" => "false",
        "app.allowed_origins" => "a.example, *.b.example",
        "app.accept_client_events_from" => "none",
        "app.rate_limiting.max_attempts" => "77",
        "http.max_headers" => "99",
        // Not below the size of an event.
        "websocket.outbox_bytes" => "999999",
        "server.workers" => "1023",
        "log.debug" | "app.require_origin" | "app.require_protocol" => "true",
        "app.rate_limiting.terminate_on_limit" | "app.subscription_count_events" => "true",
        "cluster.enabled" => "false",
        "cluster.required" => "true",
        "cluster.url" | "beside_reverb.url" => "rediss://other.example",
        "cluster.transport" => "pubsub",
        "cluster.partitions" => "7",
        "cluster.node_addresses" => "10.0.0.5=redis.example",
        "cluster.lease_seconds" => "77",
        "cluster.local_delivery_after_ms" | "cluster.timeout_ms" => "777",
        "cluster.ca_file" | "beside_reverb.ca_file" => AUTHORITY,
        "tls.certificate" | "tls.key" | "tls.sni_certificates" | "tls.sni_keys" => SAME_CERTIFICATE,
        "telemetry.endpoint" => "http://collector:4318",
        "telemetry.sample_ratio" => "0.5",
        "telemetry.headers" => "x-tenant=7",
        "app.auth.mode" | "tls.mode" => "off",
        "app.auth.path" | "app.auth.user_path" => "/other",
        "app.auth.encryption_master_key" => "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        "app.auth.ask.url" | "app.auth.ask.user_url" => "http://other.example",
        "app.auth.ask.timeout_seconds" => "7",
        "app.auth.ask.remember_seconds" | "app.auth.ask.remember_refusals_seconds" => "77",
        "cluster.urls" => "rediss://other.example",
        "tls.reload_seconds" => "0",
        _ => "9999",
    }
}

#[test]
fn every_key_has_a_variable_of_its_own_that_changes_something() {
    // On, so that the other keys show of the rate limit, of TLS, and of the cluster, its TLS and streams too.
    let base = [
        ("REVERB_APP_RATE_LIMITING_ENABLED", "true"),
        ("REVERB_SCALING_ENABLED", "true"),
        ("REDIS_HOST", "tls://127.0.0.1"),
        ("RESOUND_CLUSTER_TRANSPORT", "streams"),
        ("RESOUND_BESIDE_REVERB_URL", "rediss://reverb.example"),
        ("RESOUND_TLS_CERTIFICATE", CERTIFICATE),
        ("RESOUND_TLS_KEY", CERTIFICATE),
        ("RESOUND_TLS_SNI_CERTIFICATES", CERTIFICATE),
        ("RESOUND_TLS_SNI_KEYS", CERTIFICATE),
        // The keys of the other mode are named as without effect.
        ("RESOUND_APP_AUTH_MODE", "ask"),
        ("RESOUND_APP_AUTH_ASK_URL", "http://127.0.0.1/broadcasting/auth"),
        // What the PROXY protocol is read from.
        ("RESOUND_SERVER_PROXIES", "10.0.0.5"),
    ];
    let shown = |variables: &[(&str, &str)]| format!("{:?}", load(APP, variables).unwrap());
    let unchanged = shown(&base);
    let defaults = toml::from_str(include_str!("../../config/defaults.toml")).unwrap();
    for key in keys(&defaults, "") {
        let name = format!("RESOUND_{}", key.replace('.', "_").to_uppercase());
        let changed = shown(&[&base[..], &[(&name, other_value(&key))]].concat());
        assert_ne!(changed, unchanged, "{name}");
    }
}

#[test]
fn hosts_and_paths_have_one_form() {
    for (text, address) in
        [("[::]", "::"), ("::", "::"), ("localhost", "127.0.0.1"), ("\"10.0.0.1\"", "10.0.0.1")]
    {
        let config = load(APP, &[("REVERB_SERVER_HOST", text)]).unwrap();
        assert_eq!(config.server.host.to_string(), address, "{text}");
    }
    for (text, path) in [("/", ""), ("ws", "/ws"), ("/ws/", "/ws"), ("/a/b", "/a/b")] {
        let config = load(APP, &[("REVERB_SERVER_PATH", text)]).unwrap();
        assert_eq!(config.server.path, path, "{text}");
    }
    let empty = flag("--path", "server.path", "");
    let variables = [("REVERB_SERVER_PATH", "/ws")];
    let config = Config::new(&sources(APP, &variables, &[empty])).unwrap();
    assert_eq!(config.server.path, "");
}

#[test]
fn what_set_an_address_is_remembered() {
    let file = format!("{APP}[server]\nhost = \"127.0.0.1\"\n");
    let metrics = ("RESOUND_METRICS_LISTEN", "127.0.0.1:9601");
    let port = flag("--port", "server.port", "1");
    let set_by = Config::new(&sources(&file, &[metrics], &[port])).unwrap().set_by;
    assert_eq!(set_by.host.as_deref(), Some("config/reverb.toml"));
    assert_eq!(set_by.port.as_deref(), Some("flag --port"));
    assert_eq!(set_by.metrics.as_deref(), Some("environment variable RESOUND_METRICS_LISTEN"));
    let set_by = load(APP, &[]).unwrap().set_by;
    assert_eq!((set_by.host, set_by.port, set_by.metrics), (None, None, None));
}

fn listens(file: &str, variables: &[(&str, &str)], flags: &[Flag]) -> (String, Vec<String>) {
    let config = Config::new(&sources(&format!("{APP}{file}"), variables, flags)).unwrap();
    let addresses: Vec<String> = config.listen.server.iter().map(ToString::to_string).collect();
    (addresses.join(" "), config.notes)
}

#[test]
fn a_list_of_addresses_stands_until_a_later_layer_has_a_host_or_a_port() {
    let file = "[server]\nlisten = [\"[::]:8080\", \"unix:/run/a.sock?mode=0600\"]\n";
    let none: [&str; 0] = [];
    assert_eq!(listens("", &[], &[]), ("0.0.0.0:8080".to_owned(), vec![]));
    let (addresses, notes) = listens(file, &[], &[]);
    assert_eq!(addresses, "[::]:8080 unix:/run/a.sock");
    assert_eq!(notes, none);

    let (addresses, notes) = listens(&format!("{file}port = 81\n"), &[], &[]);
    assert_eq!(addresses, "[::]:8080 unix:/run/a.sock");
    let note = "config/reverb.toml: server.port has no effect beside config/reverb.toml: \
                server.listen";
    assert_eq!(notes, [note]);

    let list = ("RESOUND_SERVER_LISTEN", "127.0.0.1:1,127.0.0.1:2");
    let (addresses, notes) = listens(file, &[("REVERB_SERVER_PORT", "81"), list], &[]);
    assert_eq!(addresses, "127.0.0.1:1 127.0.0.1:2");
    let note = "environment variable REVERB_SERVER_PORT has no effect beside environment variable \
                RESOUND_SERVER_LISTEN";
    assert_eq!(notes, [note]);

    let port = flag("--port", "server.port", "82");
    let (addresses, notes) = listens(file, &[list], &[port]);
    assert_eq!(addresses, "0.0.0.0:82");
    let note = "environment variable RESOUND_SERVER_LISTEN has no effect beside flag --port";
    assert_eq!(notes, [note]);
}
