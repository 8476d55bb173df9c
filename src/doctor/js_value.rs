//! Values in JavaScript, as authors and minifiers write them.
//!
//! Owns the small part of the language that options of Laravel Echo are written in: literals, `??`, `||`, `===`,
//! `?:`, `parseInt`, variables of the build. Everything else is [`JsValue::Other`], never a guess.

use crate::text_cursor::TextCursor;

/// Deeper nesting than any options have.
const DEPTH_MAX: usize = 32;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JsValue {
    Text(String),
    Number(i64),
    Bool(bool),
    Undefined,
    Null,
    Object(Vec<(String, Self)>),
    /// An expression that is not followed, as it is written.
    Other(String),
}

/// A variable that the build puts in, such as `VITE_REVERB_HOST`.
pub(super) type BuildVariables<'v> = &'v dyn Fn(&str) -> Option<String>;

impl JsValue {
    /// Reads the object that begins at this byte of a text, which is its `{`.
    pub(super) fn object_at(text: &str, at: usize, variables: BuildVariables<'_>) -> Option<Self> {
        let mut cursor = TextCursor::new(text);
        cursor.go_to(at);
        Reader { cursor, variables, depth: 0 }.object()
    }

    /// Whether an `if` takes it for true; `None` if that is not known.
    pub(super) fn truth(&self) -> Option<bool> {
        Some(match self {
            Self::Text(text) => !text.is_empty(),
            Self::Number(number) => *number != 0,
            Self::Bool(truth) => *truth,
            Self::Undefined | Self::Null => false,
            Self::Object(_) => true,
            Self::Other(_) => return None,
        })
    }

    /// The field of an object: the last of its name, `Undefined` without one.
    pub(super) fn field(&self, name: &str) -> Self {
        let Self::Object(fields) = self else { return Self::Other(String::new()) };
        let found = fields.iter().rev().find(|(key, _)| key == name);
        found.map_or(Self::Undefined, |(_, value)| value.clone())
    }
}

struct Reader<'t> {
    cursor: TextCursor<'t>,
    variables: BuildVariables<'t>,
    depth: usize,
}

impl Reader<'_> {
    /// What follows the blanks.
    fn ahead(&mut self) -> &str {
        self.cursor.run(char::is_whitespace);
        self.cursor.rest()
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.cursor.run(char::is_whitespace);
        self.cursor.take(sign)
    }

    fn next_is(&mut self, signs: &[char]) -> bool {
        self.ahead().starts_with(signs)
    }

    fn object(&mut self) -> Option<JsValue> {
        if !self.takes("{") {
            return None;
        }
        let mut fields = Vec::new();
        loop {
            if self.takes("}") {
                return Some(JsValue::Object(fields));
            }
            if self.takes("...") {
                self.value();
                fields.push(("...".to_owned(), JsValue::Undefined));
            } else {
                let name = self.name()?;
                let value =
                    if self.takes(":") { self.value() } else { JsValue::Other(name.clone()) };
                fields.push((name, value));
            }
            if !self.takes(",") && !self.next_is(&['}']) {
                return None;
            }
        }
    }

    fn name(&mut self) -> Option<String> {
        match self.ahead().chars().next()? {
            '"' | '\'' | '`' => self.string(),
            _ => {
                let word = self.word();
                (!word.is_empty()).then_some(word)
            }
        }
    }

    fn word(&mut self) -> String {
        self.cursor.run(|c| c.is_alphanumeric() || matches!(c, '_' | '$')).to_owned()
    }

    /// A value up to the comma or bracket behind it.
    fn value(&mut self) -> JsValue {
        self.ahead();
        let (start, depth) = (self.cursor.at(), self.depth);
        self.depth += 1;
        let value = if self.depth > DEPTH_MAX { None } else { self.expression() };
        self.depth = depth;
        if let Some(value) = value
            && self.next_is(&[',', '}', ')', ']'])
        {
            return value;
        }
        self.cursor.go_to(start);
        self.skip_expression();
        let written = self.cursor.since(start).trim();
        JsValue::Other(written.chars().take(60).collect())
    }

    fn expression(&mut self) -> Option<JsValue> {
        let condition = self.alternatives()?;
        if self.ahead().starts_with("?.") || !self.takes("?") {
            return Some(condition);
        }
        let yes = self.expression()?;
        let no = self.takes(":").then(|| self.expression())??;
        Some(match condition.truth() {
            Some(true) => yes,
            Some(false) => no,
            None => JsValue::Other("a condition".to_owned()),
        })
    }

    fn alternatives(&mut self) -> Option<JsValue> {
        let mut left = self.comparison()?;
        loop {
            let (is_left, sign) = if self.takes("??") {
                (!matches!(left, JsValue::Undefined | JsValue::Null), "??")
            } else if self.takes("||") {
                (left.truth() != Some(false), "||")
            } else {
                return Some(left);
            };
            let right = self.comparison()?;
            left = match &left {
                JsValue::Other(written) => JsValue::Other(format!("{written} {sign} …")),
                _ if is_left => left,
                _ => right,
            };
        }
    }

    fn comparison(&mut self) -> Option<JsValue> {
        let left = self.unary()?;
        let is_equal = if self.takes("===") || self.takes("==") {
            true
        } else if self.takes("!==") || self.takes("!=") {
            false
        } else {
            return Some(left);
        };
        let right = self.unary()?;
        Some(match (&left, &right) {
            (JsValue::Other(written), _) | (_, JsValue::Other(written)) => {
                JsValue::Other(written.clone())
            }
            _ => JsValue::Bool((left == right) == is_equal),
        })
    }

    fn unary(&mut self) -> Option<JsValue> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let value = if !self.ahead().starts_with("!=") && self.takes("!") {
            let value = self.unary()?;
            value.truth().map_or(value, |truth| JsValue::Bool(!truth))
        } else if self.takes("+") {
            number(&self.unary()?)
        } else {
            self.primary()?
        };
        self.depth -= 1;
        Some(value)
    }

    fn primary(&mut self) -> Option<JsValue> {
        match self.ahead().chars().next()? {
            '"' | '\'' => self.string().map(JsValue::Text),
            '`' => Some(match self.string()? {
                text if text.contains("${") => JsValue::Other(text),
                text => JsValue::Text(text),
            }),
            digit if digit.is_ascii_digit() => self.word().parse().ok().map(JsValue::Number),
            '(' => {
                self.takes("(");
                let value = self.expression()?;
                self.takes(")").then_some(value)
            }
            // What a minifier leaves of a variable that the build does not have.
            '{' => {
                let object = self.object()?;
                if self.takes(".") { Some(object.field(&self.word())) } else { Some(object) }
            }
            _ => self.path(),
        }
    }

    /// A word, `import.meta.env.NAME`, or a call.
    fn path(&mut self) -> Option<JsValue> {
        let mut path = self.word();
        match path.as_str() {
            "" | "new" | "function" | "async" | "class" => return None,
            "void" => return self.unary().map(|_| JsValue::Undefined),
            "true" => return Some(JsValue::Bool(true)),
            "false" => return Some(JsValue::Bool(false)),
            "undefined" => return Some(JsValue::Undefined),
            "null" => return Some(JsValue::Null),
            _ => {}
        }
        while self.cursor.take(".") || self.cursor.take("?.") {
            let word = self.word();
            path = format!("{path}.{word}");
        }
        if self.takes("(") {
            let first = self.value();
            while self.takes(",") {
                self.value();
            }
            let is_number = matches!(path.as_str(), "parseInt" | "Number" | "Number.parseInt");
            let value =
                if is_number { number(&first) } else { JsValue::Other(format!("{path}(…)")) };
            return self.takes(")").then_some(value);
        }
        let variable =
            path.strip_prefix("import.meta.env.").or_else(|| path.strip_prefix("process.env."));
        Some(match variable {
            Some(name) => (self.variables)(name).map_or(JsValue::Undefined, JsValue::Text),
            None => JsValue::Other(path),
        })
    }

    fn string(&mut self) -> Option<String> {
        self.cursor.quoted(|behind, text| text.push(behind))
    }

    fn skip_expression(&mut self) {
        let mut depth = 0_usize;
        while let Some(next) = self.cursor.peek() {
            match next {
                '"' | '\'' | '`' if self.string().is_some() => continue,
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' | ',' if depth == 0 => return,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            self.cursor.step();
        }
    }
}

