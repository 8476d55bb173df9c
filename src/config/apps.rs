//! Apps: `[app]` under each `[[apps]]` entry, the one of the environment, and their rules.
//!
//! Owns the merge of an entry with what every app starts from, and the checks of all its keys.
//! Knows nothing of what the limits do.

use config::{Value, ValueKind};

use super::layers::{self, Layer, Places, Table};
use super::problem::{Place, Problem};
use super::{webhooks, written};
use crate::app::{
    App, AppLimits, Apps, ClientEvents, Duplicate, MessageRate, OriginPattern, Origins, Secret,
};

/// How the names of events begin that mean something to clients already.
const RESERVED: [&str; 3] = ["pusher:", "pusher_internal:", "client-"];

/// One `[[apps]]` entry as it was written, and where.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) place: String,
    pub(super) table: Table,
}

/// The entries of the file.
pub(super) fn entries(merged: &Table) -> Vec<Entry> {
    let Some(ValueKind::Array(values)) = merged.get("apps").map(|apps| &apps.kind) else {
        return Vec::new();
    };
    let entry = |value: &Value| match &value.kind {
        ValueKind::Table(table) => {
            let mut table = table.clone();
            if let Some(id) = table.remove("app_id") {
                table.insert("id".to_owned(), id);
            }
            Some(Entry { place: value.origin().unwrap_or_default().to_owned(), table })
        }
        _ => None,
    };
    values.iter().filter_map(entry).collect()
}

/// Adds the app of the environment. If the file has it, id and key alike, only its secret counts:
/// secrets are what deployments keep out of files.
pub(super) fn add(entries: &mut Vec<Entry>, credentials: Option<Table>) {
    let Some(table) = credentials else { return };
    let same = |entry: &&mut Entry| {
        ["id", "key"].iter().all(|key| text(&entry.table, key) == text(&table, key))
    };
    match entries.iter_mut().find(same) {
        Some(entry) => {
            let secret = table.get("secret").cloned().unwrap_or_else(|| "".into());
            entry.table.insert("secret".to_owned(), secret);
        }
        None => entries.push(Entry { place: "the REVERB_APP_* variables".to_owned(), table }),
    }
}

/// Each entry over what every app starts from.
pub(super) fn tables(merged: &Table, entries: &[Entry]) -> Vec<Table> {
    let starts_from = match merged.get("app").map(|app| &app.kind) {
        Some(ValueKind::Table(table)) => table.clone(),
        _ => Table::new(),
    };
    let over = |entry: &Entry| {
        layers::merge(vec![starts_from.clone().into(), Layer::from(entry.table.clone())])
    };
    entries.iter().map(over).collect()
}

/// Builds and checks every app; `tables` has the merged one of each entry.
pub(super) fn build(
    tables: &[Table],
    entries: &[Entry],
    outbox_bytes: usize,
) -> Result<Apps, Problem> {
    let mut apps = Vec::new();
    for (table, entry) in tables.iter().zip(entries) {
        let written: written::App = layers::read(table.clone())?;
        let places = Places::of(table);
        let app = app(&written, &places, &entry.place)?;
        fits_outbox(&app, &places, outbox_bytes)?;
        apps.push(app);
    }
    Apps::new(apps).map_err(|duplicate| twice(&duplicate, entries))
}

