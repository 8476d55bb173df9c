//! The keys of the configuration and the type of each: those of `config/defaults.toml`.
//!
//! Owns the check of a file against them, and how the text of a variable or flag becomes a value.
//! Which of these values are in range is left to the sections.

use std::collections::BTreeMap;
use std::num::IntErrorKind;
use std::ops::Range;

use config::{Value, ValueKind};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::error::{ConfigError, ValueOrigin};
use super::list;
use super::secret::{FILE_KEY, is_secret};
use super::suggest::{nearest, renamed};
use super::values::RATIO;

/// The keys that a file alone can set: a list of tables has no form as the text of a variable.
pub(super) const FILE_ONLY: [&str; 2] = [WEBHOOKS, PACING];

const WEBHOOKS: &str = "app.webhooks";
const PACING: &str = "app.pacing";

/// Another one: the list of the Redis that Laravel publishes to.
pub(super) const LARAVEL_REDIS: &str = "laravel_redis";

/// The keys of an `[[apps]]` entry that `[app]` does not have.
pub(super) const CREDENTIALS: [&str; 3] = ["id", "key", "secret"];

/// One more, which an app may do without.
pub(super) const PREVIOUS_SECRET: &str = "previous_secret";

/// The name of an app's id in Reverb's `config/reverb.php`.
pub(super) const OLD_ID: &str = "app_id";

/// Texts that may stand in a file as numbers, if they are of digits alone.
const NUMBERS_TOO: [&str; 8] = [
    "limits.memory_bytes",
    "apps.id",
    "cluster.password",
    "cluster.sentinel_password",
    "app.webhooks.password",
    "laravel_redis.app",
    "laravel_redis.password",
    "laravel_redis.sentinel_password",
];

const DEFAULTS: &str = include_str!("../../config/defaults.toml");

/// The keys of an entry of `app.webhooks`, with what they are if they are left out.
const WEBHOOK: &str = r#"
url = ""
events = []
channel_prefix = ""
channel_suffix = ""
headers = {}
batch_window_ms = 0
password = ""
ca_file = ""
"#;

/// The keys of an entry of `laravel_redis`, with what they are if neither the entry nor a variable of Laravel
/// sets them; `prefix` has no default.
const LARAVEL_REDIS_ENTRY: &str = r#"
app = ""
prefix = ""
url = ""
host = "127.0.0.1"
port = 6379
username = ""
password = ""
sentinel_username = ""
sentinel_password = ""
ca_file = ""
timeout_ms = 1000
queue_bytes = 16777216
"#;

/// The same of `app.pacing`.
const PACING_ENTRY: &str = r#"
channels = ""
latest_within_ms = 0
spread_over_ms = 0
"#;

/// The compiled defaults.
pub(super) fn defaults() -> toml::Table {
    toml::from_str(DEFAULTS).expect("the compiled defaults are TOML: every test reads them")
}

/// The defaults of an entry of `app.webhooks`.
pub(super) fn webhook() -> toml::Table {
    toml::from_str(WEBHOOK).expect("the keys of a webhook are TOML: every test reads them")
}

/// The defaults of an entry of `laravel_redis`.
pub(super) fn laravel_redis() -> toml::Table {
    toml::from_str(LARAVEL_REDIS_ENTRY)
        .expect("the keys of an input are TOML: every test reads them")
}

/// The defaults of an entry of `app.pacing`.
pub(super) fn pacing() -> toml::Table {
    toml::from_str(PACING_ENTRY).expect("the keys of a pace are TOML: every test reads them")
}

#[derive(Debug, Clone, Copy)]
enum ValueType {
    Text,
    TextOrNumber,
    Number,
    Ratio,
    Truth,
    Texts,
}

/// What may stand at a key of a file.
#[derive(Debug, Clone)]
enum Shape {
    Value(ValueType),
    /// A table of texts under any names.
    Fields,
    Table(Keys),
    /// A list of tables.
    Tables(Keys),
}

/// The keys of a table in the order of `config/defaults.toml`.
type Keys = Vec<(String, Shape)>;

/// What is wrong with a file: the bytes and a sentence.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) span: Range<usize>,
    pub(super) text: String,
}

/// Every key.
#[derive(Debug)]
pub(super) struct Schema {
    file: Keys,
    /// Those that a variable or flag can set.
    values: BTreeMap<String, ValueType>,
}

