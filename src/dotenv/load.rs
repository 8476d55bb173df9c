//! The variables of a file beside those of a process: references replaced, and which of two wins.
//!
//! Owns immutability, as Laravel has it: what the process has is never replaced by the file.

use std::collections::BTreeMap;

use super::entry::{Assignment, Quoting, Template};

/// What references may add to the values of one file. A file of a few lines could double a value with each of them; PHP runs
/// out of memory then, and this process must not. References beyond it stay as they stand.
pub(super) const REPLACED_BYTES_MAX: usize = 1 << 20;

/// A variable as the file leaves it.
#[derive(Clone, PartialEq, Eq)]
pub struct DotenvVariable {
    /// Its name.
    pub name: String,
    /// Its value, references replaced; `None` if the file removes the variable.
    pub value: Option<String>,
    /// The line on which it begins, counted from 1.
    pub line: usize,
    /// How it is written.
    pub quoting: Quoting,
    /// Whether the environment of the process has it too: this value counts for nothing.
    pub is_shadowed: bool,
}

/// Without the value, which may be a secret.
impl std::fmt::Debug for DotenvVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on line {}", self.name, self.line)
    }
}

/// What a file sets, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DotenvVariables {
    all: Vec<DotenvVariable>,
    /// The place of the last of each name.
    last: BTreeMap<String, usize>,
}

impl DotenvVariables {
    /// Every assignment, those that a later one replaces included.
    pub fn all(&self) -> &[DotenvVariable] {
        &self.all
    }

    /// The one that counts of those with this name.
    pub fn get(&self, name: &str) -> Option<&DotenvVariable> {
        self.last.get(name).map(|place| &self.all[*place])
    }

    /// The one that counts of each name, in order of the names.
    pub fn effective(&self) -> impl Iterator<Item = &DotenvVariable> {
        self.last.values().map(|place| &self.all[*place])
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.get(name)?.value.as_deref()
    }
}

pub(super) fn load<'e>(
    assignments: &[Assignment],
    environment: impl Fn(&str) -> Option<&'e str>,
) -> DotenvVariables {
    let mut loaded = DotenvVariables::default();
    let mut left = REPLACED_BYTES_MAX;
    for assignment in assignments {
        let look_up = |name: &str| environment(name).or_else(|| loaded.value(name));
        let value = (assignment.quoting != Quoting::Absent)
            .then(|| resolve(&assignment.template, look_up, &mut left));
        let name = assignment.name.clone();
        let is_shadowed = environment(&name).is_some();
        loaded.last.insert(name.clone(), loaded.all.len());
        let (line, quoting) = (assignment.line, assignment.quoting);
        loaded.all.push(DotenvVariable { name, value, line, quoting, is_shadowed });
    }
    loaded
}

/// Replaces references from the last to the first, so that `${A${B}}` is that of a name made of `B`.
/// What it adds is taken off `left`.
fn resolve<'v>(
    template: &Template,
    variable: impl Fn(&str) -> Option<&'v str>,
    left: &mut usize,
) -> String {
    let mut text = template.text.clone();
    for at in template.dollars.iter().rev() {
        if let Some(name) = reference(&text[*at..])
            && let Some(value) = variable(name)
            && let Some(rest) = left.checked_sub(value.len())
        {
            *left = rest;
            let end = at + name.len() + "${}".len();
            text.replace_range(*at..end, value);
        }
    }
    text
}

/// The name in a `${NAME}` with which a text begins.
pub(super) fn reference(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix("${")?.split_once('}')?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    (!name.is_empty() && name.chars().all(is_part)).then_some(name)
}