fn number(value: &JsValue) -> JsValue {
    match value {
        JsValue::Text(text) => {
            text.trim().parse().map_or(JsValue::Other("NaN".to_owned()), JsValue::Number)
        }
        JsValue::Undefined => JsValue::Other("NaN".to_owned()),
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::JsValue;

    fn check(written: &str, expected: &JsValue) {
        let variables = |name: &str| (name == "VITE_PORT").then(|| "8080".to_owned());
        let text = format!("x={{a:{written},b:1}}");
        let object = JsValue::object_at(&text, 2, &variables);
        let object = object.unwrap_or_else(|| panic!("{written}"));
        assert_eq!(&object.field("a"), expected, "{written}");
        assert_eq!(object.field("b"), JsValue::Number(1), "{written}");
    }

    #[test]
    fn what_authors_and_minifiers_write_is_followed() {
        let text = |text: &str| JsValue::Text(text.to_owned());
        for written in ["\"ab\"", "'ab'", "`ab`", "(\"ab\")", "\"\"||'ab'", "void 0??\"ab\""] {
            check(written, &text("ab"));
        }
        for written in
            ["8080", "parseInt(\"8080\",10)", "Number(import.meta.env.VITE_PORT)", "+`8080`"]
        {
            check(written, &JsValue::Number(8080));
        }
        check("import.meta.env.VITE_PORT ?? 80", &text("8080"));
        check("import.meta.env.VITE_NONE ?? 80", &JsValue::Number(80));
        check("{}.VITE_NONE", &JsValue::Undefined);
        check("{BASE_URL:\"/\",DEV:!1}.VITE_NONE", &JsValue::Undefined);
        check("!0", &JsValue::Bool(true));
        check("(\"https\"??\"https\")===\"https\"", &JsValue::Bool(true));
        check("\"http\" !== 'https'", &JsValue::Bool(true));
        check("void 0===void 0?void 0:1", &JsValue::Undefined);
    }

    #[test]
    fn what_is_not_followed_is_kept_as_it_is_written() {
        for (written, kept) in [
            ("window.location.hostname", "window.location.hostname"),
            ("t", "t"),
            ("`a${b}`", "a${b}"),
            ("function(){return{a:1}}", "function(){return{a:1}}"),
            ("e=>({c:e})", "e=>({c:e})"),
            ("f(1,2)", "f(…)"),
            ("[\"ws\",\"wss\"]", "[\"ws\",\"wss\"]"),
        ] {
            check(written, &JsValue::Other(kept.to_owned()));
        }
    }

    #[test]
    fn what_is_no_object_is_none() {
        for text in ["{a:1", "{a 1}", "{", "{\"a", "1"] {
            assert_eq!(JsValue::object_at(text, 0, &|_| None), None, "{text}");
        }
        JsValue::object_at(&"{a:".repeat(10_000), 0, &|_| None);
        JsValue::object_at(&format!("{{a:{}", "!".repeat(10_000)), 0, &|_| None);
    }
}
