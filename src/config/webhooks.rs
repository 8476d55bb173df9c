//! Webhooks: the `webhooks` lists of `[app]` and `[[apps]]` entries, and their rules.
//!
//! Owns the checks of one endpoint: its address, its events, its headers. The address of a queue is read by
//! `laravel_queue`; the calls are made by the room `webhook`.

use std::collections::HashSet;

use axum::http::{HeaderName, HeaderValue, Uri};

use super::error::{ConfigError, ValueOrigin, enumeration};
use super::laravel_queue::{is_laravel_queue, laravel_queue};
use super::layers::{self, Layer};
use super::schema;
use super::values::{Setting, Values};
use crate::app::{Webhook, WebhookKind, WebhookTarget};

/// Events that are gathered for longer arrive too late for what webhooks are for.
const LONGEST_BATCH_MILLIS: u64 = 60_000;

/// Fields that follow from the body and the address of a call.
const FIELDS_OF_THE_CALL: [&str; 3] = ["content-type", "content-length", "host"];
/// Fields of Pusher's own, the signature among them.
const FIELDS_OF_PUSHER: &str = "x-pusher-";

const ADDRESS: &str =
    "it must be an http:// or https:// address with a host, such as https://example.com/pusher";

/// Builds and checks the endpoints of one app.
pub(super) fn webhooks(list: &Setting<'_>) -> Result<Vec<Webhook>, ConfigError> {
    let one = |(origin, table): (ValueOrigin, _)| {
        let of_default = |key: &str| origin.part(format_args!(".{key}")).to_string();
        let defaults = Layer::of_toml(&schema::webhook(), &of_default);
        let merged = layers::merge(vec![defaults, Layer::from(table)]);
        webhook(Values::of(&merged), &origin)
    };
    list.tables().into_iter().map(one).collect()
}

fn webhook(values: Values<'_>, origin: &ValueOrigin) -> Result<Webhook, ConfigError> {
    let (url, target) = match is_laravel_queue(&values.at("url").text()) {
        true => jobs(values, origin)?,
        false => calls(values, origin)?,
    };
    Ok(Webhook {
        url,
        target,
        events: events(&values.at("events"))?,
        channel_prefix: values.at("channel_prefix").text(),
        channel_suffix: values.at("channel_suffix").text(),
        batch_window: values.at("batch_window_ms").millis(0..=LONGEST_BATCH_MILLIS)?,
    })
}

fn jobs(values: Values<'_>, origin: &ValueOrigin) -> Result<(String, WebhookTarget), ConfigError> {
    let queue = laravel_queue(values)?;
    if !values.at("headers").fields().is_empty() {
        return Err(origin
            .part(".headers")
            .flaw("is for http:// and https://; a job has no headers"));
    }
    Ok((queue.to_string(), WebhookTarget::LaravelQueue(Box::new(queue))))
}

fn calls(values: Values<'_>, origin: &ValueOrigin) -> Result<(String, WebhookTarget), ConfigError> {
    let url = url(&values.at("url"))?;
    for key in ["password", "ca_file"] {
        let setting = values.at(key);
        if setting.text_if_any().is_some() {
            return Err(setting.flaw("is for the Redis of laravel-queue://; remove it"));
        }
    }
    let headers = headers(&values.at("headers"), &origin.part(".headers"))?;
    Ok((url, WebhookTarget::Http { headers }))
}

/// A text that may hold a password is not shown.
fn url(setting: &Setting<'_>) -> Result<String, ConfigError> {
    let text = setting.text();
    if text.is_empty() {
        return Err(setting.refuse("missing", ADDRESS));
    }
    if has_user_info(&text) {
        let flaw = "has a user name or password; send them in headers, as Authorization";
        return Err(setting.flaw(flaw));
    }
    setting.parsed(|text| is_address(text).then(|| text.to_owned()), ADDRESS)
}

/// Looks at the text itself: one that does not parse may hold a password too.
pub(super) fn has_user_info(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

pub(super) fn is_address(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let Some(authority) = uri.authority() else { return false };
    // The parser takes any digits for a port, and none.
    let has_valid_port = authority.as_str() == authority.host() || authority.port_u16().is_some();
    matches!(uri.scheme_str(), Some("http" | "https"))
        && !authority.host().is_empty()
        && has_valid_port
}

fn events(setting: &Setting<'_>) -> Result<Vec<WebhookKind>, ConfigError> {
    let parse = |name: &String| {
        WebhookKind::parse(name).ok_or_else(|| {
            let allowed = enumeration(&WebhookKind::ALL.map(WebhookKind::name));
            setting.flaw(format_args!("has {name:?}; allowed are {allowed}"))
        })
    };
    setting.texts().iter().map(parse).collect()
}

/// The merge keeps no origin for a table.
fn headers(
    setting: &Setting<'_>,
    origin: &ValueOrigin,
) -> Result<Vec<(String, String)>, ConfigError> {
    let fields = setting.fields();
    let mut seen = HashSet::new();
    for (name, value) in &fields {
        if !seen.insert(field_name(name, origin)?) {
            let flaw = format_args!("has {name:?} twice; capitals make no other name of it");
            return Err(origin.flaw(flaw));
        }
        // Tokens are sent so; the value is not shown.
        if HeaderValue::from_str(value).is_err() {
            let field = origin.part(format_args!(".{name}"));
            let flaw = "has a control character; a header field is one line of text";
            return Err(field.flaw(flaw));
        }
    }
    Ok(fields.into_iter().collect())
}

fn field_name(name: &str, origin: &ValueOrigin) -> Result<HeaderName, ConfigError> {
    let refuse = |allowed: &str| Err(origin.flaw(format_args!("has {name:?}; {allowed}")));
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        return refuse("the name of a header field is of letters, digits and !#$%&'*+-.^_`|~");
    };
    if parsed.as_str().starts_with(FIELDS_OF_PUSHER) {
        return refuse("names that start with X-Pusher- are set by the server");
    }
    if FIELDS_OF_THE_CALL.contains(&parsed.as_str()) {
        return refuse("Content-Type, Content-Length and Host are set by the server");
    }
    Ok(parsed)
}