fn app(written: &written::App, places: &Places<'_>, entry: &str) -> Result<App, Problem> {
    let at = |key: &str| places.at(key);
    let credential = |key: &str, found: &str, name: &str| -> Result<String, Problem> {
        let allowed = format!("it must be the {name} of your Laravel app");
        match places.origin(key) {
            None => Err(Place::new(format!("{entry}.{key}")).refuse("missing", allowed)),
            Some(_) if found.is_empty() => Err(at(key).refuse("empty", allowed)),
            Some(_) => Ok(found.to_owned()),
        }
    };
    Ok(App {
        id: plain(credential("id", &written.id, "REVERB_APP_ID")?, &at("id"))?,
        key: plain(credential("key", &written.key, "REVERB_APP_KEY")?, &at("key"))?,
        secret: secret(
            &credential("secret", &written.secret, "REVERB_APP_SECRET")?,
            &at("secret"),
        )?,
        enabled: written.enabled,
        allowed_origins: origins(written, &at("allowed_origins"))?,
        activity_timeout: at("activity_timeout").seconds(written.activity_timeout)?,
        ping_interval: at("ping_interval").seconds(written.ping_interval)?,
        pong_timeout: at("pong_timeout_seconds").seconds(written.pong_timeout_seconds)?,
        require_protocol: written.require_protocol,
        authorization_timeout: at("authorization_timeout_seconds")
            .seconds_or_never(written.authorization_timeout_seconds)?,
        watchlist_events: written.watchlist_events,
        subscription_count_events: written.subscription_count_events,
        terminate_presence_users: written.terminate_presence_users,
        gap_event: gap_event(written, &at("gap_event"))?,
        webhooks: webhooks::webhooks(&written.webhooks, &at("webhooks"))?,
        accept_client_events_from: client_events(written, &at("accept_client_events_from"))?,
        limits: limits(written, places)?,
    })
}

fn limits(written: &written::App, places: &Places<'_>) -> Result<AppLimits, Problem> {
    let bytes = |key: &str, found: u64| places.at(key).bytes(found);
    let bound = |key: &str, found: u64| places.at(key).bound(found);
    Ok(AppLimits {
        connections: bound("max_connections", written.max_connections)?,
        message_bytes: bytes("max_message_size", written.max_message_size)?,
        subscriptions: bytes("max_subscriptions", written.max_subscriptions)?,
        client_events_per_second: bound(
            "max_client_events_per_second",
            written.max_client_events_per_second,
        )?,
        messages: message_rate(&written.rate_limiting, places)?,
        channel_name_bytes: bytes("max_channel_name_bytes", written.max_channel_name_bytes)?,
        event_name_chars: bytes("max_event_name_chars", written.max_event_name_chars)?,
        event_data_bytes: bytes("max_event_data_bytes", written.max_event_data_bytes)?,
        event_data_warn_bytes: bytes("event_data_warn_bytes", written.event_data_warn_bytes)?,
        channels_per_event: bytes("max_channels_per_event", written.max_channels_per_event)?,
        events_per_batch: bytes("max_events_per_batch", written.max_events_per_batch)?,
        presence_members: bytes("max_presence_members", written.max_presence_members)?,
        watchlist_users: bytes("max_watchlist_users", written.max_watchlist_users)?,
        presence_user_id_bytes: bytes(
            "max_presence_user_id_bytes",
            written.max_presence_user_id_bytes,
        )?,
        presence_user_info_bytes: bytes(
            "max_presence_user_info_bytes",
            written.max_presence_user_info_bytes,
        )?,
    })
}

/// Checked even while it is off, so that switching it on brings no surprise.
fn message_rate(
    written: &written::RateLimiting,
    places: &Places<'_>,
) -> Result<Option<MessageRate>, Problem> {
    let attempts = places.at("rate_limiting.max_attempts");
    let decay = places.at("rate_limiting.decay_seconds");
    let rate = MessageRate {
        max_attempts: attempts.number(written.max_attempts, 1..=u64::from(u32::MAX))?,
        decay: decay.seconds(written.decay_seconds)?,
        terminate_on_limit: written.terminate_on_limit,
    };
    Ok(written.enabled.then_some(rate))
}

fn client_events(written: &written::App, place: &Place) -> Result<ClientEvents, Problem> {
    match written.accept_client_events_from.as_str() {
        "members" => Ok(ClientEvents::Members),
        "all" => Ok(ClientEvents::All),
        "none" => Ok(ClientEvents::None),
        other => Err(place.refuse(format_args!("{other:?}"), "allowed are members, all and none")),
    }
}

