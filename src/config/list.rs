//! A list as the text of one variable or flag: items with commas between them, or JSON.
//!
//! Owns how the text is split into items.

/// The items, without the spaces and quotes around them; `None` for broken JSON.
pub(super) fn items(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if is_json(text) {
        // Quotes within quotes, as `.env` and compose files have them, may still be escaped.
        let unescaped = || serde_json::from_str(&text.replace("\\\"", "\""));
        let items: Vec<String> = serde_json::from_str(text).or_else(|_| unescaped()).ok()?;
        return Some(items.iter().map(|item| item.trim().to_owned()).collect());
    }
    let item = |item: &str| {
        let item = item.trim().trim_matches(['"', '\'']).trim();
        (!item.is_empty()).then(|| item.to_owned())
    };
    Some(text.split(',').filter_map(item).collect())
}

/// A bracket is also how an IPv6 address begins.
fn is_json(text: &str) -> bool {
    let address = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let is_address = address.is_some_and(|(inner, _)| {
        inner.contains(':') && inner.chars().all(|c| c.is_ascii_hexdigit() || ":.*".contains(c))
    });
    text.starts_with(['[', '{']) && !is_address
}

#[cfg(test)]
mod tests {
    use super::items;

    #[test]
    fn commas_and_json_give_the_same_items() {
        for (text, expected) in [
            ("a.example,*.b.example", &["a.example", "*.b.example"][..]),
            (" a , b ,, ", &["a", "b"]),
            ("\"a\", 'b'", &["a", "b"]),
            // What is left of `"a", "b"` without the quotes around the whole.
            ("a\", \"b", &["a", "b"]),
            ("[\"*\"]", &["*"]),
            ("[ \"a\" , \" b \" ]", &["a", "b"]),
            ("[\\\"a\\\",\\\"b\\\"]", &["a", "b"]),
            ("[]", &[]),
            ("[::1]:3000,localhost", &["[::1]:3000", "localhost"]),
        ] {
            assert_eq!(items(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn broken_json_is_no_list() {
        for text in ["[\"a\"", "['a']", "[a.example]", "[*]", "[1]", "[\"a\",]", "{\"a\":1}", "["] {
            assert_eq!(items(text), None, "{text}");
        }
    }
}
