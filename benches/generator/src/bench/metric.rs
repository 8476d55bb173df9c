//! The metrics of a run: names, units, and how a value is written.
//!
//! Owns the reading and writing of quantities.

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;
const GIB: f64 = 1024.0 * MIB;

/// A number with its unit as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Nanoseconds inside; `ns`, `us`, `ms` or `s` outside.
    Duration,
    /// Bytes; `B`, `KB`, `KiB`, `MB`, `MiB`.
    Bytes,
    /// A plain number, perhaps with `k` or `M`.
    Count,
    /// A part of one; `%`.
    Share,
}

/// A value that can be asserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    P50,
    P90,
    P99,
    P999,
    Max,
    AnswerP99,
    ConnectP99,
    Loss,
    Disordered,
    Errors,
    Closed,
    Rate,
    ClientCpu,
    CpuPerDelivery,
    CpuPerConnect,
    MemoryPerSocket,
}

impl Metric {
    /// All there are, by name.
    pub(super) const ALL: [(&'static str, Self); 16] = [
        ("p50", Self::P50),
        ("p90", Self::P90),
        ("p99", Self::P99),
        ("p999", Self::P999),
        ("max", Self::Max),
        ("answer_p99", Self::AnswerP99),
        ("connect_p99", Self::ConnectP99),
        ("loss", Self::Loss),
        ("disordered", Self::Disordered),
        ("errors", Self::Errors),
        ("closed", Self::Closed),
        ("rate", Self::Rate),
        ("client_cpu", Self::ClientCpu),
        ("cpu_per_delivery", Self::CpuPerDelivery),
        ("cpu_per_connect", Self::CpuPerConnect),
        ("memory_per_socket", Self::MemoryPerSocket),
    ];

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, metric)| metric)
    }

    pub(super) fn unit(self) -> Unit {
        match self {
            Self::P50
            | Self::P90
            | Self::P99
            | Self::P999
            | Self::Max
            | Self::AnswerP99
            | Self::ConnectP99
            | Self::CpuPerDelivery
            | Self::CpuPerConnect => Unit::Duration,
            Self::Loss | Self::ClientCpu => Unit::Share,
            Self::Disordered | Self::Errors | Self::Closed | Self::Rate => Unit::Count,
            Self::MemoryPerSocket => Unit::Bytes,
        }
    }

    /// Whether it is read from the server's process.
    pub(super) fn needs_pid(self) -> bool {
        matches!(self, Self::CpuPerDelivery | Self::CpuPerConnect | Self::MemoryPerSocket)
    }
}

impl Unit {
    /// What can be written, for messages.
    pub(super) fn examples(self) -> &'static str {
        match self {
            Self::Duration => "a time such as 50ms (ns, us, ms, s)",
            Self::Bytes => "a size such as 64KiB (B, KB, KiB, MB, MiB)",
            Self::Count => "a number such as 100000 or 100k (k, M)",
            Self::Share => "a share such as 0.1%",
        }
    }

    /// Reads `50ms`; a unit may only be missing where there is none, or where the number is 0.
    pub(super) fn parse(self, text: &str) -> Option<f64> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let number: f64 = number.parse().ok()?;
        let factor = match (self, unit.trim()) {
            (_, "") if number == 0.0 => 1.0,
            (Self::Duration, "ns") | (Self::Bytes, "B" | "") | (Self::Count, "") => 1.0,
            (Self::Duration, "us" | "µs") | (Self::Bytes, "KB") | (Self::Count, "k") => 1e3,
            (Self::Duration, "ms") | (Self::Bytes, "MB") | (Self::Count, "M") => 1e6,
            (Self::Duration, "s") => 1e9,
            (Self::Bytes, "KiB") => KIB,
            (Self::Bytes, "MiB") => MIB,
            (Self::Share, "%") => 0.01,
            _ => return None,
        };
        Some(number * factor)
    }

    /// Three digits and a unit, for people.
    pub(super) fn show(self, value: f64) -> String {
        let steps: &[(f64, &str)] = match self {
            Self::Duration => &[(1e9, " s"), (1e6, " ms"), (1e3, " µs"), (1.0, " ns")],
            Self::Bytes => &[(GIB, " GiB"), (MIB, " MiB"), (KIB, " KiB"), (1.0, " B")],
            Self::Share => return format!("{} %", digits(value * 100.0)),
            Self::Count => return grouped(value),
        };
        let last = steps[steps.len() - 1];
        let (factor, unit) = steps.iter().find(|(step, _)| value >= *step).copied().unwrap_or(last);
        format!("{}{unit}", digits(value / factor))
    }
}

/// Three digits, or as many as the whole part has.
fn digits(value: f64) -> String {
    let places = match value {
        0.0 | 100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.places$}")
}

/// A whole number in groups of three.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::Unit;

    fn check(unit: Unit, text: &str, value: f64, shown: &str) {
        let parsed = unit.parse(text).unwrap();
        assert!((parsed - value).abs() <= value * 1e-9, "{text} is {parsed}");
        assert_eq!(unit.show(parsed), shown, "{text}");
    }

    #[test]
    fn quantities_are_read_and_written() {
        check(Unit::Duration, "50ms", 50e6, "50.0 ms");
        check(Unit::Duration, "1.5us", 1500.0, "1.50 µs");
        check(Unit::Duration, "2 s", 2e9, "2.00 s");
        check(Unit::Duration, "0", 0.0, "0 ns");
        check(Unit::Bytes, "64KiB", 65536.0, "64.0 KiB");
        check(Unit::Bytes, "100", 100.0, "100 B");
        check(Unit::Count, "100k", 100_000.0, "100 000");
        check(Unit::Count, "7", 7.0, "7");
        check(Unit::Share, "0.1%", 0.001, "0.10 %");
    }

    #[test]
    fn a_missing_or_foreign_unit_is_refused() {
        for (unit, text) in [
            (Unit::Duration, "50"),
            (Unit::Duration, "50 MB"),
            (Unit::Duration, "ms"),
            (Unit::Share, "0.1"),
            (Unit::Count, "1%"),
            (Unit::Bytes, "-1"),
        ] {
            assert_eq!(unit.parse(text), None, "{text}");
        }
    }
}