/// The client would take it for one of the protocol, or of another client.
fn gap_event(written: &written::App, place: &Place) -> Result<Option<String>, Problem> {
    let name = &written.gap_event;
    if RESERVED.iter().any(|prefix| name.starts_with(prefix)) {
        let allowed = "names that begin with pusher:, pusher_internal: and client- are not the \
                       server's to give away";
        return Err(place.refuse(format_args!("{name:?}"), allowed));
    }
    let (chars, most) = (name.chars().count() as u64, written.max_event_name_chars);
    if chars > most {
        let allowed = format!("it must not be longer than max_event_name_chars, which is {most}");
        return Err(place.refuse(format_args!("{chars} characters long"), allowed));
    }
    Ok(Some(name.clone()).filter(|name| !name.is_empty()))
}

/// An empty list would refuse every browser, which nobody wants an app for.
fn origins(written: &written::App, place: &Place) -> Result<Origins, Problem> {
    if written.allowed_origins.is_empty() {
        let allowed = "it must have at least one pattern; [\"*\"] allows every page";
        return Err(place.refuse("empty", allowed));
    }
    let parse = |text: &String| {
        let allowed = "a pattern is [scheme://]host[:port], where * stands for any characters";
        OriginPattern::parse(text)
            .ok_or_else(|| Problem::new(format!("{place} has {text:?}; {allowed}")))
    };
    let patterns = written.allowed_origins.iter().map(parse).collect::<Result<_, _>>()?;
    Ok(Origins::new(patterns, written.require_origin))
}

/// Ids and keys stand in the paths of URLs, and clients put them there as they are. What RFC 3986 does
/// not allow there is encoded by browsers, refused by Java and Swift, or ends the path; the segments
/// `.` and `..` disappear.
fn plain(text: String, place: &Place) -> Result<String, Problem> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(c);
    if !text.chars().all(fits) || text == "." || text == ".." {
        let allowed = "clients put it into URLs as it is, so it must consist of A-Z a-z 0-9 and \
                       - . _ ~ ! $ & ' ( ) * + , ; = : @, and be neither . nor ..";
        return Err(place.refuse(format_args!("{text:?}"), allowed));
    }
    Ok(text)
}

/// A line break comes from a file that was read whole; back ends sign without it. The value is not
/// shown.
fn secret(text: &str, place: &Place) -> Result<Secret, Problem> {
    if text.contains(char::is_control) {
        let allowed = "it must be one line, as the back end has it: no signature would fit";
        return Err(place.refuse("text with a line break or another control character", allowed));
    }
    Ok(Secret::new(text))
}

/// An event that is larger than an outbox would close every socket it is sent to.
fn fits_outbox(app: &App, places: &Places<'_>, outbox_bytes: usize) -> Result<(), Problem> {
    let bytes = app.limits.event_data_bytes;
    if bytes > outbox_bytes {
        let allowed = format!(
            "it must not be more than websocket.outbox_bytes, which is {outbox_bytes}: such an \
             event would close every socket it is sent to"
        );
        return Err(places.at("max_event_data_bytes").refuse(bytes, allowed));
    }
    Ok(())
}

fn twice(duplicate: &Duplicate, entries: &[Entry]) -> Problem {
    let (key, found) = match duplicate {
        Duplicate::Id(id) => ("id", id),
        Duplicate::Key(key) => ("key", key),
    };
    let same = entries.iter().filter(|entry| text(&entry.table, key).as_ref() == Some(found));
    let places: Vec<&str> = same.map(|entry| entry.place.as_str()).collect();
    Problem::new(format!("{duplicate}: {}", places.join(" and ")))
}

/// A credential as text, whether it was written as a string or as a number.
fn text(table: &Table, key: &str) -> Option<String> {
    table.get(key)?.clone().into_string().ok()
}
