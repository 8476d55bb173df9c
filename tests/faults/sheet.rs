//! The table of all rows, which is printed when the last one has ended.

use std::fmt::Write;
use std::io::{self, Write as _};
use std::time::Duration;

use parking_lot::Mutex;

use crate::account::Tally;
use crate::stage::Ending;

/// The matrix has so many.
const ROWS: u32 = 30;

/// By row.
static LINES: Mutex<Vec<((u32, &str), String)>> = Mutex::new(Vec::new());

/// Rows of the matrix that other suites inject and print: the line of a load, beside which a canary is measured.
const ELSEWHERE: [(u32, &str, &str); 2] = [
    (
        16,
        "10 000 handshakes as fast as they go, from 200 addresses",
        "printed by `cargo test --test abuse handshakes -- --nocapture`",
    ),
    (
        26,
        "TLS that is begun and not finished, garbage behind a hello, renegotiation; certificates that are replaced or expired",
        "printed by `cargo test --test abuse tls -- --nocapture`; certificates: `cargo test --test robustness tls`",
    ),
];

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

/// Fails unless each row of the matrix has a test with this name, or is named as that of another suite.
pub(crate) fn is_complete(tests: &[String]) {
    let numbers = |name: &str| -> Vec<u32> {
        let rows = name.split("::row_").nth(1).unwrap_or_default().split('_');
        let mut numbers = rows.map_while(|word| match word {
            "to" => Some(None),
            word => word.parse().ok().map(Some),
        });
        match (numbers.next().flatten(), numbers.next(), numbers.next().flatten()) {
            (Some(first), Some(None), Some(last)) => (first..=last).collect(),
            (first, ..) => first.into_iter().collect(),
        }
    };
    let mut shown: Vec<u32> = tests.iter().flat_map(|name| numbers(name)).collect();
    shown.extend(ELSEWHERE.iter().map(|(row, ..)| row));
    let missing: Vec<u32> = (1..=ROWS).filter(|row| !shown.contains(row)).collect();
    assert!(missing.is_empty(), "rows without a test: {missing:?}");
}

/// Prints all lines, in the order of the matrix.
pub(crate) fn print() {
    let mut lines = std::mem::take(&mut *LINES.lock());
    if lines.is_empty() {
        return;
    }
    lines.extend(ELSEWHERE.iter().map(|(row, fault, place)| {
        ((*row, ""), format!("| {row} | {fault} |{} {place} |", " – |".repeat(8)))
    }));
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
