//! Values of a configuration file, each with its line and the variable it comes from.
//!
//! Owns PHP's conversions between them, as far as settings need them.

/// Why a file cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {flaw}")]
pub struct PhpError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub flaw: &'static str,
}

/// A value of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct PhpValue {
    /// The value itself.
    pub data: PhpData,
    /// The line on which its expression begins, counted from 1.
    pub line: usize,
    /// The variable whose text it is, unchanged.
    pub variable: Option<String>,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum PhpData {
    /// `null`
    Null,
    /// `true` or `false`
    Truth(bool),
    /// A whole number.
    Whole(i64),
    /// A number with a fraction.
    Fraction(f64),
    /// A text.
    Text(String),
    /// An array: its items in order.
    Array(Vec<PhpItem>),
    /// An expression that is not read, as it stands in the file.
    Unread(String),
}

/// An item of an array.
#[derive(Debug, Clone, PartialEq)]
pub struct PhpItem {
    /// Its key; `None` in a list.
    pub key: Option<String>,
    /// Its value.
    pub value: PhpValue,
}

impl PhpValue {
    pub(super) fn new(data: PhpData, line: usize) -> Self {
        Self { data, line, variable: None }
    }

    /// The item of an array with this key; the last one, as in PHP.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let item = self.items().iter().rev().find(|item| item.key.as_deref() == Some(key));
        item.map(|item| &item.value)
    }

    /// The value at `a.b.c`: an item of an item of an item.
    pub fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |value, key| value.get(key))
    }

    /// The items of an array; none of anything else.
    pub fn items(&self) -> &[PhpItem] {
        match &self.data {
            PhpData::Array(items) => items,
            _ => &[],
        }
    }

    /// What PHP's `if` makes of it; `None` if it is not read.
    pub fn is_true(&self) -> Option<bool> {
        Some(match &self.data {
            PhpData::Null => false,
            PhpData::Truth(truth) => *truth,
            PhpData::Whole(number) => *number != 0,
            PhpData::Fraction(number) => *number != 0.0,
            PhpData::Text(text) => !matches!(text.as_str(), "" | "0"),
            PhpData::Array(items) => !items.is_empty(),
            PhpData::Unread(_) => return None,
        })
    }

    /// The text that PHP's `(string)` makes of it; `None` for arrays and what is not read.
    pub fn text(&self) -> Option<String> {
        Some(match &self.data {
            PhpData::Null | PhpData::Truth(false) => String::new(),
            PhpData::Truth(true) => "1".to_owned(),
            PhpData::Whole(number) => number.to_string(),
            PhpData::Fraction(number) => number.to_string(),
            PhpData::Text(text) => text.clone(),
            PhpData::Array(_) | PhpData::Unread(_) => return None,
        })
    }

    /// A whole number; a text must consist of one.
    pub fn whole(&self) -> Option<i64> {
        match &self.data {
            PhpData::Whole(number) => Some(*number),
            PhpData::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The number that PHP's `(int)` makes of it: of a text, the digits it begins with.
    pub(super) fn cast_whole(&self) -> Option<i64> {
        Some(match &self.data {
            PhpData::Null => 0,
            PhpData::Truth(truth) => i64::from(*truth),
            PhpData::Whole(number) => *number,
            #[expect(clippy::cast_possible_truncation, reason = "PHP cuts the fraction off too")]
            PhpData::Fraction(number) => *number as i64,
            PhpData::Text(text) => {
                let text = text.trim_start();
                let is_part = |(at, c): &(usize, char)| {
                    c.is_ascii_digit() || (*at == 0 && matches!(c, '-' | '+'))
                };
                let digits: String =
                    text.char_indices().take_while(is_part).map(|(_, c)| c).collect();
                digits.parse().unwrap_or(0)
            }
            PhpData::Array(_) | PhpData::Unread(_) => return None,
        })
    }
}