impl Schema {
    pub(super) fn new() -> Self {
        let defaults = defaults();
        let mut file = keys(&defaults, "");
        let text = |key: &str| (key.to_owned(), Shape::Value(text_type(&format!("apps.{key}"))));
        let mut app: Keys = CREDENTIALS.map(text).into();
        app.push(text(PREVIOUS_SECRET));
        app.extend(
            defaults
                .get("app")
                .and_then(toml::Value::as_table)
                .map(|app| keys(app, "app"))
                .unwrap_or_default(),
        );
        file.push(("apps".to_owned(), Shape::Tables(app)));
        let input = keys(&laravel_redis(), LARAVEL_REDIS);
        file.push((LARAVEL_REDIS.to_owned(), Shape::Tables(input)));
        let mut values = BTreeMap::new();
        collect(&file, "", &mut values);
        add_secret_files(&mut file, "");
        Self { file, values }
    }

    /// The keys that a variable or flag can set, such as `server.port`.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Reads the text of a variable or flag as the type of `key`.
    pub(super) fn parse(
        &self,
        key: &str,
        text: &str,
        origin: &ValueOrigin,
    ) -> Result<ValueKind, ConfigError> {
        let of = self.values.get(key).expect("flags and variables set keys of defaults.toml only");
        match of {
            ValueType::Text | ValueType::TextOrNumber => Ok(text.into()),
            ValueType::Number => match text.parse::<u64>() {
                Ok(number) => Ok(number.into()),
                Err(error) => {
                    let allowed = match error.kind() {
                        IntErrorKind::PosOverflow => "it must be a smaller number",
                        _ if text.parse::<i128>().is_ok() => "it must not be negative",
                        _ => "it must be a whole number",
                    };
                    Err(origin.refuse(format_args!("{text:?}"), allowed))
                }
            },
            ValueType::Ratio => match text.parse::<f64>() {
                Ok(number) => Ok(number.into()),
                Err(_) => Err(origin.refuse(format_args!("{text:?}"), RATIO)),
            },
            ValueType::Truth => match text.to_ascii_lowercase().as_str() {
                "true" | "1" => Ok(true.into()),
                "false" | "0" => Ok(false.into()),
                _ => Err(origin.refuse(format_args!("{text:?}"), "it must be true or false")),
            },
            ValueType::Texts => {
                let items = list::items(text).ok_or_else(|| match is_secret(key) {
                    true => origin.flaw(format_args!("is no list; {LIST_AS_TEXT}")),
                    false => origin.refuse(format_args!("{text:?}"), LIST_AS_TEXT),
                })?;
                let value = |item: String| Value::new(Some(&origin.to_string()), item);
                Ok(ValueKind::Array(items.into_iter().map(value).collect()))
            }
        }
    }

    /// Whether a file has known keys only, each with a value of its type.
    pub(super) fn check(&self, file: &DeTable<'_>) -> Result<(), Flaw> {
        check_table(file, &self.file, "")
    }
}

fn keys(table: &toml::Table, path: &str) -> Keys {
    let shape = |(name, value): (&String, &toml::Value)| {
        let key = join(path, name);
        let shape = match value {
            _ if key == WEBHOOKS => Shape::Tables(keys(&webhook(), WEBHOOKS)),
            _ if key == PACING => Shape::Tables(keys(&pacing(), PACING)),
            toml::Value::Table(table) if table.is_empty() => Shape::Fields,
            toml::Value::Table(table) => Shape::Table(keys(table, &key)),
            toml::Value::Integer(_) => Shape::Value(ValueType::Number),
            toml::Value::Float(_) => Shape::Value(ValueType::Ratio),
            toml::Value::Boolean(_) => Shape::Value(ValueType::Truth),
            toml::Value::Array(_) => Shape::Value(ValueType::Texts),
            _ => Shape::Value(text_type(&key)),
        };
        (name.clone(), shape)
    };
    table.iter().map(shape).collect()
}

/// Beside each secret, the key of the file that may hold it. It has no variable of its own: that of the
/// secret ends with `_FILE` instead.
fn add_secret_files(keys: &mut Keys, path: &str) {
    let of_secret = |(name, _): &&(String, Shape)| is_secret(&join(path, name));
    let files: Keys = keys
        .iter()
        .filter(of_secret)
        .map(|(name, _)| (format!("{name}{FILE_KEY}"), Shape::Value(ValueType::Text)))
        .collect();
    for (name, shape) in keys.iter_mut() {
        if let Shape::Table(inner) | Shape::Tables(inner) = shape {
            add_secret_files(inner, &join(path, name));
        }
    }
    keys.extend(files);
}

fn text_type(key: &str) -> ValueType {
    if NUMBERS_TOO.contains(&key) { ValueType::TextOrNumber } else { ValueType::Text }
}

