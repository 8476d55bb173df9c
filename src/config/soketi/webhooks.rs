//! soketi's webhooks, a list in JSON, as entries of `app.webhooks`.
//!
//! Owns soketi's form of an endpoint. What an endpoint must be is checked where ours are.

use std::collections::BTreeMap;

use config::{Map, Value, ValueKind};
use serde::Deserialize;

use super::settings::{is_true, value};
use crate::config::environment::Environment;
use crate::config::error::{ConfigError, ValueOrigin};
use crate::config::values::ValueTable;

/// Milliseconds for which soketi gathers events.
const BATCH_MS: &str = "50";

/// One endpoint.
#[derive(Deserialize)]
struct Endpoint {
    url: Option<String>,
    #[serde(default)]
    event_types: Vec<String>,
    #[serde(default)]
    filter: Filter,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    lambda_function: Option<String>,
}

#[derive(Default, Deserialize)]
struct Filter {
    #[serde(default)]
    channel_name_starts_with: String,
    #[serde(default)]
    channel_name_ends_with: String,
}

/// The endpoints that a URL has; those of AWS Lambda have no counterpart.
pub(super) fn endpoints(
    text: &str,
    origin: &ValueOrigin,
    batch_window_ms: u64,
) -> Result<Vec<ValueTable>, ConfigError> {
    let table = |endpoint: Endpoint| {
        let value = |kind: ValueKind| Value::new(Some(&origin.to_string()), kind);
        let text = |text: &str| value(text.into());
        let events = endpoint.event_types.iter().map(|name| text(name)).collect();
        let headers = endpoint.headers.iter().map(|(name, it)| (name.clone(), text(it)));
        Map::from_iter([
            ("url".to_owned(), text(&endpoint.url.unwrap_or_default())),
            ("events".to_owned(), value(ValueKind::Array(events))),
            ("channel_prefix".to_owned(), text(&endpoint.filter.channel_name_starts_with)),
            ("channel_suffix".to_owned(), text(&endpoint.filter.channel_name_ends_with)),
            ("headers".to_owned(), value(ValueKind::Table(headers.collect()))),
            ("batch_window_ms".to_owned(), value(batch_window_ms.into())),
        ])
    };
    let of_url = parse(text, origin)?.into_iter().filter(|it| it.lambda_function.is_none());
    Ok(of_url.map(table).collect())
}

/// The milliseconds for which events are gathered; 0 is not at all.
pub(super) fn batch_window(variables: &Environment) -> Result<u64, ConfigError> {
    let Some((enabled, origin)) = value(variables, "WEBHOOKS_BATCHING") else { return Ok(0) };
    if !is_true(enabled, &origin)? {
        return Ok(0);
    }
    let (text, origin) =
        value(variables, "WEBHOOKS_BATCHING_DURATION").unwrap_or((BATCH_MS, origin));
    text.parse().map_err(|_| {
        origin.refuse(format_args!("{text:?}"), "it must be a number of milliseconds, such as 50")
    })
}

/// Whether an endpoint is a function of AWS Lambda.
pub(super) fn has_lambda(text: &str) -> bool {
    let list: Vec<Endpoint> = serde_json::from_str(text).unwrap_or_default();
    list.iter().any(|it| it.lambda_function.is_some())
}

/// The headers may hold a token, so the text is not shown.
fn parse(text: &str, origin: &ValueOrigin) -> Result<Vec<Endpoint>, ConfigError> {
    serde_json::from_str(text).map_err(|_| {
        origin.flaw(
            "is no list of webhooks in soketi's form, such as \
             [{\"url\":\"https://example.com\",\"event_types\":[\"member_added\"]}]",
        )
    })
}
