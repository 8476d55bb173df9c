//! Settings that have no effect: variables of other servers, names with a typo, and keys of a
//! feature that is switched off.
//!
//! Owns the sentences that name them; a value is never part of one. Unknown `RESOUND_*` variables
//! and unknown keys of a file are errors, and not here.

use std::collections::BTreeMap;

use super::ConfigFile;
use super::environment::{
    CREDENTIALS, Environment, PREVIOUS_SECRET, REDIS, REVERB, is_set, secrets, variable,
};
use super::schema::Schema;
use super::secret::FILE_VARIABLE;
use super::suggest::nearest;
use super::values::{ValueTable, Values};

/// Environment that Laravel and Reverb read and that have no effect on this server.
const OF_LARAVEL: [&str; 5] = [
    "REVERB_SERVER",
    "REVERB_PORT",
    "REVERB_SCHEME",
    "REVERB_PULSE_INGEST_INTERVAL",
    "REVERB_TELESCOPE_INGEST_INTERVAL",
];

/// How the variables of Sockudo begin.
const SOCKUDO: &str = "SOCKUDO_";

/// Their names without that prefix, and what sets the same here.
const OF_SOCKUDO: [(&str, &str); 23] = [
    ("DEFAULT_APP_ID", "REVERB_APP_ID"),
    ("DEFAULT_APP_KEY", "REVERB_APP_KEY"),
    ("DEFAULT_APP_SECRET", "REVERB_APP_SECRET"),
    ("DEFAULT_APP_ALLOWED_ORIGINS", "RESOUND_APP_ALLOWED_ORIGINS"),
    ("ENABLE_CLIENT_MESSAGES", "REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM"),
    ("DEFAULT_APP_MAX_CONNS", "REVERB_APP_MAX_CONNECTIONS"),
    ("DEFAULT_APP_ENABLE_CLIENT_MESSAGES", "REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM"),
    ("DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SEC", "RESOUND_APP_MAX_CLIENT_EVENTS_PER_SECOND"),
    ("HOST", "REVERB_SERVER_HOST"),
    ("PORT", "REVERB_SERVER_PORT"),
    ("PATH_PREFIX", "REVERB_SERVER_PATH"),
    ("DEBUG", "RESOUND_LOG_DEBUG"),
    ("SHUTDOWN_GRACE_PERIOD", "RESOUND_SERVER_DRAIN_SECONDS"),
    ("EVENT_MAX_SIZE_IN_KB", "RESOUND_APP_MAX_EVENT_DATA_BYTES"),
    ("EVENT_MAX_BATCH_SIZE", "RESOUND_APP_MAX_EVENTS_PER_BATCH"),
    ("PRESENCE_MAX_MEMBERS", "RESOUND_APP_MAX_PRESENCE_MEMBERS"),
    ("METRICS_ENABLED", "RESOUND_METRICS_LISTEN"),
    ("DB_REDIS_HOST", "REDIS_HOST"),
    ("DB_REDIS_PORT", "REDIS_PORT"),
    ("DB_REDIS_USERNAME", "REDIS_USERNAME"),
    ("DB_REDIS_PASSWORD", "REDIS_PASSWORD"),
    ("DB_REDIS_DB", "REDIS_DB"),
    ("DB_REDIS_SENTINEL_PASSWORD", "REDIS_SENTINEL_PASSWORD"),
];

/// A key that switches others off: with this value, those that begin so have no effect.
struct Switch {
    key: &'static str,
    off: &'static str,
    keys: &'static str,
}

const SWITCHES: [Switch; 5] = [
    Switch { key: "record.enabled", off: "false", keys: "record." },
    Switch { key: "tls.mode", off: "off", keys: "tls." },
    Switch { key: "cluster.enabled", off: "false", keys: "cluster." },
    Switch { key: "cluster.transport", off: "pubsub", keys: "cluster.stream_" },
    Switch { key: "websocket.deflate", off: "false", keys: "websocket.deflate_" },
];

/// The same within an app.
const SWITCHES_OF_APP: [Switch; 7] = [
    Switch { key: "auth.mode", off: "off", keys: "auth." },
    Switch { key: "auth.mode", off: "jwt", keys: "auth.ask." },
    Switch { key: "auth.mode", off: "ask", keys: "auth.jwt." },
    Switch { key: "auth.mode", off: "sign-everything", keys: "auth.jwt." },
    Switch { key: "auth.mode", off: "sign-everything", keys: "auth.ask." },
    Switch { key: "rate_limiting.enabled", off: "false", keys: "rate_limiting." },
    Switch { key: "watchlist_events", off: "false", keys: "max_watchlist_users" },
];

