//! The report of a run for people: a table, a histogram, and the assertions.
//!
//! Owns every word of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use hdrhistogram::Histogram;

use super::histogram_chart::draw;
use super::metric::{Metric, Unit};
use super::options::{Kind, Publish};
use super::outcome::Outcome;
use crate::phase::Pace;

/// Whether the report has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// Escape sequences of a terminal.
    Ansi,
    /// Plain text.
    None,
}

/// How a text of the server is shown.
pub type ShowsText = for<'a> fn(&'a str) -> Cow<'a, str>;

/// The whole report.
pub fn report(outcome: &Outcome, colours: Colours, shows: ShowsText) -> String {
    let mut text = format!("{}\n\n", heading(outcome));
    for (name, parts) in rows(outcome, shows) {
        if !parts.is_empty() {
            writeln!(text, "  {name:<10} {}", parts.join("   ")).expect("memory takes all");
        }
    }
    let latency = &outcome.measures.latency;
    if !latency.is_empty() {
        let count = Unit::Count.show(latency.len() as f64);
        write!(text, "\nlatency of {count} deliveries\n{}", draw(latency))
            .expect("memory takes all");
    }
    text.push_str(&judgement(outcome, colours));
    text
}

fn heading(outcome: &Outcome) -> String {
    let options = &outcome.options;
    let kind = match options.kind {
        Kind::Public => "public",
        Kind::Private => "private",
        Kind::Presence => "presence",
    };
    let load = match (options.phase().pace, options.publish) {
        (Pace::Idle, _) => "idle".to_owned(),
        (Pace::Rate(rate), Publish::Client) => format!("{rate} client events/s"),
        (Pace::Rate(rate), _) => format!("{rate} events/s"),
        (Pace::InFlight(count), Publish::Client) => format!("{count} client events in flight"),
        (Pace::InFlight(count), _) => format!("{count} in flight"),
    };
    let batch =
        if options.batch > 1 { format!(", {} a request", options.batch) } else { String::new() };
    let is_idle = options.publish == Publish::None;
    let size = if is_idle { String::new() } else { format!(", {} bytes", options.payload) };
    format!(
        "{}: {} on {}, {load}{batch}{size}, {}",
        outcome.targets.join(", "),
        count(options.connections, "socket"),
        count(options.channels, &format!("{kind} channel")),
        Unit::Duration.show(outcome.measures.elapsed.as_nanos() as f64),
    )
}

fn rows(outcome: &Outcome, shows: ShowsText) -> Vec<(&'static str, Vec<String>)> {
    let measures = &outcome.measures;
    let number = |number: u64| Unit::Count.show(number as f64);
    let mut connect = spread(&outcome.connects);
    connect.push(format!("all in {}", time(outcome.connected_in.as_nanos())));
    if outcome.options.deflate {
        connect.push(format!("deflate granted to {}", outcome.deflated));
    }
    let mut delivered = Vec::new();
    if measures.expected > 0 || measures.delivered > 0 {
        delivered.push(format!("{} of {}", number(measures.delivered), number(measures.expected)));
        delivered.push(format!("{}/s", number(measures.rate() as u64)));
        delivered.push(format!(
            "lost {} ({})",
            number(measures.lost()),
            shown(outcome, Metric::Loss)
        ));
    }
    if measures.disordered > 0 {
        delivered.push(format!("out of order {}", number(measures.disordered)));
    }
    let received = format!("{} on the wire", Unit::Bytes.show(measures.received_bytes as f64));
    vec![
        ("connect", connect),
        ("delivered", delivered),
        ("latency", spread(&measures.latency)),
        ("answers", spread(&measures.answers)),
        ("received", vec![received]),
        ("server", server(outcome)),
        ("client", client(outcome)),
        ("refused", refused(outcome, shows)),
        ("errors", errors(measures.errors, measures.error.as_deref().map(shows))),
        ("closed", by_code(&measures.closed)),
    ]
}

