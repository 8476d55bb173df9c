//! Apps: `[app]` under each `[[apps]]` entry and the app of the environment, with their rules.
//!
//! Owns the merge of an entry with the values that every app starts from, and the checks of all its keys.
//! What the limits do is up to the rooms that apply them.

use config::{Value, ValueKind};

use super::app_variables::AppOfVariables;
use super::auth;
use super::error::{ConfigError, ValueOrigin};
use super::layers::{self, Layer};
use super::schema::{CREDENTIALS, OLD_ID, PREVIOUS_SECRET};
use super::values::{Setting, ValueTable, Values};
use super::{pacing, webhooks};
use crate::app::{
    App, AppLimits, Apps, ClientEvents, Duplicate, MessageRate, OriginPattern, Origins, Secret,
};

/// How the names of events begin that clients take for events of the protocol or of other clients.
const RESERVED: [&str; 3] = ["pusher:", "pusher_internal:", "client-"];

/// One `[[apps]]` entry as it was written, and where.
#[derive(Debug)]
pub(super) struct AppEntry {
    pub(super) origin: String,
    pub(super) table: ValueTable,
}

/// The entries of the file.
pub(super) fn entries(merged: &ValueTable) -> Vec<AppEntry> {
    let Some(ValueKind::Array(values)) = merged.get("apps").map(|apps| &apps.kind) else {
        return Vec::new();
    };
    let entry = |value: &Value| match &value.kind {
        ValueKind::Table(table) => {
            let mut table = table.clone();
            if let Some(id) = table.remove(OLD_ID) {
                table.insert(CREDENTIALS[0].to_owned(), id);
            }
            Some(AppEntry { origin: value.origin().unwrap_or_default().to_owned(), table })
        }
        _ => None,
    };
    values.iter().filter_map(entry).collect()
}

/// Adds the app of the environment. If the file has it, id and key alike, only its secret counts:
/// secrets are what deployments keep out of files.
pub(super) fn add(entries: &mut Vec<AppEntry>, app: AppOfVariables) {
    let AppOfVariables { origin, table } = app;
    let same = |entry: &&mut AppEntry| {
        ["id", "key"].iter().all(|key| text(&entry.table, key) == text(&table, key))
    };
    match entries.iter_mut().find(same) {
        Some(entry) => {
            let secret = table.get("secret").cloned().unwrap_or_else(|| "".into());
            entry.table.insert("secret".to_owned(), secret);
            if let Some(previous) = table.get(PREVIOUS_SECRET) {
                entry.table.insert(PREVIOUS_SECRET.to_owned(), previous.clone());
            }
        }
        None => entries.push(AppEntry { origin: origin.to_owned(), table }),
    }
}

/// Each entry over the values that every app starts from.
pub(super) fn tables(merged: &ValueTable, entries: &[AppEntry]) -> Vec<ValueTable> {
    let base = match merged.get("app").map(|app| &app.kind) {
        Some(ValueKind::Table(table)) => table.clone(),
        _ => ValueTable::new(),
    };
    let over = |entry: &AppEntry| {
        layers::merge(vec![base.clone().into(), Layer::from(entry.table.clone())])
    };
    entries.iter().map(over).collect()
}

/// Builds and checks every app; `tables` has the merged one of each entry.
pub(super) fn build(
    tables: &[ValueTable],
    entries: &[AppEntry],
    outbox_bytes: usize,
) -> Result<Apps, ConfigError> {
    let mut apps = Vec::new();
    for (table, entry) in tables.iter().zip(entries) {
        let values = Values::of(table);
        let app = app(values, &entry.origin)?;
        fits_outbox(&app, values, outbox_bytes)?;
        apps.push(app);
    }
    Apps::new(apps).map_err(|duplicate| twice(&duplicate, entries))
}

fn app(values: Values<'_>, entry: &str) -> Result<App, ConfigError> {
    let credential = |key: &str, name: &str| {
        let allowed = format!("it must be the {name} of your Laravel app");
        match values.get(key) {
            None => Err(ValueOrigin::new(format!("{entry}.{key}")).refuse("missing", allowed)),
            Some(setting) if setting.text().is_empty() => Err(setting.refuse("empty", allowed)),
            Some(setting) => Ok(setting),
        }
    };
    let senders = [
        ("members", ClientEvents::Members),
        ("all", ClientEvents::All),
        ("none", ClientEvents::None),
    ];
    let messages = message_rate(values)?;
    let limits = AppLimits::read(messages, |key, range| values.at(key).number(range))?;
    Ok(App {
        id: plain(&credential("id", "REVERB_APP_ID")?)?,
        key: plain(&credential("key", "REVERB_APP_KEY")?)?,
        secret: secret(&credential("secret", "REVERB_APP_SECRET")?)?,
        previous_secret: previous_secret(values)?,
        enabled: values.at("enabled").truth(),
        allowed_origins: origins(values)?,
        activity_timeout: values.at("activity_timeout").seconds()?,
        ping_interval: values.at("ping_interval").seconds()?,
        pong_timeout: values.at("pong_timeout_seconds").seconds()?,
        require_protocol: values.at("require_protocol").truth(),
        authorization_timeout: values.at("authorization_timeout_seconds").seconds_or_never()?,
        watchlist_events: values.at("watchlist_events").truth(),
        subscription_count_events: values.at("subscription_count_events").truth(),
        terminate_presence_users: values.at("terminate_presence_users").truth(),
        gap_event: gap_event(&values.at("gap_event"), limits.event_name_chars)?,
        auth: auth::auth(values)?,
        webhooks: webhooks::webhooks(&values.at("webhooks"))?,
        pacing: pacing::pacing(&values.at("pacing"))?,
        accept_client_events_from: values.at("accept_client_events_from").choice(&senders)?,
        limits,
    })
}

