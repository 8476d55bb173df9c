//! Layers: tables that are merged one over the other and keep the origin of each value.
//!
//! Owns the merge, which the `config` crate does. Files and variables bring layers of their own.

use config::{Source, Value, ValueKind};

use super::error::ValueOrigin;
use super::schema::{defaults, join};
use super::values::{ValueTable, Values};

/// One source of values.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer(ValueTable);

impl Layer {
    /// The compiled defaults: the lowest layer.
    pub(super) fn of_defaults() -> Self {
        Self::of_toml(&defaults(), &|key| ValueOrigin::of_default(key).to_string())
    }

    /// A parsed TOML file; `origin` makes the origin of a key from its full path.
    pub(super) fn of_toml(table: &toml::Table, origin: &dyn Fn(&str) -> String) -> Self {
        Self(convert_table(table, "", origin))
    }

    /// Sets the value of one key, such as `server.port`.
    pub(super) fn set(&mut self, key: &str, kind: ValueKind, origin: &ValueOrigin) {
        self.0.insert(key.to_owned(), Value::new(Some(&origin.to_string()), kind));
    }

    /// Whether it has a value for a key, such as `server.port`.
    pub(super) fn sets(&self, key: &str) -> bool {
        self.0.contains_key(key) || Values::of(&self.0).get(key).is_some()
    }
}

impl From<ValueTable> for Layer {
    fn from(table: ValueTable) -> Self {
        Self(table)
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<ValueTable, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// Merges key by key; later layers win, arrays are replaced as a whole.
pub(super) fn merge(layers: Vec<Layer>) -> ValueTable {
    let start = config::Config::builder();
    let builder = layers.into_iter().fold(start, |builder, layer| builder.add_source(layer));
    let merged = builder.build().expect("layers in memory have nothing that could fail");
    merged.collect().expect("the merge of tables is a table")
}

fn convert_table(table: &toml::Table, path: &str, origin: &dyn Fn(&str) -> String) -> ValueTable {
    let convert = |(name, value): (&String, _)| {
        (name.clone(), convert_value(value, &join(path, name), origin))
    };
    table.iter().map(convert).collect()
}

fn convert_value(value: &toml::Value, key: &str, origin: &dyn Fn(&str) -> String) -> Value {
    let kind = match value {
        toml::Value::Table(table) => ValueKind::Table(convert_table(table, key, origin)),
        toml::Value::Array(items) => {
            let numbered = items.iter().enumerate();
            let convert = |(index, item)| convert_value(item, &format!("{key}[{index}]"), origin);
            ValueKind::Array(numbered.map(convert).collect())
        }
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Boolean(truth) => (*truth).into(),
        toml::Value::Float(number) => (*number).into(),
        // The schema has no key of this type.
        toml::Value::Datetime(time) => time.to_string().into(),
    };
    Value::new(Some(&origin(key)), kind)
}

#[cfg(test)]
mod tests {
    use super::{Layer, Values, merge};
    use crate::config::schema::{FILE_ONLY, Schema};

    #[test]
    fn every_default_keeps_its_origin() {
        let merged = merge(vec![Layer::of_defaults()]);
        for key in Schema::new().names().chain(FILE_ONLY) {
            let origin = Values::of(&merged).at(key).origin;
            assert!(origin.is_default(), "{key}");
            assert_eq!(origin.to_string(), format!("{key} (the default)"));
        }
    }
}
