//! The report for a terminal: details of what is wrong, and one line about everything at the end.
//!
//! Owns the text. Colours are the caller's decision.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::diagnosis::{Diagnosis, NotTried};
use super::finding::{CheckOutcome, Finding, Gravity, Remedy};

/// Whether the text has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// ANSI sequences.
    Colours,
    /// None.
    Plain,
}

impl Paint {
    fn mark(self, gravity: Gravity) -> &'static str {
        match (self, gravity) {
            (Self::Plain, Gravity::Fail) => "✗",
            (Self::Plain, Gravity::Warn) => "!",
            (Self::Colours, Gravity::Fail) => "\u{1b}[31m✗\u{1b}[0m",
            (Self::Colours, Gravity::Warn) => "\u{1b}[33m!\u{1b}[0m",
        }
    }

    fn strong(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colours => format!("\u{1b}[1m{text}\u{1b}[0m"),
        }
    }
}

/// Failures in the order of the checks, then warnings, then what was not decided, then the line about everything.
pub fn text_report(diagnosis: &Diagnosis, paint: Paint) -> String {
    let mut text = String::new();
    for gravity in [Gravity::Fail, Gravity::Warn] {
        for examined in &diagnosis.examined {
            let findings = examined.findings().iter();
            for finding in findings.filter(|finding| finding.gravity == gravity) {
                push_finding(&mut text, examined.check.id, finding, paint);
            }
        }
    }
    for examined in &diagnosis.examined {
        if let Ok(CheckOutcome::Undecided(why)) = &examined.outcome {
            let _ = writeln!(
                text,
                "? {}  {} Not decided: {why}.",
                examined.check.id, examined.check.title
            );
        }
    }
    text.push_str(&summary(diagnosis));
    text.push('\n');
    text
}

fn push_finding(text: &mut String, id: &str, finding: &Finding, paint: Paint) {
    let says = paint.strong(&finding.says);
    let _ = writeln!(text, "{} {id}  {says}", paint.mark(finding.gravity));
    for (index, seen) in finding.seen.iter().enumerate() {
        let label = if index == 0 { "seen" } else { "" };
        let _ = writeln!(text, "  {label:<6}  {seen}");
    }
    let change = change(&finding.change);
    if !change.is_empty() {
        let _ = writeln!(text, "  change  {change}");
    }
}

/// `A=1, B=2 in .env; npm run build`
pub(super) fn change(remedies: &[Remedy]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut open: Option<(&str, Vec<String>)> = None;
    for remedy in remedies {
        let Remedy::Line { file, old, new, .. } = remedy else {
            close(&mut parts, open.take());
            match remedy {
                Remedy::Run(text) | Remedy::Advice(text) => parts.push(text.clone()),
                Remedy::Line { .. } => {}
            }
            continue;
        };
        let line = match (new, old) {
            (Some(new), _) => new.trim().to_owned(),
            (None, old) => format!("without {}", old.as_deref().unwrap_or_default().trim()),
        };
        match &mut open {
            Some((same, lines)) if same == file => lines.push(line),
            _ => {
                close(&mut parts, open.take());
                open = Some((file, vec![line]));
            }
        }
    }
    close(&mut parts, open);
    parts.join("; ")
}

fn close(parts: &mut Vec<String>, open: Option<(&str, Vec<String>)>) {
    if let Some((file, lines)) = open {
        parts.push(format!("{} in {file}", lines.join(", ")));
    }
}

/// `11 passed · 1 failed · 4 not tried (they need R017)`
pub(super) fn summary(diagnosis: &Diagnosis) -> String {
    let count = |is: &dyn Fn(&Result<CheckOutcome, NotTried>) -> bool| {
        diagnosis.examined.iter().filter(|one| is(&one.outcome)).count()
    };
    let passed = count(&|outcome| matches!(outcome, Ok(CheckOutcome::Passed(_))));
    let undecided = count(&|outcome| matches!(outcome, Ok(CheckOutcome::Undecided(_))));
    let inapplicable = count(&|outcome| matches!(outcome, Ok(CheckOutcome::Inapplicable(_))));
    let (failed, warned) =
        (diagnosis.of(Gravity::Fail).count(), diagnosis.of(Gravity::Warn).count());
    let not_tried = count(&Result::is_err);
    let needed: BTreeSet<&str> = diagnosis
        .examined
        .iter()
        .filter_map(|one| one.outcome.as_ref().err())
        .map(|not_tried| not_tried.needs)
        .collect();
    let needed = needed.into_iter().collect::<Vec<_>>().join(", ");
    let warnings = if warned == 1 { "1 warning".to_owned() } else { format!("{warned} warnings") };
    let parts = [
        (passed, format!("{passed} passed")),
        (failed, format!("{failed} failed")),
        (warned, warnings),
        (undecided, format!("{undecided} not decided")),
        (not_tried, format!("{not_tried} not tried (they need {needed})")),
        (inapplicable, format!("{inapplicable} not applicable")),
    ];
    let shown = parts.into_iter().enumerate().filter(|(at, (number, _))| *at == 0 || *number > 0);
    shown.map(|(_, (_, text))| text).collect::<Vec<_>>().join(" · ")
}
