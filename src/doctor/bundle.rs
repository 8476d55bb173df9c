//! What a user attaches to a report: the diagnosis, and the set-up that it is about.
//!
//! Owns the form: one JSON object, so that its reader sees all of it before it is sent. Every text passes the
//! redaction of the set-up. Where the file goes is left to `cli`.

use serde_json::{Map, Value, json};

use super::diagnosis::Diagnosis;
use super::env_file::LaravelEnv;
use super::json_report::{WithHints, json_report};
use super::setup::Setup;
use super::system::system;
use crate::build_info;

/// Of the form of a bundle: it changes when a field is removed or means something else.
const BUNDLE_VERSION: u32 = 1;

/// One JSON object and the end of its line. `server` is what the running server says at its internal listener.
pub fn bundle(setup: &Setup, diagnosis: &Diagnosis, server: &Value) -> String {
    let report: Value =
        serde_json::from_str(&json_report(diagnosis, WithHints::Yes)).unwrap_or_default();
    let bundle = json!({
        "bundle_version": BUNDLE_VERSION,
        "resound": build_info::DESCRIPTION,
        "system": system(),
        "report": report,
        "env": setup.env().map(env),
        "configuration": configuration(setup),
        "server": server,
    });
    let bundle = redacted(bundle, setup);
    serde_json::to_string_pretty(&bundle).expect("strings and numbers always serialize") + "\n"
}

/// The variables as the report shows them: credentials, and all that is not about broadcasting, as fingerprints.
fn env(env: &LaravelEnv) -> Value {
    let lines = env.variables.all().iter().map(|variable| {
        let shown = env.shown(variable);
        json!({ "line": variable.line, "shown": shown })
    });
    json!({ "file": env.name, "variables": lines.collect::<Vec<Value>>() })
}

/// The keys that something sets, as `resound check` prints them, or why the configuration is refused.
fn configuration(setup: &Setup) -> Value {
    match &setup.config {
        None => Value::Null,
        Some(Err(error)) => json!({ "refused": error.to_string() }),
        Some(Ok(config)) => {
            let set = config.resolved.keys().filter(|key| !key.is_default);
            let rows =
                set.map(|key| json!({ "key": key.key, "value": key.value, "source": key.source }));
            json!({ "keys": rows.collect::<Vec<Value>>() })
        }
    }
}

/// The same value with fingerprints in the place of secrets, in names too.
fn redacted(value: Value, setup: &Setup) -> Value {
    match value {
        Value::String(text) => Value::String(setup.redaction.of_text(&text)),
        Value::Array(values) => {
            values.into_iter().map(|value| redacted(value, setup)).collect::<Vec<Value>>().into()
        }
        Value::Object(fields) => {
            let fields = fields.into_iter();
            let clean = fields
                .map(|(name, value)| (setup.redaction.of_text(&name), redacted(value, setup)));
            Value::Object(clean.collect::<Map<String, Value>>())
        }
        other => other,
    }
}
