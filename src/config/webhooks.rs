//! Webhooks: the `webhooks` lists of `[app]` and `[[apps]]` entries, and their rules.
//!
//! Owns the checks of one endpoint: its address, its events, its header fields. Knows nothing of
//! who calls it, and when.

use std::collections::HashSet;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Uri};

use super::problem::{Place, Problem};
use super::written;
use crate::app::{Webhook, WebhookEvent};

/// Events that are gathered for longer arrive too late for what webhooks are for.
const LONGEST_BATCH_MILLIS: u64 = 60_000;

/// Fields that follow from the body and the address of a call.
const FIELDS_OF_THE_CALL: [&str; 3] = ["content-type", "content-length", "host"];
/// Fields of Pusher's own, the signature among them.
const FIELDS_OF_PUSHER: &str = "x-pusher-";

const ADDRESS: &str =
    "it must be an http:// or https:// address with a host, such as https://example.com/pusher";

/// Builds and checks the endpoints of one app. They stand in files only, so that the place of each
/// value follows from that of the list.
pub(super) fn webhooks(
    written: &[written::Webhook],
    list: &Place,
) -> Result<Vec<Webhook>, Problem> {
    let numbered = written.iter().enumerate();
    numbered.map(|(index, written)| webhook(written, &list.inside(format!("[{index}]")))).collect()
}

fn webhook(written: &written::Webhook, place: &Place) -> Result<Webhook, Problem> {
    let at = |key: &str| place.inside(format!(".{key}"));
    let millis = at("batch_window_ms").number(written.batch_window_ms, 0..=LONGEST_BATCH_MILLIS)?;
    Ok(Webhook {
        url: url(&written.url, &at("url"))?,
        events: events(&written.events, &at("events"))?,
        channel_prefix: written.channel_prefix.clone(),
        channel_suffix: written.channel_suffix.clone(),
        headers: headers(written, &at("headers"))?,
        batch_window: Duration::from_millis(millis),
    })
}

/// What may hold a password is not shown.
fn url(text: &str, place: &Place) -> Result<String, Problem> {
    if text.is_empty() {
        return Err(place.refuse("missing", ADDRESS));
    }
    if has_user_info(text) {
        let message = "has a user name or password; send them in headers, as Authorization";
        return Err(Problem::new(format!("{place} {message}")));
    }
    if !is_address(text) {
        return Err(place.refuse(format_args!("{text:?}"), ADDRESS));
    }
    Ok(text.to_owned())
}

/// Looks at the text, since what does not parse may hold a password too.
fn has_user_info(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

fn is_address(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let Some(authority) = uri.authority() else { return false };
    // The parser takes any digits for a port, and none.
    let has_valid_port = authority.as_str() == authority.host() || authority.port_u16().is_some();
    matches!(uri.scheme_str(), Some("http" | "https"))
        && !authority.host().is_empty()
        && has_valid_port
}

fn events(written: &[String], place: &Place) -> Result<Vec<WebhookEvent>, Problem> {
    let parse = |name: &String| {
        WebhookEvent::parse(name).ok_or_else(|| {
            let [first @ .., last] = WebhookEvent::ALL.map(WebhookEvent::name);
            let allowed = format!("allowed are {} and {last}", first.join(", "));
            Problem::new(format!("{place} has {name:?}; {allowed}"))
        })
    };
    written.iter().map(parse).collect()
}

fn headers(written: &written::Webhook, place: &Place) -> Result<Vec<(String, String)>, Problem> {
    let mut seen = HashSet::new();
    for (name, value) in &written.headers {
        if !seen.insert(field_name(name, place)?) {
            let message = "twice; capitals make no other name of it";
            return Err(Problem::new(format!("{place} has {name:?} {message}")));
        }
        field_value(value, &place.inside(format!(".{name}")))?;
    }
    Ok(written.headers.clone().into_iter().collect())
}

fn field_name(name: &str, place: &Place) -> Result<HeaderName, Problem> {
    let refuse = |allowed: &str| Problem::new(format!("{place} has {name:?}; {allowed}"));
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(refuse("the name of a header field is of letters, digits and !#$%&'*+-.^_`|~"));
    };
    if parsed.as_str().starts_with(FIELDS_OF_PUSHER) {
        return Err(refuse("names that start with X-Pusher- are set by the server"));
    }
    if FIELDS_OF_THE_CALL.contains(&parsed.as_str()) {
        return Err(refuse("Content-Type, Content-Length and Host are set by the server"));
    }
    Ok(parsed)
}

/// Tokens are sent so; the value is not shown.
fn field_value(value: &str, place: &Place) -> Result<(), Problem> {
    HeaderValue::from_str(value).map(drop).map_err(|_| {
        let message = "has a control character; a header field is one line of text";
        Problem::new(format!("{place} {message}"))
    })
}
