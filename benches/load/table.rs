//! The figures beside their bounds, as a table in markdown.

use std::collections::HashMap;
use std::fmt::Write;

use crate::bound::Reference;
use crate::figures::{Failure, Runs};
use crate::scenarios::{Row, Scenario};

/// What was measured: by scenario, then by subject.
pub(crate) type Results = HashMap<&'static str, HashMap<String, Runs>>;

/// The table, and how it turned out.
pub(crate) struct Table {
    pub(crate) text: String,
    /// Bounds that do not hold, and those that could not be looked at.
    pub(crate) missed: usize,
    /// Figures of ours or of the bare loop that could not be measured.
    pub(crate) failed: usize,
}

/// One line per bound. `ours` and `bare` are the columns that are always there.
pub(crate) fn table(
    scenarios: &[&Scenario],
    results: &Results,
    (ours, bare): (&str, &str),
    peers: &[&str],
) -> Table {
    let mut text = format!("| scenario | {ours} | reference | bound | holds |");
    peers.iter().for_each(|peer| write!(text, " {peer} |").expect("memory takes all"));
    text.push_str("\n|---|---|---|---|---|");
    text.push_str(&"---|".repeat(peers.len()));
    text.push('\n');
    let mut table = Table { text, missed: 0, failed: 0 };
    for scenario in scenarios {
        let runs = &results[scenario.name];
        let measured = |subject: &str, figure: &str| runs[subject].median(figure);
        for row in scenario.rows {
            let figure = measured(ours, row.figure);
            // What a figure is not compared with is still worth seeing beside it.
            let beside = scenario.bare_loop.then_some(Reference::BareLoop);
            let reference = row.bound.reference().or(beside).map(|reference| match reference {
                Reference::BareLoop => measured(bare, row.figure),
                Reference::Own { figure, .. } => measured(ours, figure),
            });
            let peers: Vec<_> = peers.iter().map(|peer| measured(peer, row.figure)).collect();
            table.line(row, &figure, reference.as_ref(), &peers);
        }
    }
    table
}

type Figure = Result<f64, Failure>;

impl Table {
    fn line(&mut self, row: &Row, figure: &Figure, reference: Option<&Figure>, peers: &[Figure]) {
        let known = reference.and_then(|reference| reference.as_ref().ok().copied());
        let holds = figure.as_ref().ok().and_then(|&figure| row.bound.holds(figure, known));
        let verdict = match (figure, holds) {
            (_, Some(true)) => "yes",
            (_, Some(false)) => "**no**",
            (Err(Failure::NotNegotiated), None) => "–",
            (_, None) => "**not measured**",
        };
        self.missed += usize::from(holds != Some(true));
        let is_error = |figure: &Figure| matches!(figure, Err(Failure::Error(_)));
        self.failed += usize::from(is_error(figure) || reference.is_some_and(is_error));
        let shown = |figure: &Figure| match figure {
            Ok(value) => row.unit.shown(*value),
            Err(Failure::NotNegotiated) => "not negotiated".to_owned(),
            Err(Failure::Error(why)) => format!("error: {}", why.replace('|', "/")),
        };
        // One failure is told once.
        let reference = reference.filter(|_| figure.is_ok());
        let reference = reference.map_or_else(|| "–".to_owned(), shown);
        let (figure, bound) = (shown(figure), row.bound.shown(row.unit));
        let what = row.what;
        let text = &mut self.text;
        write!(text, "| {what} | {figure} | {reference} | {bound} | {verdict} |")
            .expect("memory takes all");
        for peer in peers {
            write!(text, " {} |", shown(peer)).expect("memory takes all");
        }
        text.push('\n');
    }
}
