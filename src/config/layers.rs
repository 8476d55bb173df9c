//! Layers: tables that are merged one over the other and remember where each value was written.
//!
//! Owns the merge (the `config` crate does it), the compiled defaults and the types they imply.
//! Knows neither files nor variables: those bring their layer.

use std::collections::BTreeMap;
use std::num::IntErrorKind;

use config::{Map, Source, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::list;
use super::problem::{Place, Problem};

/// A table as the `config` crate holds it; the origin of each leaf is the text of its [`Place`].
pub(super) type Table = Map<String, Value>;

const DEFAULTS: &str = include_str!("../../config/defaults.toml");

/// The key that a file alone can set: a list of tables has no form as the text of a variable.
pub(super) const FILE_ONLY: &str = "app.webhooks";

/// One source of values.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer(Table);

impl Layer {
    /// A parsed TOML file; `place` makes the place of a key's full path.
    pub(super) fn of_toml(table: &toml::Table, place: &dyn Fn(&str) -> String) -> Self {
        Self(convert_table(table, "", place))
    }

    /// Sets the value of one key, such as `server.port`.
    pub(super) fn set(&mut self, key: &str, kind: ValueKind, place: &Place) {
        self.0.insert(key.to_owned(), Value::new(Some(&place.to_string()), kind));
    }

    /// Whether it has a value for a key, such as `server.port`.
    pub(super) fn sets(&self, key: &str) -> bool {
        self.0.contains_key(key) || Places(&self.0).origin(key).is_some()
    }
}

impl From<Table> for Layer {
    fn from(table: Table) -> Self {
        Self(table)
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Table, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// The compiled defaults: the lowest layer.
pub(super) fn defaults() -> Layer {
    Layer::of_toml(&default_table(), &|key| Place::of_default(key).to_string())
}

fn default_table() -> toml::Table {
    toml::from_str(DEFAULTS).expect("the compiled defaults are TOML: every test reads them")
}

/// Merges key by key; later layers win, arrays are replaced as a whole.
pub(super) fn merge(layers: Vec<Layer>) -> Table {
    let start = config::Config::builder();
    let builder = layers.into_iter().fold(start, |builder, layer| builder.add_source(layer));
    let merged = builder.build().expect("layers in memory have nothing that could fail");
    merged.collect().expect("the merge of tables is a table")
}

/// The merged table in its Rust type. Fails only for a type that no layer checked.
pub(super) fn read<T: DeserializeOwned>(table: Table) -> Result<T, Problem> {
    let value = Value::new(None, ValueKind::Table(table));
    value.try_deserialize().map_err(|error| Problem::new(error.to_string()))
}

/// Where the values of a merged table were written.
#[derive(Debug)]
pub(super) struct Places<'a>(&'a Table);

impl<'a> Places<'a> {
    pub(super) fn of(table: &'a Table) -> Self {
        Self(table)
    }

    /// The place of a key such as `server.port`; a key nobody wrote is its own place.
    pub(super) fn at(&self, key: &str) -> Place {
        Place::new(self.origin(key).unwrap_or(key))
    }

    /// The place as it was remembered; `None` for a key that no layer has.
    pub(super) fn origin(&self, key: &str) -> Option<&'a str> {
        self.value(key)?.origin()
    }

    /// The value of a key as text, if it is no table and no list.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.value(key)?.clone().into_string().ok()
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        let (parents, leaf) = key.rsplit_once('.').map_or((None, key), |(p, l)| (Some(p), l));
        let mut table = self.0;
        for parent in parents.into_iter().flat_map(|parents| parents.split('.')) {
            table = match &table.get(parent)?.kind {
                ValueKind::Table(inner) => inner,
                _ => return None,
            };
        }
        table.get(leaf)
    }
}

/// Every key that a variable or flag can set, with the type its default has.
#[derive(Debug)]
pub(super) struct Keys(BTreeMap<String, Type>);

#[derive(Debug, Clone, Copy)]
enum Type {
    Text,
    Number,
    Truth,
    List,
}

impl Keys {
    pub(super) fn of_defaults() -> Self {
        let mut keys = BTreeMap::new();
        collect(&default_table(), "", &mut keys);
        Self(keys)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Reads `text` as the type of `key`.
    pub(super) fn parse(&self, key: &str, text: &str, place: &Place) -> Result<ValueKind, Problem> {
        let kind = self.0.get(key).expect("flags and variables set keys of defaults.toml only");
        match kind {
            Type::Text => Ok(text.into()),
            Type::Number => match text.parse::<u64>() {
                Ok(number) => Ok(number.into()),
                Err(error) => {
                    let allowed = match error.kind() {
                        IntErrorKind::PosOverflow => "it must be a smaller number",
                        _ if text.parse::<i128>().is_ok() => "it must not be negative",
                        _ => "it must be a whole number",
                    };
                    Err(place.refuse(format_args!("{text:?}"), allowed))
                }
            },
            Type::Truth => match text.to_ascii_lowercase().as_str() {
                "true" | "1" => Ok(true.into()),
                "false" | "0" => Ok(false.into()),
                _ => Err(place.refuse(format_args!("{text:?}"), "it must be true or false")),
            },
            Type::List => {
                let items = list::items(text).ok_or_else(|| {
                    let allowed = "it must be a list such as a,b or [\"a\",\"b\"]";
                    place.refuse(format_args!("{text:?}"), allowed)
                })?;
                let value = |item: String| value(item.into(), place);
                Ok(ValueKind::Array(items.into_iter().map(value).collect()))
            }
        }
    }
}

fn value(kind: ValueKind, place: &Place) -> Value {
    Value::new(Some(&place.to_string()), kind)
}

fn collect(table: &toml::Table, prefix: &str, keys: &mut BTreeMap<String, Type>) {
    for (name, value) in table {
        let key = join(prefix, name);
        match value {
            _ if key == FILE_ONLY => {}
            toml::Value::Table(inner) => collect(inner, &key, keys),
            toml::Value::Integer(_) => drop(keys.insert(key, Type::Number)),
            toml::Value::Boolean(_) => drop(keys.insert(key, Type::Truth)),
            toml::Value::Array(_) => drop(keys.insert(key, Type::List)),
            _ => drop(keys.insert(key, Type::Text)),
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn convert_table(table: &toml::Table, prefix: &str, place: &dyn Fn(&str) -> String) -> Table {
    let convert = |(name, value): (&String, _)| {
        (name.clone(), convert_value(value, &join(prefix, name), place))
    };
    table.iter().map(convert).collect()
}

fn convert_value(value: &toml::Value, key: &str, place: &dyn Fn(&str) -> String) -> Value {
    let kind = match value {
        toml::Value::Table(table) => ValueKind::Table(convert_table(table, key, place)),
        toml::Value::Array(items) => {
            let numbered = items.iter().enumerate();
            let convert = |(index, item)| convert_value(item, &format!("{key}[{index}]"), place);
            ValueKind::Array(numbered.map(convert).collect())
        }
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Boolean(truth) => (*truth).into(),
        // No key has these types, so the shape of the file refuses them before.
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Datetime(time) => time.to_string().into(),
    };
    Value::new(Some(&place(key)), kind)
}
