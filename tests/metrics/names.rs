//! Every metric and label that a guide, a dashboard or an alert names is in the exposition of a server.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use resound::metrics::ExpositionFormat;
use serde_json::Value;

use crate::harness::TestServer;

/// What users read beside the table.
const GUIDES: [&str; 5] = [
    "README.md",
    "config/README.md",
    "docker/README.md",
    "docker/prometheus/README.md",
    "benches/README.md",
];

const TABLE: &str = "docker/prometheus/README.md";
const RULES: &str = "docker/prometheus/rules.yml";
const DASHBOARD: &str = "docker/grafana/resound.json";

/// Labels that Prometheus adds to what it scrapes.
const TARGET_LABELS: [&str; 2] = ["instance", "job"];

/// The exposition of a server that has everything that can be counted.
async fn exposition() -> String {
    let keys = "[[apps.webhooks]]\nurl = \"http://127.0.0.1:9/\"\nevents = [\"channel_occupied\"]\n\
                [apps.auth]\nmode = \"ask\"\n[apps.auth.ask]\nurl = \"http://127.0.0.1:9/\"";
    let server = TestServer::with_app(keys).await;
    server.backend().trigger("orders", "news", "{}").await;
    // A node of a cluster shows it for each of its partitions.
    server.metrics.cluster.of_partition(0);
    server.metrics.text()
}

/// The samples of an exposition: their names, and the values of each of their labels.
#[derive(Default)]
struct Samples(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Samples {
    fn of(exposition: &str) -> Self {
        let mut samples = Self::default();
        for line in exposition.lines().filter(|line| !line.starts_with('#')) {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let known = samples.0.entry(name.to_owned()).or_default();
            for label in labels.trim_end_matches('}').split("\",").filter(|text| !text.is_empty()) {
                let (label, value) = label.split_once("=\"").unwrap();
                let value = value.trim_end_matches('"').to_owned();
                known.entry(label.to_owned()).or_default().insert(value);
            }
        }
        samples
    }

    /// What an expression names that there is not. `others` are labels that its text names outside of it.
    fn problems(&self, expression: &str, others: &[String]) -> Vec<String> {
        let (mut problems, mut known) =
            (Vec::new(), BTreeSet::from(TARGET_LABELS.map(str::to_owned)));
        let mut grouped = others.to_vec();
        let mut rest = expression;
        while let Some(at) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '"') {
            rest = &rest[at..];
            if let Some(text) = rest.strip_prefix('"') {
                rest = text.split_once('"').unwrap().1;
                continue;
            }
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
            rest = behind;
            if ["by", "without", "on", "ignoring", "group_left"].contains(&word) {
                let list = rest.trim_start().strip_prefix('(').unwrap().split_once(')').unwrap();
                let labels = list.0.split(',').map(|label| label.trim().to_owned());
                grouped.extend(labels.filter(|label| !label.is_empty()));
                rest = list.1;
            } else if word.starts_with("resound_") || word.starts_with("process_") {
                let Some(labels) = self.0.get(word) else {
                    problems.push(format!("{word} is no sample"));
                    continue;
                };
                known.extend(labels.keys().cloned());
                if let Some(matchers) = rest.strip_prefix('{') {
                    let (matchers, behind) = matchers.split_once('}').unwrap();
                    rest = behind;
                    problems.extend(
                        matchers.split("\",").filter_map(|matcher| mismatch(word, labels, matcher)),
                    );
                }
            }
        }
        problems.extend(
            grouped
                .iter()
                .filter(|label| !known.contains(*label))
                .map(|label| format!("{label} is a label of nothing in {expression}")),
        );
        problems
    }
}

