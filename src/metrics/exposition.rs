//! The two text formats of Prometheus, and which of them a request accepts.
//!
//! The metrics are written as OpenMetrics 1.0 once; the older format is derived from that text.

/// A format of the exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpositionFormat {
    /// OpenMetrics 1.0, which Prometheus prefers.
    OpenMetrics,
    /// The text format 0.0.4, which every other reader understands.
    Text,
}

impl ExpositionFormat {
    /// The format that an `Accept` header prefers: OpenMetrics only where it is named, as in what stock
    /// Prometheus sends.
    pub fn of_accept(accept: &str) -> Self {
        let quality = |media_type: &str| {
            let ranges = accept.split(',').map(|range| range.split(';').map(str::trim));
            let qualities = ranges.filter_map(|mut parts| {
                if !parts.next()?.eq_ignore_ascii_case(media_type) {
                    return None;
                }
                let quality = parts.find_map(|part| part.strip_prefix("q="));
                Some(quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0)))
            });
            qualities.fold(0.0_f64, f64::max)
        };
        let open_metrics = quality("application/openmetrics-text");
        if open_metrics > 0.0 && open_metrics >= quality("text/plain") {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// A text of OpenMetrics in this format.
    pub fn of(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Text => text_format(&open_metrics),
        }
    }
}

/// The samples are the same. In the text format the name of a counter's family has its suffix too, and
/// there are no units and no end.
fn text_format(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ').map(|(_, help)| help);
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|typed| typed.split_once(' '))
        {
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some(help) = help.take() {
                text.extend(["# HELP ", name, suffix, " ", help, "\n"]);
            }
            text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            text.extend([line, "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::ExpositionFormat::{self, OpenMetrics, Text};

    #[test]
    fn openmetrics_is_sent_to_those_who_prefer_it() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for (accept, expected) in [
            (prometheus_2, OpenMetrics),
            (prometheus_3, OpenMetrics),
            ("Application/OpenMetrics-Text", OpenMetrics),
            ("text/plain;q=0.9, application/openmetrics-text;q=0.5", Text),
            ("application/openmetrics-text;q=0, */*", Text),
            ("application/openmetrics-text;q=high", Text),
            ("*/*", Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Text),
            ("", Text),
        ] {
            assert_eq!(ExpositionFormat::of_accept(accept), expected, "{accept}");
        }
    }

    #[test]
    fn the_text_format_names_counters_as_their_samples() {
        let open_metrics = "# HELP a_bytes Bytes.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\na_bytes_total 1\n# HELP b Now.\n# TYPE b gauge\nb{c=\"# TYPE\"} 2\n# EOF\n";
        let expected = "# HELP a_bytes_total Bytes.\n# TYPE a_bytes_total counter\na_bytes_total 1\n# HELP b Now.\n# TYPE b gauge\nb{c=\"# TYPE\"} 2\n";
        assert_eq!(Text.of(open_metrics.to_owned()), expected);
        assert_eq!(OpenMetrics.of(open_metrics.to_owned()), open_metrics);
    }
}
