//! The expressions of a configuration file, read into values.
//!
//! Owns which expressions are data. Any other one is skipped to the end of its item and kept as unread: a value that is
//! guessed would be worse than one that is named.

use super::tokens::{Token, TokenKind};
use super::value::{PhpData, PhpError, PhpItem, PhpValue};
use crate::dotenv::EnvLiteral;

/// Arrays in arrays, of which real files have six.
const DEPTH_MAX: usize = 64;

/// What `env()` reads.
type Variable<'a, 'e> = &'a dyn Fn(&str) -> Option<&'e str>;

pub(super) struct Parser<'a, 'e> {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    variable: Variable<'a, 'e>,
}

impl<'a, 'e> Parser<'a, 'e> {
    pub(super) fn new(tokens: Vec<Token>, variable: Variable<'a, 'e>) -> Self {
        Self { tokens, at: 0, depth: 0, variable }
    }

    /// `declare`, `use`, then `return` and an array.
    pub(super) fn file(mut self) -> Result<PhpValue, PhpError> {
        let is_return =
            |token: &Token| matches!(&token.kind, TokenKind::Name(name) if name == "return");
        let Some(start) = self.tokens.iter().position(is_return) else {
            return Err(PhpError { line: 1, flaw: "there is no return with an array" });
        };
        let before = self.tokens[..start].iter().filter(|token| token.raw == "{").count();
        let line = self.tokens[start].line;
        if before > 0 {
            return Err(PhpError { line, flaw: "the array is made by code that is not read" });
        }
        self.at = start + 1;
        let value = self.item(&[";"]);
        match (&value.data, self.sign()) {
            (PhpData::Array(_), Some(";") | None) => Ok(value),
            _ => Err(PhpError {
                line: value.line,
                flaw: "what is returned is not an array in brackets",
            }),
        }
    }

    /// A whole expression, up to one of the signs that may end it; unread if it is more than data.
    fn item(&mut self, ends: &[&str]) -> PhpValue {
        let (start, line) = (self.at, self.line());
        if let Some(value) = self.expression()
            && self.sign().is_none_or(|sign| ends.contains(&sign))
        {
            return value;
        }
        self.at = start;
        self.skip();
        let raw = self.tokens[start..self.at].iter().map(|token| token.raw.as_str());
        let raw = raw.collect::<Vec<_>>().join(" ");
        PhpValue::new(PhpData::Unread(raw), line)
    }