/// Checked even while it is off, so that switching it on brings no surprise.
fn message_rate(values: Values<'_>) -> Result<Option<MessageRate>, ConfigError> {
    let attempts = values.at("rate_limiting.max_attempts");
    let rate = MessageRate {
        max_attempts: attempts.number(1..=u64::from(u32::MAX))?,
        decay: values.at("rate_limiting.decay_seconds").seconds()?,
        terminate_on_limit: values.at("rate_limiting.terminate_on_limit").truth(),
    };
    Ok(values.at("rate_limiting.enabled").truth().then_some(rate))
}

fn gap_event(setting: &Setting<'_>, max_chars: usize) -> Result<Option<String>, ConfigError> {
    let name = setting.text();
    if RESERVED.iter().any(|prefix| name.starts_with(prefix)) {
        let allowed = "names that begin with pusher:, pusher_internal: and client- are not the \
                       server's to give away";
        return Err(setting.refuse(format_args!("{name:?}"), allowed));
    }
    let chars = name.chars().count();
    if chars > max_chars {
        let allowed =
            format!("it must not be longer than max_event_name_chars, which is {max_chars}");
        return Err(setting.refuse(format_args!("{chars} characters long"), allowed));
    }
    Ok(Some(name).filter(|name| !name.is_empty()))
}

/// An empty list is refused: it would admit no browser.
fn origins(values: Values<'_>) -> Result<Origins, ConfigError> {
    let setting = values.at("allowed_origins");
    let texts = setting.texts();
    if texts.is_empty() {
        let allowed = "it must have at least one pattern; [\"*\"] allows every page";
        return Err(setting.refuse("empty", allowed));
    }
    let parse = |text: &String| {
        let allowed = "a pattern is [scheme://]host[:port], where * stands for any characters";
        OriginPattern::parse(text)
            .ok_or_else(|| setting.flaw(format_args!("has {text:?}; {allowed}")))
    };
    let patterns = texts.iter().map(parse).collect::<Result<_, _>>()?;
    Ok(Origins::new(patterns, values.at("require_origin").truth()))
}

/// Ids and keys stand in the paths of URLs, and clients put them there as they are. What RFC 3986 does
/// not allow there is encoded by browsers, refused by Java and Swift, or ends the path; the segments
/// `.` and `..` disappear.
fn plain(setting: &Setting<'_>) -> Result<String, ConfigError> {
    let allowed = "clients put it into URLs as it is, so it must consist of A-Z a-z 0-9 and \
                   - . _ ~ ! $ & ' ( ) * + , ; = : @, and be neither . nor ..";
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(c);
    let is_plain = |text: &str| text.chars().all(fits) && text != "." && text != "..";
    setting.parsed(|text| is_plain(text).then(|| text.to_owned()), allowed)
}

/// A line break comes from a file that was read whole; back ends sign without it. The value is not
/// shown.
fn secret(setting: &Setting<'_>) -> Result<Secret, ConfigError> {
    let text = setting.text();
    if text.contains(char::is_control) {
        let allowed = "it must be one line, as the back end has it: no signature would fit";
        return Err(setting.refuse("text with a line break or another control character", allowed));
    }
    Ok(Secret::new(&text))
}

/// `None` where it is left out or empty, as it is after a rotation.
fn previous_secret(values: Values<'_>) -> Result<Option<Secret>, ConfigError> {
    let setting = values.get(PREVIOUS_SECRET).filter(|setting| !setting.text().is_empty());
    let Some(setting) = setting else { return Ok(None) };
    let current = values.get("secret").map(|secret| secret.text());
    if current.as_ref() == Some(&setting.text()) {
        return Err(setting.flaw("is the same as the secret; remove it, or set the new secret"));
    }
    secret(&setting).map(Some)
}

/// An event that is larger than an outbox would close every socket it is sent to.
fn fits_outbox(app: &App, values: Values<'_>, outbox_bytes: usize) -> Result<(), ConfigError> {
    let bytes = app.limits.event_data_bytes;
    if bytes > outbox_bytes {
        let allowed = format!(
            "it must not be more than websocket.outbox_bytes, which is {outbox_bytes}: such an \
             event would close every socket it is sent to"
        );
        return Err(values.at("max_event_data_bytes").refuse(bytes, allowed));
    }
    Ok(())
}

fn twice(duplicate: &Duplicate, entries: &[AppEntry]) -> ConfigError {
    let (key, found) = match duplicate {
        Duplicate::Id(id) => ("id", id),
        Duplicate::Key(key) => ("key", key),
    };
    let same = entries.iter().filter(|entry| text(&entry.table, key).as_ref() == Some(found));
    let origins: Vec<&str> = same.map(|entry| entry.origin.as_str()).collect();
    ConfigError::new(format!("{duplicate}: {}", origins.join(" and ")))
}

/// A credential as text, whether it was written as a string or as a number.
fn text(table: &ValueTable, key: &str) -> Option<String> {
    Some(Values::of(table).get(key)?.text())
}
