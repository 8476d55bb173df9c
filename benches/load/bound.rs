//! What a figure is measured in, and what it has to be.

use std::fmt;

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Microseconds,
    Milliseconds,
    PerSecond,
    Percent,
    Kilobytes,
    Bytes,
    /// For each of something.
    Each,
    /// A plain number: a count, a close code.
    Number,
}

/// The bound of a figure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// No bound: the figure is shown to be compared.
    Free,
    AtMost(f64),
    AtLeast(f64),
    Exactly(f64),
    /// At most so many times the reference.
    AtMostTimes(f64, Reference),
    /// At least so many times the reference.
    AtLeastTimes(f64, Reference),
}

/// The figure it is compared with, in the same run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reference {
    /// The same figure of the bare loop.
    BareLoop,
    /// Another figure of the same subject, and what it is called.
    Own { figure: &'static str, name: &'static str },
}

impl Bound {
    pub(crate) fn reference(self) -> Option<Reference> {
        match self {
            Self::Free | Self::AtMost(_) | Self::AtLeast(_) | Self::Exactly(_) => None,
            Self::AtMostTimes(_, reference) | Self::AtLeastTimes(_, reference) => Some(reference),
        }
    }

    /// Whether it holds; `None` without the reference it needs.
    pub(crate) fn holds(self, measured: f64, reference: Option<f64>) -> Option<bool> {
        match self {
            Self::Free => Some(true),
            Self::AtMost(most) => Some(measured <= most),
            Self::AtLeast(least) => Some(measured >= least),
            Self::Exactly(value) => Some(measured == value),
            Self::AtMostTimes(factor, _) => Some(measured <= factor * reference?),
            Self::AtLeastTimes(factor, _) => Some(measured >= factor * reference?),
        }
    }

    /// As the table shows it.
    pub(crate) fn shown(self, unit: Unit) -> String {
        match self {
            Self::Free => "–".to_owned(),
            Self::AtMost(most) => format!("≤ {}", unit.shown(most)),
            Self::AtLeast(least) => format!("≥ {}", unit.shown(least)),
            Self::Exactly(value) => unit.shown(value),
            Self::AtMostTimes(factor, reference) => format!("≤ {factor} × {reference}"),
            Self::AtLeastTimes(1.0, reference) => format!("≥ {reference}"),
            Self::AtLeastTimes(factor, reference) => format!("≥ {factor} × {reference}"),
        }
    }
}

impl Unit {
    pub(crate) fn shown(self, value: f64) -> String {
        let plain = |unit| format!("{} {unit}", digits(value));
        match self {
            Self::Microseconds => plain("µs"),
            Self::Milliseconds => plain("ms"),
            Self::PerSecond if value >= 100_000.0 => format!("{:.0} k/s", value / 1000.0),
            Self::PerSecond if value >= 10_000.0 => format!("{:.1} k/s", value / 1000.0),
            Self::PerSecond => plain("/s"),
            Self::Percent => plain("%"),
            Self::Kilobytes => plain("KB"),
            Self::Bytes => format!("{value:.0} B"),
            Self::Each => digits(value),
            Self::Number => format!("{value:.0}"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BareLoop => "bare loop",
            Self::Own { name, .. } => name,
        })
    }
}

/// As many as tell something.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value == value.round() => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
