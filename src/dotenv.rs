//! `.env` files, read as Laravel reads them.
//!
//! Owns the rules of phpdotenv, with which Laravel reads the file, and those of Laravel's `env()`, with the line of
//! each value and of each flaw. Pure: the text and the environment are arguments. Which variables are settings is
//! left to `config`.

mod entry;
mod flaw;
mod lines;
mod literal;
mod load;
mod shell;

pub use entry::{Assignment, Quoting};
pub use flaw::{DotenvError, DotenvFlaw};
pub use lines::{LostCause, LostLines};
pub use literal::EnvLiteral;
pub use load::{DotenvVariable, DotenvVariables};
pub use shell::ShellDifference;

/// The parsed text of a `.env` file: what it assigns, before references to other variables are replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dotenv {
    /// In the order of the file; of several with one name the last wins.
    pub assignments: Vec<Assignment>,
    /// Lines that phpdotenv drops without an error.
    pub lost: Vec<LostLines>,
    /// Whether lines end with CR LF: a shell takes the CR for a part of each value.
    pub has_carriage_returns: bool,
}

impl Dotenv {
    /// Parses a text; the first flaw refuses the whole file, as it does in Laravel.
    pub fn parse(text: &str) -> Result<Self, DotenvError> {
        let lines::Split { entries, mut lost, .. } = lines::split(text);
        let assignments = entries.into_iter().map(|(line, raw)| entry::parse(line, raw));
        let assignments = assignments.collect::<Result<Vec<Assignment>, _>>()?;
        lost.extend(assignments.iter().filter_map(Assignment::lost));
        Ok(Self { assignments, lost, has_carriage_returns: text.contains("\r\n") })
    }

    /// The variables that the file sets beside those of a process, which win.
    pub fn load<'e>(&self, environment: impl Fn(&str) -> Option<&'e str>) -> DotenvVariables {
        load::load(&self.assignments, environment)
    }

    /// What a shell that sources the file does otherwise, beside the variables that [`Dotenv::load`] gave.
    pub fn shell_differences<'v>(
        &'v self,
        variables: &'v DotenvVariables,
    ) -> impl Iterator<Item = (&'v DotenvVariable, ShellDifference)> {
        let both = self.assignments.iter().zip(variables.all());
        both.filter_map(|(assignment, variable)| {
            Some((variable, shell::difference(assignment, variable, variables)?))
        })
    }
}

/// The bytes of a file as text: a byte order mark is dropped, and bytes that are no UTF-8 become question
/// marks, as in PHP.
pub fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push('?');
        }
    }
    text
}

#[cfg(test)]
mod tests;
