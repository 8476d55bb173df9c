//! The table of all rows, which is printed when the last one has ended.

use std::fmt::Write;
use std::io::{self, Write as _};
use std::time::Duration;

use parking_lot::Mutex;

use crate::account::Tally;
use crate::stage::Ending;

/// By row.
static LINES: Mutex<Vec<((u32, &str), String)>> = Mutex::new(Vec::new());

/// One row of the fault matrix: what was injected and what became of it.
pub(crate) struct Line {
    /// Its number in the matrix, for the order of the table, and a letter where it has several faults.
    pub(crate) row: (u32, &'static str),
    pub(crate) fault: &'static str,
    /// From the end of the fault, or its beginning where it has none.
    pub(crate) recovered: Option<Duration>,
    pub(crate) peak: u64,
    /// What else the row measures, and what it saw of its fault.
    pub(crate) beside: String,
}

impl Line {
    /// Adds it to the table, before the row asserts anything: one that fails is shown, too.
    pub(crate) fn show(self, ending: &Ending) {
        self.show_tally(&ending.all());
    }

    pub(crate) fn show_tally(self, tally: &Tally) {
        let announced = match tally.uncounted {
            0 => tally.announced.to_string(),
            gaps => format!("{}, {gaps} uncounted", tally.announced),
        };
        let Self { row, fault, recovered, peak, beside } = self;
        let recovered = recovered.map_or_else(|| "–".to_owned(), seconds);
        let cells = [
            format!("{}{}", row.0, row.1),
            fault.to_owned(),
            tally.published.to_string(),
            tally.lost.to_string(),
            announced,
            tally.duplicated.to_string(),
            tally.reordered.to_string(),
            seconds(tally.silence),
            recovered,
            format!("{:.0}", peak as f64 / 1e6),
            beside,
        ];
        LINES.lock().push((row, format!("| {} |", cells.join(" | "))));
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64())
}

/// Prints all lines, in the order of the matrix.
pub(crate) fn print() {
    let mut lines = std::mem::take(&mut *LINES.lock());
    if lines.is_empty() {
        return;
    }
    lines.sort_by_key(|(row, _)| *row);
    let heads = [
        "row",
        "fault",
        "events",
        "lost",
        "announced",
        "twice",
        "out of order",
        "silence s",
        "recovered s",
        "peak MB",
        "beside",
    ];
    let mut text = format!("| {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for (_, line) in lines {
        writeln!(text, "{line}").expect("memory takes all");
    }
    let _ = io::stdout().write_all(text.as_bytes());
}