/// What one matcher of a selector names that there is not.
fn mismatch(
    name: &str,
    labels: &BTreeMap<String, BTreeSet<String>>,
    matcher: &str,
) -> Option<String> {
    let end = matcher.find(['=', '!']).unwrap();
    let (label, value) = (matcher[..end].trim(), matcher[end..].trim_end_matches('"'));
    if TARGET_LABELS.contains(&label) {
        return None;
    }
    let Some(values) = labels.get(label) else {
        return Some(format!("{name} has no label {label}"));
    };
    // Of a pattern only alternatives that are plain text are checked.
    let value = value.trim_start_matches(['=', '!', '~', '"']);
    let plain = |text: &&str| text.chars().all(|c| c.is_ascii_alphanumeric() || "_/".contains(c));
    let unknown = value.split('|').filter(plain).find(|text| !values.contains(*text));
    unknown.map(|text| format!("{name} has no {label}=\"{text}\""))
}

/// The names of labels in `{{label}}` and `{{ $labels.label }}`.
fn placeholders(text: &str) -> Vec<String> {
    let inner = text.split("{{").skip(1).filter_map(|part| part.split("}}").next());
    let labels = inner.map(|text| text.trim().trim_start_matches("$labels.").to_owned());
    labels.filter(|label| !label.starts_with('$')).collect()
}

#[tokio::test]
async fn metrics_in_the_guides_have_the_names_of_the_exposition() {
    let exposition = exposition().await;
    let mut problems = Vec::new();
    for path in GUIDES {
        // Every second piece is between two backticks.
        for quoted in fs::read_to_string(path).unwrap().split('`').skip(1).step_by(2) {
            let name = quoted.split(['{', ' ']).next().unwrap_or_default();
            let described = format!("# HELP {} ", name.trim_end_matches("_total"));
            let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            if is_name && name.starts_with("resound_") && !exposition.contains(&described) {
                problems.push(format!("{path}: {name} is no metric"));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[tokio::test]
async fn the_table_has_a_row_for_each_metric() {
    let exposition = ExpositionFormat::Text.of(exposition().await);
    let samples = Samples::of(&exposition);
    let mut rows = Vec::new();
    for (help, kind) in exposition.lines().zip(exposition.lines().skip(1)) {
        let Some((name, help)) = help.strip_prefix("# HELP ").and_then(|it| it.split_once(' '))
        else {
            continue;
        };
        let kind = kind.rsplit(' ').next().unwrap();
        let sample = if kind == "histogram" { format!("{name}_bucket") } else { name.to_owned() };
        let labels = samples.0.get(&sample).unwrap_or_else(|| panic!("{sample} has no sample"));
        let labels: Vec<String> = labels
            .keys()
            .filter(|label| *label != "le")
            .map(|label| format!("`{label}`"))
            .collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        rows.push(format!("| `{name}` | {kind} | {labels} | {} |", help.trim_end_matches('.')));
    }
    let guide = fs::read_to_string(TABLE).unwrap();
    let (_, table) = guide.split_once("| Counts |\n|---|---|---|---|\n").unwrap();
    let found: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    assert!(found == rows, "the table of {TABLE} must be:\n{}\n", rows.join("\n"));
}

#[tokio::test]
async fn dashboards_name_what_a_server_exposes() {
    let samples = Samples::of(&exposition().await);
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(DASHBOARD).unwrap()).unwrap();
    let (mut problems, mut expressions) = (Vec::new(), 0);
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let legend = placeholders(target["legendFormat"].as_str().unwrap());
            let expression = target["expr"].as_str().unwrap().replace("\\\"", "\"");
            let title = &panel["title"];
            let found = samples.problems(&expression, &legend);
            problems.extend(found.into_iter().map(|problem| format!("{title}: {problem}")));
            expressions += 1;
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    assert!(expressions > 50, "{expressions} expressions were found");
}

#[tokio::test]
async fn alerts_name_what_a_server_exposes() {
    let samples = Samples::of(&exposition().await);
    let rules = fs::read_to_string(RULES).unwrap();
    let (mut problems, mut alerts) = (Vec::new(), 0);
    for rule in rules.split("      - alert: ").skip(1) {
        let (name, body) = rule.split_once('\n').unwrap();
        let (expression, rest) = body.split_once("expr:").unwrap().1.split_once("labels:").unwrap();
        let expression = expression.replace('\n', " ");
        let expression = expression.split(" for:").next().unwrap();
        assert!(rest.contains("runbook: "), "{name} has no runbook");
        // `up` is made by Prometheus.
        let texts = if expression.contains("up{") { Vec::new() } else { placeholders(rest) };
        let found = samples.problems(expression, &texts);
        problems.extend(found.into_iter().map(|problem| format!("{name}: {problem}")));
        alerts += 1;
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    assert!(alerts > 20, "{alerts} alerts were found");
}

/// The value behind a key of a rule, up to the end of its line or its braces.
fn of_rule<'a>(rule: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = rule.split_once(&format!("{key}: "))?;
    rest.split(['\n', '}']).next()
}

#[test]
fn the_table_has_a_row_for_each_alert() {
    let rules = fs::read_to_string(RULES).unwrap();
    let row = |rule: &str| {
        let name = rule.lines().next().unwrap();
        let time = of_rule(rule, "\n        for").unwrap_or("–");
        format!("| `{name}` | {} | {time} |", of_rule(rule, "severity").unwrap())
    };
    let expected: Vec<String> = rules.split("      - alert: ").skip(1).map(row).collect();
    let guide = fs::read_to_string(TABLE).unwrap();
    let (_, table) = guide.split_once("| Raised when |\n|---|---|---|---|\n").unwrap();
    let rows: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let found: Vec<String> = rows
        .iter()
        .map(|row| row.splitn(5, '|').take(4).collect::<Vec<_>>().join("|") + "|")
        .collect();
    assert!(found == expected, "the table of {TABLE} must begin with:\n{}", expected.join("\n"));
    assert!(rows.iter().all(|row| row.split('|').nth(4).unwrap().len() > 20), "{rows:?}");
}

/// Grafana shows panels with the same id, or at the same place, in an order of its own.
#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(DASHBOARD).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let of = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        for (x, y) in (0..of("w")).flat_map(|x| (0..of("h")).map(move |y| (x, y))) {
            assert!(places.insert((of("x") + x, of("y") + y)), "{} overlaps", panel["title"]);
        }
        assert!(of("x") + of("w") <= 24, "{} is too wide", panel["title"]);
    }
    assert!(panels.len() > 40, "{} panels were found", panels.len());
}

