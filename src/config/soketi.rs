//! soketi's variables, for those who leave it: which keys they set here, and what has no counterpart.
//!
//! Owns soketi's names and units. The ranges are those of the keys, whose sections check them; the app of soketi is
//! that of `app_variables`.

use config::{Value, ValueKind};

use super::environment::Environment;
use super::error::ConfigError;
use super::layers::Layer;
use super::schema::Schema;

mod missing;
mod redis;
mod settings;
mod webhooks;

pub(super) use missing::notes;
pub(super) use redis::redis_layer;

use settings::{SETTINGS, is_true, seconds, value};

/// Where soketi serves metrics.
const METRICS_PORT: &str = "9601";
const METRICS_HOST: &str = "0.0.0.0";

/// Milliseconds for which soketi waits for a sign-in.
const SIGN_IN_MS: &str = "30000";

/// The layer of all settings but the address of Redis.
pub(super) fn layer(variables: &Environment, schema: &Schema) -> Result<Layer, ConfigError> {
    let mut layer = Layer::default();
    for (name, key, form) in SETTINGS {
        let Some((text, origin)) = value(variables, name) else { continue };
        if let Some(text) = form.convert(text, &origin)? {
            layer.set(key, schema.parse(key, &text, &origin)?, &origin);
        }
    }
    if let Some((enabled, origin)) = value(variables, "DEFAULT_APP_USER_AUTHENTICATION")
        && is_true(enabled, &origin)?
    {
        let timeout = value(variables, "USER_AUTHENTICATION_TIMEOUT");
        let (ms, origin) = timeout.unwrap_or((SIGN_IN_MS, origin));
        let (key, seconds) = ("app.authorization_timeout_seconds", seconds(ms, &origin)?);
        layer.set(key, schema.parse(key, &seconds, &origin)?, &origin);
    }
    if let Some((enabled, origin)) = value(variables, "METRICS_ENABLED")
        && is_true(enabled, &origin)?
    {
        let part = |name, default| value(variables, name).map_or(default, |(text, _)| text);
        let host = part("METRICS_HOST", METRICS_HOST);
        let address = format!("{host}:{}", part("METRICS_SERVER_PORT", METRICS_PORT));
        layer.set("metrics.listen", address.into(), &origin);
    }
    if let Some((text, origin)) = value(variables, "DEFAULT_APP_WEBHOOKS") {
        let window = webhooks::batch_window(variables)?;
        let tables = webhooks::endpoints(text, &origin, window)?;
        let entry = |table| Value::new(Some(&origin.to_string()), ValueKind::Table(table));
        layer.set(
            "app.webhooks",
            ValueKind::Array(tables.into_iter().map(entry).collect()),
            &origin,
        );
    }
    Ok(layer)
}
