//! What a POSIX shell makes of an assignment, for people who source a `.env` file.
//!
//! Owns the difference to phpdotenv, which has other rules for spaces, quotes, backslashes, `#` and `$`. Nothing is
//! run; a form that is not followed here counts as another value.

use std::fmt;

use super::entry::Assignment;
use super::load::{DotenvVariable, DotenvVariables, REPLACED_BYTES_MAX};
use crate::text_cursor::TextCursor;

/// How a shell that sources the file departs from Laravel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShellDifference {
    /// The shell runs part of the line as a command.
    Command,
    /// The shell finds no end of a quote, and refuses the file.
    Syntax,
    /// The shell sets another value.
    Value,
}

impl fmt::Display for ShellDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Command => "a shell that sources the file runs part of this line as a command",
            Self::Syntax => {
                "a shell that sources the file refuses it, for this line has an open quote"
            }
            Self::Value => "a shell that sources the file sets another value",
        })
    }
}

/// The difference in one assignment; `variable` is what Laravel makes of it, `variables` the whole file.
pub(super) fn difference(
    assignment: &Assignment,
    variable: &DotenvVariable,
    variables: &DotenvVariables,
) -> Option<ShellDifference> {
    let look_up = |name: &str| {
        let before = variables.all().iter().take_while(|other| other.line < assignment.line);
        before.filter(|other| other.name == name).last()?.value.clone()
    };
    match value(&assignment.raw, &look_up) {
        Err(difference) => Some(difference),
        Ok(value) => (Some(&value) != variable.value.as_ref()).then_some(ShellDifference::Value),
    }
}

/// The value that a shell assigns.
fn value(raw: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, ShellDifference> {
    let line = raw.trim_start_matches([' ', '\t']);
    let line = match line.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start_matches([' ', '\t']),
        _ => line,
    };
    let (name, text) = line.split_once('=').ok_or(ShellDifference::Command)?;
    if !is_name(name) {
        return Err(ShellDifference::Command);
    }
    if text.starts_with('~') {
        return Err(ShellDifference::Value);
    }
    let mut word = Word { rest: TextCursor::new(text), value: String::new(), variable };
    word.read()?;
    match word.rest.rest().trim_start_matches([' ', '\t']).chars().next() {
        None | Some('#') => Ok(word.value),
        Some(_) => Err(ShellDifference::Command),
    }
}

fn is_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(is_part)
}

struct Word<'a> {
    rest: TextCursor<'a>,
    value: String,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Word<'_> {
    /// Reads to the blank that ends the word.
    fn read(&mut self) -> Result<(), ShellDifference> {
        while let Some(c) = self.rest.peek() {
            if matches!(c, ' ' | '\t' | '\n') {
                return Ok(());
            }
            self.rest.step();
            match c {
                '\'' => self.single()?,
                '"' => self.double()?,
                '\\' => self.value.extend(self.rest.step().filter(|c| *c != '\n')),
                '$' => self.dollar()?,
                ';' | '&' | '|' | '<' | '>' | '(' | ')' | '`' => {
                    return Err(ShellDifference::Command);
                }
                c => self.value.push(c),
            }
        }
        Ok(())
    }

    fn single(&mut self) -> Result<(), ShellDifference> {
        loop {
            match self.rest.step().ok_or(ShellDifference::Syntax)? {
                '\'' => return Ok(()),
                c => self.value.push(c),
            }
        }
    }

    fn double(&mut self) -> Result<(), ShellDifference> {
        loop {
            match self.rest.step().ok_or(ShellDifference::Syntax)? {
                '"' => return Ok(()),
                '$' => self.dollar()?,
                '`' => return Err(ShellDifference::Command),
                '\\' => match self.rest.step().ok_or(ShellDifference::Syntax)? {
                    '\n' => {}
                    c if matches!(c, '$' | '`' | '"' | '\\') => self.value.push(c),
                    c => self.value.extend(['\\', c]),
                },
                c => self.value.push(c),
            }
        }
    }

    /// `$NAME` and `${NAME}`; one that is not set is empty.
    fn dollar(&mut self) -> Result<(), ShellDifference> {
        let braced = match self.rest.peek() {
            Some('(') => return Err(ShellDifference::Command),
            Some('{') => true,
            Some(c) if c.is_ascii_alphabetic() || c == '_' => false,
            // `$1`, `$$`, `$'…'`.
            Some(c) if c.is_ascii_digit() || "$@*#?-!'\"".contains(c) => {
                return Err(ShellDifference::Value);
            }
            _ => {
                self.value.push('$');
                return Ok(());
            }
        };
        if braced {
            self.rest.step();
        }
        let name = self.rest.run(|c| c.is_ascii_alphanumeric() || c == '_');
        if braced && (self.rest.step() != Some('}') || !is_name(name)) {
            return Err(ShellDifference::Value);
        }
        let value = (self.variable)(name).unwrap_or_default();
        if self.value.len() + value.len() > REPLACED_BYTES_MAX {
            return Err(ShellDifference::Value);
        }
        self.value.push_str(&value);
        Ok(())
    }
}