/// The usage of the server's process.
fn server(outcome: &Outcome) -> Vec<String> {
    let Some(server) = outcome.measures.server else { return Vec::new() };
    let mut parts = vec![format!("CPU {}", time(server.cpu().as_nanos()))];
    if outcome.measures.delivered > 0 {
        parts.push(format!("{} a delivery", shown(outcome, Metric::CpuPerDelivery)));
    }
    parts.push(format!("{} a connect", shown(outcome, Metric::CpuPerConnect)));
    parts.push(format!("memory {}", Unit::Bytes.show(server.rss_bytes as f64)));
    parts.push(format!("{} a socket", shown(outcome, Metric::MemoryPerSocket)));
    parts
}

/// The usage of this process, which the reader compares with the server's.
fn client(outcome: &Outcome) -> Vec<String> {
    let measures = &outcome.measures;
    if measures.client.is_none() {
        return Vec::new();
    }
    let mut parts = vec![format!("CPU {} of a core", shown(outcome, Metric::ClientCpu))];
    parts.extend(
        measures
            .client_cpu_per_delivery()
            .map(|cpu| format!("{} a delivery", time(cpu.as_nanos()))),
    );
    let connect = outcome.client_cpu_per_connect();
    parts.extend(connect.map(|cpu| format!("{} a connect", time(cpu.as_nanos()))));
    if !measures.lateness.is_empty() {
        let late = measures.lateness.value_at_quantile(0.99);
        parts.push(format!("sends late by p99 {}", time(u128::from(late))));
    }
    parts
}

fn shown(outcome: &Outcome, metric: Metric) -> String {
    let value = outcome.value(metric);
    value.map_or_else(|| "-".to_owned(), |value| metric.unit().show(value))
}

fn refused(outcome: &Outcome, shows: ShowsText) -> Vec<String> {
    let measures = &outcome.measures;
    let mut parts = by_code(&measures.refused);
    if measures.unanswered > 0 {
        parts.push(format!("unanswered × {}", measures.unanswered));
    }
    parts.extend(measures.refusal.iter().map(|text| format!("first: {}", shows(text))));
    parts
}

fn errors(count: u64, first: Option<Cow<'_, str>>) -> Vec<String> {
    if count == 0 {
        return Vec::new();
    }
    vec![format!("{count} told to sockets"), format!("first: {}", first.unwrap_or_default())]
}

fn by_code(counts: &BTreeMap<u16, u64>) -> Vec<String> {
    counts.iter().map(|(code, count)| format!("{code} × {count}")).collect()
}

fn spread(histogram: &Histogram<u64>) -> Vec<String> {
    if histogram.is_empty() {
        return Vec::new();
    }
    let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];
    let show =
        |(name, value)| format!("{name} {}", time(u128::from(histogram.value_at_quantile(value))));
    quantiles.into_iter().map(show).collect()
}

fn judgement(outcome: &Outcome, colours: Colours) -> String {
    let mut text = String::new();
    for assertion in &outcome.assertions {
        let value = outcome.value(assertion.metric);
        let holds = value.is_some_and(|value| assertion.holds(value));
        let was = value
            .map_or_else(|| "not measured".to_owned(), |value| assertion.metric.unit().show(value));
        let (word, colour) = if holds { ("holds", "32") } else { ("fails", "31") };
        let word = match colours {
            Colours::Ansi => format!("\u{1b}[{colour}m{word}\u{1b}[0m"),
            Colours::None => word.to_owned(),
        };
        writeln!(text, "  {word} {} ({was})", assertion.expression).expect("memory takes all");
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

fn time(ns: u128) -> String {
    Unit::Duration.show(ns as f64)
}

fn count(count: usize, noun: &str) -> String {
    let number = Unit::Count.show(count as f64);
    let plural: &dyn Display = if count == 1 { &"" } else { &"s" };
    format!("{number} {noun}{plural}")
}
