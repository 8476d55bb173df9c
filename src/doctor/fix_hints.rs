//! What to change, file by file, in the form of a diff.
//!
//! Owns the form. It is to be read: where the author alone has a value, `<…>` stands in its place.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::diagnosis::Diagnosis;
use super::finding::Remedy;

/// Every line to change, by file and number, then the commands to run.
pub fn fix_hints(diagnosis: &Diagnosis) -> String {
    let remedies = || {
        let findings = diagnosis.examined.iter().flat_map(|examined| examined.findings());
        findings.flat_map(|finding| &finding.change)
    };
    let mut files: BTreeMap<&str, Vec<&Remedy>> = BTreeMap::new();
    for remedy in remedies() {
        if let Remedy::Line { file, .. } = remedy {
            let lines = files.entry(file).or_default();
            if !lines.contains(&remedy) {
                lines.push(remedy);
            }
        }
    }
    let mut text = String::new();
    for (file, mut lines) in files {
        lines.sort_by_key(|remedy| match remedy {
            Remedy::Line { number, .. } => number.unwrap_or(usize::MAX),
            _ => usize::MAX,
        });
        let _ = writeln!(text, "--- {file}\n+++ {file}");
        lines.into_iter().for_each(|line| push_line(&mut text, line));
    }
    let mut commands = Vec::new();
    for remedy in remedies() {
        if let Remedy::Run(command) = remedy
            && !commands.contains(&command)
        {
            commands.push(command);
            let _ = writeln!(text, "$ {command}");
        }
    }
    text
}

fn push_line(text: &mut String, remedy: &Remedy) {
    let Remedy::Line { number, old, new, .. } = remedy else { return };
    let _ = match number {
        Some(number) => writeln!(text, "@@ line {number} @@"),
        None => writeln!(text, "@@ add @@"),
    };
    if let Some(old) = old {
        let _ = writeln!(text, "-{old}");
    }
    if let Some(new) = new {
        let _ = writeln!(text, "+{new}");
    }
}
