//! Literals of PHP: what `var_export` writes, and the same in brackets.
//!
//! Owns reading `bootstrap/cache/config.php`. An expression that is no literal is [`PhpLiteral::Other`]; nothing
//! is evaluated.

/// Deeper nesting than any configuration has.
const DEPTH_MAX: usize = 64;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PhpLiteral {
    Text(String),
    Number(i64),
    Bool(bool),
    Null,
    Array(Vec<(String, Self)>),
    /// Anything else.
    Other,
}

impl PhpLiteral {
    /// The value that a file returns.
    pub(super) fn of_file(text: &str) -> Option<Self> {
        let start = text.find("return")? + "return".len();
        Reader { text, at: start }.value(0)
    }

    /// The value at `a.b.c`.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |value, name| match value {
            Self::Array(entries) => {
                entries.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
            }
            _ => None,
        })
    }

    /// A scalar as text; null is `None`.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
            Self::Bool(truth) => Some(truth.to_string()),
            Self::Null | Self::Array(_) | Self::Other => None,
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn takes(&mut self, word: &str) -> bool {
        self.skip_blank();
        let begins =
            self.rest().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if begins {
            self.at += word.len();
        }
        begins
    }

    fn value(&mut self, depth: usize) -> Option<PhpLiteral> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.skip_blank();
        let first = self.rest().chars().next()?;
        if first == '\'' || first == '"' {
            return self.string(first).map(PhpLiteral::Text);
        }
        if first.is_ascii_digit() || first == '-' {
            return Some(self.number());
        }
        for (word, value) in [
            ("true", PhpLiteral::Bool(true)),
            ("false", PhpLiteral::Bool(false)),
            ("null", PhpLiteral::Null),
        ] {
            if self.takes(word) {
                return Some(value);
            }
        }
        if self.takes("array") {
            return self.takes("(").then(|| self.entries(")", depth))?;
        }
        if self.takes("[") {
            return self.entries("]", depth);
        }
        self.other();
        Some(PhpLiteral::Other)
    }

    fn string(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => match letters.next()?.1 {
                    escaped if escaped == quote || escaped == '\\' => text.push(escaped),
                    escaped => text.extend(['\\', escaped]),
                },
                _ if letter == quote => {
                    self.at += at + 1;
                    return Some(text);
                }
                _ => text.push(letter),
            }
        }
        None
    }

    fn number(&mut self) -> PhpLiteral {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | '_');
        let rest = self.rest();
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let number = rest[..end].replace('_', "").parse();
        self.at += end;
        number.map_or(PhpLiteral::Other, PhpLiteral::Number)
    }

    fn entries(&mut self, end: &str, depth: usize) -> Option<PhpLiteral> {
        let mut entries = Vec::new();
        loop {
            if self.takes(end) {
                return Some(PhpLiteral::Array(entries));
            }
            let first = self.value(depth + 1)?;
            let entry = if self.takes("=>") {
                (first.text().unwrap_or_default(), self.value(depth + 1)?)
            } else {
                (entries.len().to_string(), first)
            };
            entries.push(entry);
            if !self.takes(",") && !self.rest().trim_start().starts_with(end) {
                return None;
            }
        }
    }

    /// Skips an expression: up to the comma or bracket that ends it.
    fn other(&mut self) {
        let mut depth = 0_usize;
        while let Some(letter) = self.rest().chars().next() {
            match letter {
                '\'' | '"' if self.string(letter).is_some() => continue,
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' | ',' if depth == 0 => return,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            self.at += letter.len_utf8();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PhpLiteral;

    #[test]
    fn what_laravel_caches_is_read() {
        let text = r"<?php return array (
  'app' => array ('key' => 'base64:x', 'debug' => false, 'cipher' => NULL,
    'when' => \App\Kind::One, 'f' => (object) array( 'a' => 1, ), 'rate' => 0.5, ),
  'broadcasting' =>
  array (
    'default' => 'reverb',
    'connections' => array ('reverb' => array (
        'key' => 'it\'s', 'options' => array ('host' => 'a\\b', 'port' => '443', 'n' => 8080, 0 => 'x'),),),
  ),
  'list' => ['a', 'b',],
);";
        let config = PhpLiteral::of_file(text).unwrap();
        let text = |path: &str| config.at(path).and_then(PhpLiteral::text);
        for (path, expected) in [
            ("broadcasting.default", Some("reverb")),
            ("broadcasting.connections.reverb.key", Some("it's")),
            ("broadcasting.connections.reverb.options.host", Some("a\\b")),
            ("broadcasting.connections.reverb.options.n", Some("8080")),
            ("app.debug", Some("false")),
            ("app.cipher", None),
            ("app.when", None),
            ("app.rate", None),
            ("list.1", Some("b")),
            ("queue.default", None),
        ] {
            assert_eq!(text(path).as_deref(), expected, "{path}");
        }
        assert_eq!(config.at("app.when"), Some(&PhpLiteral::Other));
    }

    #[test]
    fn what_is_cut_off_or_too_deep_is_refused() {
        for text in ["<?php return array ('a' => ", "<?php return array ('a' 'b')", "<?php"] {
            assert_eq!(PhpLiteral::of_file(text), None, "{text}");
        }
        assert_eq!(PhpLiteral::of_file(&format!("return {}", "[".repeat(10_000))), None);
    }
}
