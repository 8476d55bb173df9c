//! The report for programs.
//!
//! Owns the form: `schema_version` changes when a field is removed or means something else.

use serde::Serialize;

use super::diagnosis::{Diagnosis, Examined, NotTried};
use super::finding::{CheckOutcome, Finding, Gravity, Remedy};
use super::fix_hints::fix_hints;
use super::text_report::summary;
use crate::build_info::VERSION;

/// Of the form of the report.
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    schema_version: u32,
    resound: &'static str,
    /// `pass`, `warn` or `fail`.
    outcome: &'static str,
    /// The id of the first check that failed.
    headline: Option<&'static str>,
    summary: String,
    checks: Vec<Row<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix_hints: Option<String>,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'static str,
    title: &'static str,
    /// `pass`, `warn`, `fail`, `not_decided` or `not_tried`.
    outcome: &'static str,
    needs: &'static [&'static str],
    took_ms: u128,
    /// Of a check that passed.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    seen: &'a [String],
    findings: Vec<Entry<'a>>,
    /// Why it was not tried or not decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The check whose failure explains why it was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_by: Option<&'static str>,
}

#[derive(Serialize)]
struct Entry<'a> {
    gravity: &'static str,
    says: &'a str,
    seen: &'a [String],
    change: Vec<Step<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Step<'a> {
    Line { file: &'a str, line: Option<usize>, old: Option<&'a str>, new: Option<&'a str> },
    Run { command: &'a str },
    Advice { text: &'a str },
}

/// One JSON object and the end of its line. The hints are left out unless asked for.
pub fn json_report(diagnosis: &Diagnosis, with_hints: WithHints) -> String {
    let outcome = match diagnosis.examined.iter().filter_map(Examined::gravity).max() {
        Some(gravity) => name(gravity),
        None => "pass",
    };
    let report = Report {
        schema_version: SCHEMA_VERSION,
        resound: VERSION,
        outcome,
        headline: diagnosis.headline().map(|examined| examined.check.id),
        summary: summary(diagnosis),
        checks: diagnosis.examined.iter().map(row).collect(),
        fix_hints: (with_hints == WithHints::Yes).then(|| fix_hints(diagnosis)),
    };
    serde_json::to_string_pretty(&report).expect("strings and numbers always serialize") + "\n"
}

/// Whether a report has the lines to change in the form of a diff too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithHints {
    /// It has.
    Yes,
    /// It has not.
    No,
}

fn name(gravity: Gravity) -> &'static str {
    match gravity {
        Gravity::Warn => "warn",
        Gravity::Fail => "fail",
    }
}

fn row(examined: &Examined) -> Row<'_> {
    let (outcome, seen, reason, blocked_by) = match &examined.outcome {
        Ok(CheckOutcome::Passed(seen)) => ("pass", seen.as_slice(), None, None),
        Ok(CheckOutcome::Found(_)) => {
            (examined.gravity().map_or("pass", name), &[][..], None, None)
        }
        Ok(CheckOutcome::Inapplicable(why)) => ("not_tried", &[][..], Some(why.clone()), None),
        Ok(CheckOutcome::Undecided(why)) => ("not_decided", &[][..], Some(why.clone()), None),
        Err(NotTried { needs }) => {
            ("not_tried", &[][..], Some(format!("it needs {needs}")), Some(*needs))
        }
    };
    Row {
        id: examined.check.id,
        title: examined.check.title,
        outcome,
        needs: examined.check.needs,
        took_ms: examined.took.as_millis(),
        seen,
        findings: examined.findings().iter().map(entry).collect(),
        reason,
        blocked_by,
    }
}

fn entry(finding: &Finding) -> Entry<'_> {
    let Finding { gravity, says, seen, change } = finding;
    Entry { gravity: name(*gravity), says, seen, change: change.iter().map(step).collect() }
}

fn step(remedy: &Remedy) -> Step<'_> {
    match remedy {
        Remedy::Line { file, number, old, new } => {
            Step::Line { file, line: *number, old: old.as_deref(), new: new.as_deref() }
        }
        Remedy::Run(command) => Step::Run { command },
        Remedy::Advice(text) => Step::Advice { text },
    }
}
