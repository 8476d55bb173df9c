//! The lines of a TOML file: on which one each key stands.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::schema::{CREDENTIALS, OLD_ID, join};

/// The line of each key by its full name, such as `apps[0].id`; none if the text is not TOML.
pub(super) fn of_keys(text: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    if let Ok(file) = DeTable::parse(text) {
        add(text, file.get_ref(), "", &mut lines);
    }
    lines
}

/// The line of a byte, counted from 1.
pub(super) fn line(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

fn add(text: &str, table: &DeTable<'_>, path: &str, lines: &mut BTreeMap<String, usize>) {
    for (name, value) in table {
        let is_old_id = path.starts_with("apps[") && &**name.get_ref() == OLD_ID;
        let key = join(path, if is_old_id { CREDENTIALS[0] } else { name.get_ref() });
        lines.insert(key.clone(), line(text, name.span().start));
        match value.get_ref() {
            DeValue::Table(inner) => add(text, inner, &key, lines),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let DeValue::Table(inner) = item.get_ref() {
                        add(text, inner, &format!("{key}[{index}]"), lines);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::of_keys;

    #[test]
    fn each_key_has_its_line() {
        let lines = of_keys("[server]\nport = 1\n\n[[apps]]\napp_id = 1\n[[apps]]\nkey = \"k\"\n");
        for (key, line) in [("server.port", 2), ("apps[0].id", 5), ("apps[1].key", 7)] {
            assert_eq!(lines.get(key), Some(&line), "{key}");
        }
        assert!(of_keys("[server").is_empty());
    }
}
