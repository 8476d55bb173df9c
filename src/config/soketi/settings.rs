//! The variables of soketi that set one key each, and the units of their values.
//!
//! Owns the names and the conversion. What is read together with others is left to the files beside this one.

use crate::config::environment::Environment;
use crate::config::error::{ConfigError, ValueOrigin};

/// How the names begin.
pub(crate) const PREFIX: &str = "SOKETI_";

/// How a value becomes that of a key.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// As it is.
    Same,
    /// true, false, 1 or 0.
    Truth,
    /// -1 is no limit, which is 0 here.
    Limit,
    /// Kilobytes, with a fraction, that become bytes.
    Kilobytes,
    /// Milliseconds that become whole seconds, rounded up.
    Milliseconds,
    /// Whether members of private and presence channels may send client events.
    Members,
    /// `redis`, which makes nodes a cluster; the other drivers have no counterpart.
    Adapter,
}

/// Their names without the prefix, and the keys that they set.
pub(super) const SETTINGS: [(&str, &str, Form); 20] = [
    ("HOST", "server.host", Form::Same),
    ("PORT", "server.port", Form::Same),
    ("PATH_PREFIX", "server.path", Form::Same),
    ("SHUTDOWN_GRACE_PERIOD", "server.drain_seconds", Form::Milliseconds),
    ("DEBUG", "log.debug", Form::Truth),
    ("SSL_CERT", "tls.certificate", Form::Same),
    ("SSL_KEY", "tls.key", Form::Same),
    ("ADAPTER_DRIVER", "cluster.enabled", Form::Adapter),
    ("DEFAULT_APP_ENABLED", "app.enabled", Form::Truth),
    ("DEFAULT_APP_MAX_CONNS", "app.max_connections", Form::Limit),
    ("DEFAULT_APP_ENABLE_CLIENT_MESSAGES", "app.accept_client_events_from", Form::Members),
    ("DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SEC", "app.max_client_events_per_second", Form::Limit),
    ("EVENT_MAX_BATCH_SIZE", "app.max_events_per_batch", Form::Same),
    ("EVENT_MAX_CHANNELS_AT_ONCE", "app.max_channels_per_event", Form::Same),
    ("EVENT_MAX_NAME_LENGTH", "app.max_event_name_chars", Form::Same),
    ("EVENT_MAX_SIZE_IN_KB", "app.max_event_data_bytes", Form::Kilobytes),
    ("CHANNEL_LIMITS_MAX_NAME_LENGTH", "app.max_channel_name_bytes", Form::Same),
    ("CHANNEL_CACHE_TTL", "cache.ttl_seconds", Form::Same),
    ("PRESENCE_MAX_MEMBERS", "app.max_presence_members", Form::Same),
    ("PRESENCE_MAX_MEMBER_SIZE", "app.max_presence_user_info_bytes", Form::Kilobytes),
];

/// Names that are read together with others.
pub(super) const IN_GROUPS: [&str; 9] = [
    "DEFAULT_APP_USER_AUTHENTICATION",
    "USER_AUTHENTICATION_TIMEOUT",
    "METRICS_ENABLED",
    "METRICS_HOST",
    "METRICS_SERVER_PORT",
    "DEFAULT_APP_WEBHOOKS",
    "WEBHOOKS_BATCHING",
    "WEBHOOKS_BATCHING_DURATION",
    "DEFAULT_APP_ID",
];

/// The value of one of soketi's variables, by its name without the prefix.
pub(super) fn value<'v>(variables: &'v Environment, name: &str) -> Option<(&'v str, ValueOrigin)> {
    variables.value(&format!("{PREFIX}{name}"))
}

impl Form {
    /// The text of the value here; `None` if it sets nothing.
    pub(super) fn convert(
        self,
        text: &str,
        origin: &ValueOrigin,
    ) -> Result<Option<String>, ConfigError> {
        Ok(Some(match self {
            Self::Same => text.to_owned(),
            Self::Truth => is_true(text, origin)?.to_string(),
            Self::Limit if text == "-1" => "0".to_owned(),
            Self::Limit => text.to_owned(),
            Self::Kilobytes => bytes(text, origin)?,
            Self::Milliseconds => seconds(text, origin)?,
            Self::Members => {
                let senders = if is_true(text, origin)? { "members" } else { "none" };
                senders.to_owned()
            }
            Self::Adapter if text == "redis" => "true".to_owned(),
            Self::Adapter => return Ok(None),
        }))
    }
}

pub(super) fn is_true(text: &str, origin: &ValueOrigin) -> Result<bool, ConfigError> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(origin.refuse(format_args!("{text:?}"), "it must be true, false, 1 or 0")),
    }
}

/// soketi's kilobytes have 1024 bytes.
fn bytes(text: &str, origin: &ValueOrigin) -> Result<String, ConfigError> {
    let kilobytes = text.parse::<f64>().ok().filter(|it| (0.0..=1_048_576.0).contains(it));
    let bytes = kilobytes.map(|it| (it * 1024.0).ceil().to_string());
    bytes.ok_or_else(|| {
        origin.refuse(format_args!("{text:?}"), "it must be a number of kilobytes, such as 100")
    })
}

pub(super) fn seconds(text: &str, origin: &ValueOrigin) -> Result<String, ConfigError> {
    let ms = text.parse::<u64>().ok();
    ms.map(|ms| ms.div_ceil(1000).to_string()).ok_or_else(|| {
        origin.refuse(format_args!("{text:?}"), "it must be a number of milliseconds, such as 3000")
    })
}