fn collect(keys: &Keys, path: &str, values: &mut BTreeMap<String, ValueType>) {
    for (name, shape) in keys {
        let key = join(path, name);
        match shape {
            Shape::Value(of) => drop(values.insert(key, *of)),
            Shape::Table(inner) => collect(inner, &key, values),
            Shape::Fields | Shape::Tables(_) => {}
        }
    }
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn check_table(table: &DeTable<'_>, keys: &Keys, path: &str) -> Result<(), Flaw> {
    for (name, value) in table {
        let (span, name) = (name.span(), &**name.get_ref());
        let known = if path == "apps" && name == OLD_ID { CREDENTIALS[0] } else { name };
        let Some((_, shape)) = keys.iter().find(|(key, _)| key == known) else {
            return Err(Flaw { span, text: unknown(name, keys, path) });
        };
        check_value(value, shape, &join(path, name))?;
    }
    Ok(())
}

fn check_value(value: &Spanned<DeValue<'_>>, shape: &Shape, path: &str) -> Result<(), Flaw> {
    let flaw = |text: &str| Err(Flaw { span: value.span(), text: text.to_owned() });
    match (shape, value.get_ref()) {
        (Shape::Value(of), found) => check_type(*of, found, value.span()),
        (Shape::Table(keys), DeValue::Table(table)) => check_table(table, keys, path),
        (Shape::Fields, DeValue::Table(table)) => {
            let is_text = |value: &Spanned<DeValue<'_>>| {
                check_type(ValueType::Text, value.get_ref(), value.span())
            };
            table.values().try_for_each(is_text)
        }
        (Shape::Tables(keys), DeValue::Array(items)) => items.iter().try_for_each(|item| {
            let DeValue::Table(table) = item.get_ref() else {
                return check_value(item, &Shape::Table(keys.clone()), path);
            };
            if path == "apps" && table.contains_key(CREDENTIALS[0]) && table.contains_key(OLD_ID) {
                return Err(Flaw { span: item.span(), text: "id is set twice".to_owned() });
            }
            check_table(table, keys, path)
        }),
        (Shape::Table(_) | Shape::Fields, DeValue::Array(_)) => {
            flaw("it must be one table, as in [server], and no list")
        }
        (Shape::Table(_) | Shape::Fields, _) => {
            flaw("it must be a table: its name in brackets, its keys below it")
        }
        (Shape::Tables(_), DeValue::Table(_)) => flaw(LIST_OF_TABLES),
        (Shape::Tables(_), _) => flaw(LIST),
    }
}

const LIST_AS_TEXT: &str = "it must be a list such as a,b or [\"a\",\"b\"]";
const LIST: &str = "it must be a list in brackets, as in [\"a\", \"b\"]";
const LIST_OF_TABLES: &str = "it must be a list: a table in it has two brackets, as in [[apps]]";

fn check_type(of: ValueType, found: &DeValue<'_>, span: Range<usize>) -> Result<(), Flaw> {
    use ValueType::{Number, Ratio, Text, TextOrNumber, Texts, Truth};
    let text = match (of, found) {
        (Text | TextOrNumber, DeValue::String(_)) | (Truth, DeValue::Boolean(_)) => return Ok(()),
        (Ratio, DeValue::Float(_) | DeValue::Integer(_)) => return Ok(()),
        (TextOrNumber, DeValue::Integer(number)) if is_u64(number) => return Ok(()),
        (Number, DeValue::Integer(number)) => match number.as_str() {
            _ if is_u64(number) => return Ok(()),
            negative if negative.starts_with('-') => "it must not be negative",
            _ => "it must be a smaller number",
        },
        (Texts, DeValue::Array(items)) => {
            let is_text =
                |item: &Spanned<DeValue<'_>>| check_type(Text, item.get_ref(), item.span());
            return items.iter().try_for_each(is_text);
        }
        (Text | TextOrNumber, _) => "it must be text in quotes",
        (Number, DeValue::String(_)) => "it must be a whole number, without quotes",
        (Number, _) => "it must be a whole number",
        (Ratio, _) => RATIO,
        (Truth, DeValue::String(_)) => "it must be true or false, without quotes",
        (Truth, _) => "it must be true or false",
        (Texts, DeValue::Table(_)) => LIST_OF_TABLES,
        (Texts, _) => LIST,
    };
    Err(Flaw { span, text: text.to_owned() })
}

/// TOML itself has no larger numbers than those of an `i64`.
fn is_u64(number: &DeInteger<'_>) -> bool {
    i64::from_str_radix(number.as_str(), number.radix()).is_ok_and(|number| number >= 0)
}

/// The nearest key of the table, else all of them.
fn unknown(name: &str, keys: &Keys, path: &str) -> String {
    let section = if path == "apps" { "app" } else { path };
    let now = renamed(|old| old == join(section, name));
    let now = now.and_then(|key| key.rsplit('.').next());
    let known: Vec<&str> = keys.iter().map(|(key, _)| key.as_str()).collect();
    match now.or_else(|| nearest(name, known.iter().copied())) {
        Some(key) => format!("{name} is not known; did you mean {key}?"),
        None => format!("{name} is not known; known are {}", known.join(", ")),
    }
}