/// Environment that look like settings of this server and have no effect.
pub(super) fn variables(variables: &Environment, schema: &Schema) -> Vec<String> {
    let set = variables.names().filter(|name| is_set(variables, name));
    let note = |name: &String| {
        let advice = match name.strip_prefix(SOCKUDO) {
            Some(rest) => of_sockudo(rest, variables)?,
            None if is_of_file(name, schema) => return None,
            None if name.starts_with("REVERB_") && !is_known(name) => of_reverb(name, schema),
            None => return None,
        };
        Some(format!("{} has no effect; {advice}", variables.origin(name)))
    };
    set.filter_map(note).collect()
}

/// What sets the same here, unless that is set too.
fn of_sockudo(rest: &str, variables: &Environment) -> Option<String> {
    match OF_SOCKUDO.iter().find(|(theirs, _)| *theirs == rest) {
        Some((_, ours)) if is_set(variables, ours) => None,
        Some((_, ours)) => Some(format!("{ours} sets it here")),
        None => Some("it is a setting of Sockudo".to_owned()),
    }
}

fn of_reverb(name: &str, schema: &Schema) -> String {
    let same = format!("RESOUND_{}", name.trim_start_matches("REVERB_"));
    if schema.names().any(|key| variable(key) == same) {
        return format!("did you mean {same}?");
    }
    match nearest(name, known()) {
        Some(name) => format!("did you mean {name}?"),
        None => "Reverb has no such setting, nor has Resound".to_owned(),
    }
}

/// Every variable of Reverb's prefix that has an effect here.
fn known() -> impl Iterator<Item = &'static str> {
    let names = CREDENTIALS.iter().chain([&PREVIOUS_SECRET]).chain(&REVERB).chain(&REDIS);
    let names = names.map(|(name, _)| *name);
    names.filter(|name| name.starts_with("REVERB_"))
}

/// Whether it names the file of a secret.
fn is_of_file(name: &str, schema: &Schema) -> bool {
    let stem = name.strip_suffix(FILE_VARIABLE);
    stem.is_some_and(|stem| secrets(schema).iter().any(|secret| secret == stem))
}

fn is_known(name: &str) -> bool {
    OF_LARAVEL.contains(&name) || known().any(|known| known == name)
}

/// A file without a key, which is most likely the wrong file.
pub(super) fn file(file: &ConfigFile) -> Option<String> {
    let name = &file.name;
    file.is_empty().then(|| format!("{name} has no effect; it is empty, or has comments alone"))
}

/// Keys that were set although the value of another one switches them off.
pub(super) fn all_keys(schema: &Schema, merged: &ValueTable, apps: &[ValueTable]) -> Vec<String> {
    [keys(schema, merged), keys_of_apps(schema, apps)].concat()
}

/// Those that no app has.
fn keys(schema: &Schema, merged: &ValueTable) -> Vec<String> {
    let names: Vec<&str> = schema.names().collect();
    notes(off(&SWITCHES, &names, merged))
}

/// The same over all apps: what every app starts from has an effect if it has one in one of them.
fn keys_of_apps(schema: &Schema, apps: &[ValueTable]) -> Vec<String> {
    let names: Vec<&str> = schema.names().filter_map(|key| key.strip_prefix("app.")).collect();
    let is_off_in = |app| off(&SWITCHES_OF_APP, &names, app);
    let mut unused: BTreeMap<String, &Switch> = apps.iter().flat_map(is_off_in).collect();
    for app in apps {
        let off = is_off_in(app);
        let used = names.iter().map(|name| Values::of(app).at(name).origin.to_string());
        for origin in used.filter(|origin| !off.contains_key(origin)) {
            unused.remove(&origin);
        }
    }
    notes(unused)
}

/// The origins of the keys that were set and are switched off, each with its switch.
fn off(
    switches: &'static [Switch],
    names: &[&str],
    table: &ValueTable,
) -> BTreeMap<String, &'static Switch> {
    let values = Values::of(table);
    let is_off = |switch: &Switch| values.at(switch.key).text() == switch.off;
    let switches: Vec<&Switch> = switches.iter().filter(|switch| is_off(switch)).collect();
    let unused = |name: &&str| {
        let covers = |switch: &&&Switch| name.starts_with(switch.keys) && *name != switch.key;
        let switch = switches.iter().find(covers)?;
        let origin = values.at(name).origin;
        (!origin.is_default()).then(|| (origin.to_string(), *switch))
    };
    names.iter().filter_map(unused).collect()
}

/// One sentence for each origin.
fn notes(unused: BTreeMap<String, &Switch>) -> Vec<String> {
    let note = |(origin, switch): (String, &Switch)| {
        format!("{origin} has no effect while {} is {}", switch.key, switch.off)
    };
    unused.into_iter().map(note).collect()
}