    /// To the `,`, `)`, `]` or `;` that ends the expression.
    fn skip(&mut self) {
        let mut depth = 0usize;
        while let Some(token) = self.tokens.get(self.at) {
            match token.raw.as_str() {
                _ if token.kind != TokenKind::Sign => {}
                "," | ";" if depth == 0 => return,
                ")" | "]" | "}" if depth == 0 => return,
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// `a ?? b`, `a ?: b`, `a . b`, `a === b`, from left to right, of operands that are data.
    fn expression(&mut self) -> Option<PhpValue> {
        let mut value = self.operand()?;
        while let Some(sign @ ("??" | "?:" | "." | "===" | "!==")) = self.sign() {
            let sign = sign.to_owned();
            self.at += 1;
            let right = self.operand()?;
            // Operators bind differently; two kinds in one expression are left alone.
            if let Some(next @ ("??" | "?:" | "." | "===" | "!==")) = self.sign()
                && next != sign
            {
                return None;
            }
            value = join(&sign, value, right)?;
        }
        Some(value)
    }

    fn operand(&mut self) -> Option<PhpValue> {
        self.depth += 1;
        let value = if self.depth > DEPTH_MAX { None } else { self.operand_here() };
        self.depth -= 1;
        value
    }

    fn operand_here(&mut self) -> Option<PhpValue> {
        let line = self.line();
        let token = self.tokens.get(self.at)?.clone();
        self.at += 1;
        let data = match token.kind {
            TokenKind::Text(text) => PhpData::Text(text),
            TokenKind::Whole(number) => PhpData::Whole(number),
            TokenKind::Fraction(number) => PhpData::Fraction(number),
            TokenKind::Name(name) => match name.to_ascii_lowercase().as_str() {
                "null" => PhpData::Null,
                "true" => PhpData::Truth(true),
                "false" => PhpData::Truth(false),
                "array" if self.take("(") => return self.array(")", line),
                name => return self.call(name.trim_start_matches('\\'), line),
            },
            TokenKind::Sign => match token.raw.as_str() {
                "[" => return self.array("]", line),
                "(" => return self.parenthesis(line),
                "-" => match self.operand()?.data {
                    PhpData::Whole(number) => PhpData::Whole(number.checked_neg()?),
                    PhpData::Fraction(number) => PhpData::Fraction(-number),
                    _ => return None,
                },
                _ => return None,
            },
        };
        Some(PhpValue::new(data, line))
    }

    /// A cast, or an expression in parentheses.
    fn parenthesis(&mut self, line: usize) -> Option<PhpValue> {
        let cast = match self.tokens.get(self.at..self.at + 2) {
            Some([Token { kind: TokenKind::Name(name), .. }, end]) if end.raw == ")" => {
                name.to_ascii_lowercase()
            }
            _ => String::new(),
        };
        if matches!(cast.as_str(), "null" | "true" | "false" | "") {
            let value = self.expression()?;
            return self.take(")").then_some(value);
        }
        self.at += 2;
        let value = self.operand()?;
        let data = match cast.as_str() {
            "int" | "integer" => PhpData::Whole(value.cast_whole()?),
            "bool" | "boolean" => PhpData::Truth(value.is_true()?),
            "string" => PhpData::Text(value.text()?),
            "float" | "double" => PhpData::Fraction(value.text()?.parse().ok()?),
            _ => return None,
        };
        // The text of a secret stays that of its variable.
        let variable = if cast == "string" { value.variable } else { None };
        Some(PhpValue { data, line, variable })
    }

    fn array(&mut self, end: &str, line: usize) -> Option<PhpValue> {
        let mut items = Vec::new();
        while !self.take(end) {
            let mut value = self.item(&[",", "]", ")", "=>"]);
            let mut key = None;
            if self.take("=>") {
                key = Some(value.text()?);
                value = self.item(&[",", "]", ")"]);
            }
            if matches!(&value.data, PhpData::Unread(raw) if raw.is_empty()) {
                return None;
            }
            items.push(PhpItem { key, value });
            if !self.take(",") {
                if self.take(end) {
                    break;
                }
                return None;
            }
        }
        Some(PhpValue::new(PhpData::Array(items), line))
    }

    fn call(&mut self, name: &str, line: usize) -> Option<PhpValue> {
        if !self.take("(") {
            return None;
        }
        let mut arguments = Vec::new();
        while !self.take(")") {
            arguments.push(self.expression()?);
            if !self.take(",") {
                if self.take(")") {
                    break;
                }
                return None;
            }
        }
        match (name, arguments.as_slice()) {
            ("env", [name]) => self.env(name, None, line),
            ("env", [name, default]) => self.env(name, Some(default), line),
            ("explode", [separator, text]) => explode(&separator.text()?, &text.text()?, line),
            ("array_map", [function, list]) if function.text().as_deref() == Some("trim") => {
                let trimmed = |item: &PhpItem| {
                    let text = item.value.text()?.trim().to_owned();
                    let value = PhpValue::new(PhpData::Text(text), item.value.line);
                    Some(PhpItem { key: item.key.clone(), value })
                };
                let items: Option<Vec<_>> = list.items().iter().map(trimmed).collect();
                Some(PhpValue::new(PhpData::Array(items?), line))
            }
            ("array_filter", [list]) => {
                let kept = list.items().iter().filter(|item| item.value.is_true() != Some(false));
                Some(PhpValue::new(PhpData::Array(kept.cloned().collect()), line))
            }
            _ => None,
        }
    }

    /// The value of a variable as `env()` gives it, else the default.
    fn env(&self, name: &PhpValue, default: Option<&PhpValue>, line: usize) -> Option<PhpValue> {
        let PhpData::Text(name) = &name.data else { return None };
        let raw = (self.variable)(name);
        let data = match raw.map(EnvLiteral::of) {
            None => {
                let default = default.cloned();
                let value = default.unwrap_or_else(|| PhpValue::new(PhpData::Null, line));
                return Some(PhpValue { line, ..value });
            }
            Some(EnvLiteral::Null) => PhpData::Null,
            Some(EnvLiteral::True) => PhpData::Truth(true),
            Some(EnvLiteral::False) => PhpData::Truth(false),
            Some(EnvLiteral::Empty) => PhpData::Text(String::new()),
            Some(EnvLiteral::Text(text)) => PhpData::Text(text.to_owned()),
        };
        let is_same = matches!(&data, PhpData::Text(text) if Some(text.as_str()) == raw);
        Some(PhpValue { data, line, variable: is_same.then(|| name.clone()) })
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.sign() == Some(sign);
        self.at += usize::from(found);
        found
    }

    fn sign(&self) -> Option<&str> {
        let token = self.tokens.get(self.at)?;
        Some(if token.kind == TokenKind::Sign { &token.raw } else { "" })
    }

    fn line(&self) -> usize {
        let last = self.tokens.last().map_or(1, |token| token.line);
        self.tokens.get(self.at).map_or(last, |token| token.line)
    }
}

fn join(sign: &str, left: PhpValue, right: PhpValue) -> Option<PhpValue> {
    let line = left.line;
    Some(match sign {
        "??" if left.data == PhpData::Null => right,
        "??" => left,
        "?:" if left.is_true()? => left,
        "?:" => right,
        "." => PhpValue::new(PhpData::Text(left.text()? + &right.text()?), line),
        "===" => PhpValue::new(PhpData::Truth(left.data == right.data), line),
        _ => PhpValue::new(PhpData::Truth(left.data != right.data), line),
    })
}

fn explode(separator: &str, text: &str, line: usize) -> Option<PhpValue> {
    if separator.is_empty() {
        return None;
    }
    let item = |part: &str| PhpItem {
        key: None,
        value: PhpValue::new(PhpData::Text(part.to_owned()), line),
    };
    Some(PhpValue::new(PhpData::Array(text.split(separator).map(item).collect()), line))
}
