//! `--assert 'p99<50ms'`: what must hold for the exit code to be 0.
//!
//! Owns the grammar, METRIC OP VALUE.

use super::metric::Metric;

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Assertion {
    /// As it was written.
    pub(super) expression: String,
    pub(super) metric: Metric,
    comparison: Comparison,
    limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
}

/// The longer ones first, so that `<=` is not read as `<`.
const COMPARISONS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::More),
];

impl Assertion {
    /// Reads an expression; the error lists what is allowed.
    pub(super) fn parse(expression: &str) -> Result<Self, String> {
        let Some(at) = expression.find(['<', '>', '=']) else {
            return Err("it must be like p99<50ms, with <, <=, >, >= or ==".to_owned());
        };
        let (name, rest) = (expression[..at].trim(), &expression[at..]);
        let metric = Metric::parse(name).ok_or_else(|| {
            let names: Vec<&str> = Metric::ALL.iter().map(|(name, _)| *name).collect();
            format!("there is no metric {name:?}; the metrics are {}", names.join(", "))
        })?;
        let comparison = COMPARISONS.iter().find(|(text, _)| rest.starts_with(text));
        let (text, comparison) =
            comparison.ok_or_else(|| "the comparisons are <, <=, >, >= and ==".to_owned())?;
        let value = rest[text.len()..].trim();
        let limit = metric.unit().parse(value).ok_or_else(|| {
            format!(
                "{value:?} cannot be compared with {name}: it needs {}",
                metric.unit().examples()
            )
        })?;
        let expression = expression.trim().to_owned();
        Ok(Self { expression, metric, comparison: *comparison, limit })
    }

    /// Whether it is true of this value.
    pub(super) fn holds(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Less => value < self.limit,
            Comparison::AtMost => value <= self.limit,
            Comparison::More => value > self.limit,
            Comparison::AtLeast => value >= self.limit,
            // Shares and times are computed; what is the same to nine digits is equal.
            Comparison::Equal => (value - self.limit).abs() <= self.limit.abs() * 1e-9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Assertion;

    fn check(expression: &str, holds: &[f64], fails: &[f64]) {
        let assertion = Assertion::parse(expression).unwrap();
        for value in holds {
            assert!(assertion.holds(*value), "{expression} with {value}");
        }
        for value in fails {
            assert!(!assertion.holds(*value), "{expression} with {value}");
        }
    }

    #[test]
    fn all_comparisons_are_understood() {
        check("p99<50ms", &[49e6], &[50e6, 51e6]);
        check(" p99 <= 50ms ", &[50e6], &[51e6]);
        check("rate>100k", &[100_001.0], &[100_000.0]);
        check("rate >= 100k", &[100_000.0], &[99_999.0]);
        check("loss==0", &[0.0], &[0.000_001]);
        check("memory_per_socket<64KiB", &[10_000.0], &[70_000.0]);
    }

    fn check_refused(expression: &str, reason: &str) {
        assert_eq!(Assertion::parse(expression).unwrap_err(), reason);
    }

    #[test]
    fn refusals_say_what_could_stand_there() {
        check_refused("p99", "it must be like p99<50ms, with <, <=, >, >= or ==");
        check_refused(
            "p98<1s",
            "there is no metric \"p98\"; the metrics are p50, p90, p99, p999, max, answer_p99, \
             connect_p99, loss, disordered, errors, closed, rate, client_cpu, cpu_per_delivery, \
             cpu_per_connect, memory_per_socket",
        );
        check_refused("p99=1s", "the comparisons are <, <=, >, >= and ==");
        check_refused(
            "p99<50",
            "\"50\" cannot be compared with p99: it needs a time such as 50ms (ns, us, ms, s)",
        );
        check_refused(
            "loss<1",
            "\"1\" cannot be compared with loss: it needs a share such as 0.1%",
        );
    }
}
