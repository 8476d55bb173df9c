//! The figures beside their bounds, as a table in markdown.

use std::collections::HashMap;
use std::fmt::Write;

use crate::bound::{Bound, Reference};
use crate::figures::{Failure, Runs};
use crate::scenarios::Row;
use crate::sheet::Sheet;
use crate::subject::Kind;

/// What was measured: by scenario, then by subject.
pub(crate) type Results = HashMap<&'static str, HashMap<String, Runs>>;

/// The table, and how it turned out.
pub(crate) struct Table {
    pub(crate) text: String,
    /// Bounds that do not hold, and those that could not be looked at.
    pub(crate) missed: usize,
    /// Figures that could not be measured, but for those of peers.
    pub(crate) failed: usize,
}

/// One line per figure that is looked at.
pub(crate) fn table(sheet: &Sheet, results: &Results) -> Table {
    let (ours, beside) = (sheet.ours.name(), sheet.beside.as_ref().map(Kind::name));
    let rest: Vec<&str> = sheet.rest.iter().map(|kind| kind.name()).collect();
    let [what, second] = sheet.headings;
    let mut text = format!("| {what} | {ours} | {second} | bound | holds |");
    rest.iter().for_each(|name| write!(text, " {name} |").expect("memory takes all"));
    text.push_str("\n|---|---|---|---|---|");
    text.push_str(&"---|".repeat(rest.len()));
    text.push('\n');
    let mut table = Table { text, missed: 0, failed: 0 };
    for scenario in &sheet.scenarios {
        let runs = &results[scenario.name];
        let measured = |subject: &str, figure: &str| runs[subject].median(figure);
        for row in scenario.rows {
            let figure = measured(ours, row.figure);
            // What a figure is not compared with is still worth seeing beside it.
            let otherwise = scenario.beside.then_some(Reference::BareLoop);
            let reference = row.bound.reference().or(otherwise).and_then(|reference| {
                Some(match reference {
                    Reference::BareLoop => measured(beside?, row.figure),
                    Reference::Own { figure, .. } => measured(ours, figure),
                })
            });
            let others: Vec<_> = rest.iter().map(|name| measured(name, row.figure)).collect();
            table.line(row, &figure, reference.as_ref(), &others);
            let is_ours = |kind: &Kind| !matches!(kind, Kind::Peer(_));
            let ours = sheet.rest.iter().zip(&others).filter(|(kind, _)| is_ours(kind));
            // One node has no figures of Redis.
            let is_error = |figure: &Figure| matches!(figure, Err(Failure::Error(_)));
            table.failed += ours.filter(|(_, figure)| is_error(figure)).count();
        }
    }
    table
}

type Figure = Result<f64, Failure>;

impl Table {
    /// Puts another one below.
    pub(crate) fn append(&mut self, other: &Self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&other.text);
        self.missed += other.missed;
        self.failed += other.failed;
    }

    fn line(&mut self, row: &Row, figure: &Figure, reference: Option<&Figure>, rest: &[Figure]) {
        let known = reference.and_then(|reference| reference.as_ref().ok().copied());
        let holds = figure.as_ref().ok().and_then(|&figure| row.bound.holds(figure, known));
        let verdict = match (figure, holds) {
            (_, Some(true)) if matches!(row.bound, Bound::Free) => "–",
            (_, Some(true)) => "yes",
            (_, Some(false)) => "**no**",
            (Err(Failure::NotNegotiated), None) => "–",
            (_, None) => "**not measured**",
        };
        self.missed += usize::from(holds != Some(true));
        let is_error =
            |figure: &Figure| matches!(figure, Err(Failure::Error(_) | Failure::Missing));
        self.failed += usize::from(is_error(figure) || reference.is_some_and(is_error));
        let shown = |figure: &Figure| match figure {
            Ok(value) => row.unit.shown(*value),
            Err(Failure::NotNegotiated) => "not negotiated".to_owned(),
            Err(Failure::Missing) => "–".to_owned(),
            Err(Failure::Error(why)) => format!("error: {}", why.replace('|', "/")),
        };
        // One failure is shown once.
        let reference = reference.filter(|_| figure.is_ok());
        let reference = reference.map_or_else(|| "–".to_owned(), shown);
        let (figure, bound) = (shown(figure), row.bound.shown(row.unit));
        let what = row.what;
        let text = &mut self.text;
        write!(text, "| {what} | {figure} | {reference} | {bound} | {verdict} |")
            .expect("memory takes all");
        for figure in rest {
            write!(text, " {} |", shown(figure)).expect("memory takes all");
        }
        text.push('\n');
    }
}
