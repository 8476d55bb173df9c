//! One assignment: its name, and its value before references are replaced.
//!
//! Owns the form of names, quotes, escapes and comments. Where the text stands in a file is left to the caller.

use super::flaw::{DotenvError, DotenvFlaw};
use super::lines::{LostCause, LostLines, trim};

/// Tokens of phpdotenv have at most so many characters; it shows in values that begin with form feeds.
const TOKEN_BYTES: usize = 1000;

/// A variable that a file sets, or removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Without `export` and quotes.
    pub name: String,
    /// The line on which it begins, counted from 1.
    pub line: usize,
    /// How the value is written.
    pub quoting: Quoting,
    /// As it stands in the file.
    pub(super) raw: String,
    pub(super) template: Template,
}

impl Assignment {
    /// The lines behind the first, if a comment behind the value takes them in.
    pub(super) fn lost(&self) -> Option<LostLines> {
        let last = self.line + self.raw.matches('\n').count();
        let cause = LostCause::Comment;
        self.template.is_cut.then_some(LostLines { first: self.line, last, cause })
    }
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoting {
    /// There is no equals sign: the variable is removed.
    Absent,
    /// Without quotes, or with none at the beginning.
    Bare,
    /// In single quotes, where nothing is replaced.
    Single,
    /// In double quotes, where escapes and references are replaced.
    Double,
}

/// A value, and where a reference may stand in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) text: String,
    /// The bytes of the dollar signs that count, in order.
    pub(super) dollars: Vec<usize>,
    /// Whether a comment ended it on a line that is not the last.
    is_cut: bool,
}

/// Parses one entry, which may have several lines.
pub(super) fn parse(line: usize, raw: String) -> Result<Assignment, DotenvError> {
    let (name, value) = match raw.split_once('=') {
        Some((name, value)) => (trim(name), Some(trim(value))),
        None => (raw.as_str(), None),
    };
    if name.is_empty() {
        return Err(DotenvError { line, name: None, flaw: DotenvFlaw::Equals });
    }
    let name = parse_name(name);
    if !is_valid(name) {
        return Err(DotenvError { line, name: None, flaw: DotenvFlaw::Name });
    }
    let parsed = value.map_or(Ok((Template::default(), Quoting::Absent)), parse_value);
    let (template, quoting) =
        parsed.map_err(|flaw| DotenvError { line, name: Some(name.to_owned()), flaw })?;
    Ok(Assignment { name: name.to_owned(), line, quoting, template, raw })
}

fn parse_name(name: &str) -> &str {
    let exported = name.strip_prefix("export").filter(|rest| {
        // `export X` without a space is a name of its own; so is one of eight characters in all.
        name.chars().count() > 8 && rest.starts_with(is_space)
    });
    let name = exported.map_or(name, |rest| rest.trim_start_matches(is_space));
    let quoted = ['"', '\''].iter().find_map(|quote| {
        name.strip_prefix(*quote)?.strip_suffix(*quote).filter(|inner| !inner.is_empty())
    });
    quoted.unwrap_or(name)
}

/// The categories of Unicode that phpdotenv lists, as far as the standard library has them.
fn is_valid(name: &str) -> bool {
    let is_cased = |c: char| c.is_lowercase() || c.is_uppercase();
    !name.is_empty()
        && name.chars().all(|c| matches!(c, '_' | '.') || is_cased(c) || c.is_numeric())
}

/// `ctype_space` of PHP.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Bare,
    Single,
    Double,
    Escape,
    Whitespace,
}

fn parse_value(value: &str) -> Result<(Template, Quoting), DotenvFlaw> {
    let mut template = Template::default();
    let (mut state, quoting) = match value.chars().next() {
        None => return Ok((template, Quoting::Bare)),
        Some('\'') => (State::Single, Quoting::Single),
        Some('"') => (State::Double, Quoting::Double),
        Some(_) => (State::Bare, Quoting::Bare),
    };
    let start = if quoting == Quoting::Bare {
        // What `trim` left at the beginning is part of the value.
        let is_blank = |c: &char| is_space(*c) && !matches!(c, '\r' | '\n');
        value.chars().take_while(is_blank).take(TOKEN_BYTES).count()
    } else {
        1
    };
    if quoting == Quoting::Bare {
        template.text.push_str(&value[..start]);
    }
    for (at, c) in value.char_indices().skip(start) {
        state = match (state, c) {
            (State::Bare | State::Whitespace, '#') => {
                template.is_cut = value[at..].contains('\n');
                return Ok((template, quoting));
            }
            (State::Bare, c) if is_space(c) => State::Whitespace,
            (State::Single, '\'') | (State::Double, '"') => State::Whitespace,
            (State::Double, '\\') => State::Escape,
            (State::Whitespace, c) if is_space(c) => State::Whitespace,
            (State::Whitespace, _) => return Err(DotenvFlaw::Whitespace),
            (State::Escape, c) => {
                template.text.push(escaped(c).ok_or(DotenvFlaw::Escape)?);
                State::Double
            }
            (State::Bare | State::Double, '$') => {
                template.dollars.push(template.text.len());
                template.text.push('$');
                state
            }
            (state, c) => {
                template.text.push(c);
                state
            }
        };
    }
    match state {
        State::Single | State::Double | State::Escape => Err(DotenvFlaw::Quote),
        State::Bare | State::Whitespace => Ok((template, quoting)),
    }
}

fn escaped(c: char) -> Option<char> {
    Some(match c {
        '"' | '\\' | '$' => c,
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        _ => return None,
    })
}