#[test]
fn a_name_that_is_not_exposed_is_found() {
    let samples = Samples::of("resound_a{x=\"1\",y=\"2\"} 7\nprocess_b 8\n");
    let none: [&str; 0] = [];
    for (expression, expected) in [
        ("sum by (x) (rate(resound_a{x=\"1\",instance=~\"$instance\"}[5m])) > 0", &none[..]),
        ("process_b and on (instance) resound_a{y=~\"2|.*\"}", &none),
        ("resound_c > 1", &["resound_c is no sample"]),
        ("resound_a{z=\"1\"}", &["resound_a has no label z"]),
        ("resound_a{x=\"1\",y!=\"3\"}", &["resound_a has no y=\"3\""]),
        ("sum by (z) (process_b)", &["z is a label of nothing in sum by (z) (process_b)"]),
    ] {
        assert_eq!(samples.problems(expression, &[]), expected, "{expression}");
    }
    let texts = placeholders("{{ $labels.x }} of {{y}} is {{ $value }}");
    assert_eq!(texts, ["x", "y"]);
}

fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool, which tests/install installs");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn promtool_accepts_the_exposition_and_the_alerts() {
    let text = ExpositionFormat::Text.of(exposition().await);
    let (_, complaints) = promtool(&["check", "metrics"], &text);
    assert_eq!(complaints, "");
    for arguments in
        [["check", "rules", RULES], ["test", "rules", "docker/prometheus/rules_test.yml"]]
    {
        let (is_accepted, output) = promtool(&arguments, "");
        assert!(is_accepted, "{output}");
    }
}
