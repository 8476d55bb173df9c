//! Reverb's settings and what each is called here.
//!
//! Owns the shape of `config/reverb.php`, as Reverb 1.0 to 1.10 publish it, and Reverb's own value where an older file
//! has none.

use super::document::Document;
use crate::php_config::{PhpData, PhpValue};

/// The settings of a server; the last two concern packages of Laravel.
const OF_SERVER: [&str; 9] = [
    "host",
    "port",
    "path",
    "hostname",
    "options",
    "max_request_size",
    "scaling",
    "pulse_ingest_interval",
    "telescope_ingest_interval",
];
const OF_TLS: [&str; 2] = ["local_cert", "local_pk"];
/// The settings of an app; `options` is where the PHP of the application finds the server.
const OF_APP: [&str; 11] = [
    "key",
    "secret",
    "app_id",
    "options",
    "allowed_origins",
    "ping_interval",
    "activity_timeout",
    "max_connections",
    "max_message_size",
    "accept_client_events_from",
    "rate_limiting",
];

pub(super) fn write(php: &PhpValue, document: &mut Document<'_>) {
    let name = php.get("default").and_then(PhpValue::text).unwrap_or_else(|| "reverb".to_owned());
    name_unread(php, "", document);
    match php.get("servers").and_then(|servers| servers.get(&name)) {
        Some(server) => self::server(server, document),
        None => document.name(php, format_args!("servers has no {name:?}")),
    }
    let apps = php.get("apps");
    if let Some(provider) = apps.and_then(|apps| apps.get("provider"))
        && provider.text().is_some_and(|provider| provider != "config")
    {
        document
            .name(provider, "apps come from a provider of the application; write them as [[apps]]");
    }
    for app in apps.and_then(|apps| apps.get("apps")).map(PhpValue::items).unwrap_or_default() {
        if !matches!(app.value.data, PhpData::Unread(_)) {
            self::app(&app.value, document);
        }
    }
}

fn server(server: &PhpValue, document: &mut Document<'_>) {
    name_unknown(server, &OF_SERVER, document);
    let section = document.begin("[server]");
    document.text("host", server.get("host"));
    document.whole("port", server.get("port"));
    document.text("path", server.get("path"));
    document.text("hostname", server.get("hostname"));
    document.end(section);
    if let Some(options) = server.get("options") {
        name_unknown(options, &["tls"], document);
        if let Some(tls) = options.get("tls") {
            self::tls(tls, document);
        }
    }
    let section = document.begin("[http]");
    document.whole("max_body_bytes", server.get("max_request_size"));
    document.end(section);
    if let Some(scaling) = server.get("scaling") {
        self::scaling(scaling, document);
    }
}

fn tls(tls: &PhpValue, document: &mut Document<'_>) {
    name_unknown(tls, &OF_TLS, document);
    let section = document.begin("[tls]");
    let (certificate, key) = (tls.get("local_cert"), tls.get("local_pk"));
    document.text("certificate", certificate);
    // PHP looks for the key in the file of the certificate too.
    document.text("key", key.filter(|key| key.data != PhpData::Null).or(certificate));
    document.end(section);
}

/// Without scaling, the address of Redis is for Laravel alone.
fn scaling(scaling: &PhpValue, document: &mut Document<'_>) {
    let Some(enabled) = scaling.get("enabled") else { return };
    let Some(is_enabled) = enabled.is_true() else { return };
    let section = document.begin("[cluster]");
    document.truth("enabled", is_enabled, enabled);
    if is_enabled {
        document.text("prefix", scaling.get("channel"));
        if let Some(redis) = scaling.get("server") {
            document.secret("url", redis.get("url"));
            document.text("host", redis.get("host"));
            document.whole("port", redis.get("port"));
            document.text("username", redis.get("username"));
            document.secret("password", redis.get("password"));
            document.whole("database", redis.get("database"));
        }
    }
    document.end(section);
}

/// The app of Laravel's `pusher` connection, if its variables are set.
pub(super) fn write_app_of_pusher(app: &PhpValue, document: &mut Document<'_>) {
    if missing(app).is_none() {
        self::app(app, document);
    }
}

fn missing(app: &PhpValue) -> Option<&'static str> {
    let is_missing =
        |key: &&str| app.get(key).and_then(PhpValue::text).is_none_or(|text| text.is_empty());
    ["app_id", "key", "secret"].into_iter().find(is_missing)
}

fn app(app: &PhpValue, document: &mut Document<'_>) {
    if let Some(missing) = missing(app) {
        let at = app.get(missing).unwrap_or(app);
        return document
            .name(at, format_args!("an app without {missing}; set it, or write [[apps]]"));
    }
    name_unknown(app, &OF_APP, document);
    let section = document.begin("[[apps]]");
    document.text("id", app.get("app_id"));
    document.text("key", app.get("key"));
    document.secret("secret", app.get("secret"));
    if let Some(origins) = app.get("allowed_origins") {
        document.texts("allowed_origins", origins);
    }
    document.whole("ping_interval", app.get("ping_interval"));
    document.whole("activity_timeout", app.get("activity_timeout"));
    document.whole("max_connections", app.get("max_connections"));
    document.whole("max_message_size", app.get("max_message_size"));
    match app.get("accept_client_events_from") {
        Some(senders) if senders.data != PhpData::Null => {
            document.text("accept_client_events_from", Some(senders));
        }
        _ => document.default("accept_client_events_from", "all"),
    }
    if let Some(rate) = app.get("rate_limiting") {
        rate_limiting(rate, document);
    }
    document.end(section);
}

fn rate_limiting(rate: &PhpValue, document: &mut Document<'_>) {
    let Some(enabled) = rate.get("enabled") else { return };
    // Reverb takes true alone for it, and no other value that PHP takes for true.
    let is_enabled = enabled.data == PhpData::Truth(true);
    document.truth("rate_limiting.enabled", is_enabled, enabled);
    if !is_enabled {
        return;
    }
    document.whole("rate_limiting.max_attempts", rate.get("max_attempts"));
    document.whole("rate_limiting.decay_seconds", rate.get("decay_seconds"));
    if let Some(terminate) = rate.get("terminate_on_limit")
        && let Some(truth) = terminate.is_true()
    {
        document.truth("rate_limiting.terminate_on_limit", truth, terminate);
    }
}

/// Names keys that Reverb does not publish.
fn name_unknown(table: &PhpValue, known: &[&str], document: &mut Document<'_>) {
    for item in table.items() {
        if let Some(key) = &item.key
            && !known.contains(&key.as_str())
            && !matches!(item.value.data, PhpData::Null | PhpData::Unread(_))
        {
            document.name(&item.value, format_args!("{key} has no counterpart"));
        }
    }
}

/// Names every expression that is more than data, by the keys that lead to it.
fn name_unread(value: &PhpValue, path: &str, document: &mut Document<'_>) {
    for (index, item) in value.items().iter().enumerate() {
        let key = item.key.clone().unwrap_or_else(|| index.to_string());
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if path.starts_with("apps.apps.") && key == "options" {
            continue;
        }
        match &item.value.data {
            PhpData::Unread(raw) => {
                let what = format!("{path} is more than data ({})", shown(raw));
                document.name(&item.value, what);
            }
            _ => name_unread(&item.value, &path, document),
        }
    }
}

/// The beginning of an expression, without what may be a secret.
fn shown(raw: &str) -> String {
    let is_name = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '\\');
    let name: String = raw.chars().take_while(is_name).collect();
    if name.is_empty() { "an expression".to_owned() } else { format!("{name} …") }
}
