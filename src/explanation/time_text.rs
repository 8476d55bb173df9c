//! Spans of time as people read them.

use std::time::Duration;

/// How long ago something was.
pub fn ago(span: Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        1..=119 => format!("{:.1} s", span.as_secs_f64()),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::ago;

    #[test]
    fn a_span_has_the_unit_of_its_length() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (2_100, "2.1 s"),
            (119_900, "119.9 s"),
            (120_000, "2 min"),
            (7_200_000, "2 h"),
        ] {
            assert_eq!(ago(Duration::from_millis(ms)), text);
        }
    }
}
