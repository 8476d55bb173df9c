//! What a run prints at its end.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::figures::Usage;
use crate::latency::Latencies;
use crate::oracle::finding::Broken;
use crate::plan::Fault;
use crate::scene::Scene;

/// The rows, as text.
pub(crate) fn table(
    title: &str,
    scene: &Scene,
    faults: &BTreeMap<String, u64>,
    usage: &[Usage],
) -> String {
    let mut text = format!("{title}\n");
    judged(scene, &mut text);
    let list = |counts: &mut dyn Iterator<Item = String>| counts.collect::<Vec<_>>().join(", ");
    let faults = list(&mut faults.iter().map(|(fault, count)| format!("{fault} {count}")));
    let _ = writeln!(text, "{:36}{faults}", "faults");
    for (number, usage) in usage.iter().enumerate() {
        let _ = writeln!(text, "node {number}: start, peak, end    {usage}");
    }
    latencies(&scene.latencies(), &mut text);
    text
}

fn judged(scene: &Scene, text: &mut String) {
    scene.with_oracle(|oracle, _| {
        let judged = oracle.judged();
        let findings = &oracle.findings;
        let mut row = |name: &str, value: String| {
            let _ = writeln!(text, "{name:36}{value}");
        };
        row("triggers", format!("{}, {} without an answer", scene.triggers(), judged.unanswered));
        row("sockets", scene.sockets().to_string());
        row("events expected", judged.events_expected.to_string());
        row("events received", judged.events_received.to_string());
        row("whispers expected", judged.whispers_expected.to_string());
        row("whispers received", judged.whispers_received.to_string());
        row("webhook events", judged.webhook_events.to_string());
        row("webhook calls repeated, of late answers", judged.webhook_calls_repeated.to_string());
        row("webhook events behind their page", judged.webhook_events_late.to_string());
        for (loss, events) in findings.losses() {
            row(&format!("lost: {loss}"), events.to_string());
        }
        for (name, kind) in [
            ("lost in silence", Broken::LostInSilence),
            ("doubled", Broken::Doubled),
            ("reordered", Broken::Reordered),
        ] {
            row(name, findings.broken(kind).to_string());
        }
        for note in findings.notes() {
            row("", note.clone());
        }
        let closes: Vec<String> =
            oracle.closes().map(|(code, count)| format!("{code} {count}")).collect();
        row("closes", closes.join(", "));
        row("links lost without a fault", judged.links_lost.to_string());
    });
}

/// Each tenth of the run.
fn latencies(pages: &[Latencies], text: &mut String) {
    let pages: Vec<&Latencies> = pages.iter().filter(|page| page.total() > 0).collect();
    let _ = writeln!(text, "delivery in ms: part of the run, p50, p99, events");
    for part in pages.chunks(pages.len().div_ceil(10).max(1)).enumerate() {
        let (number, pages) = part;
        let mut all = Latencies::default();
        pages.iter().for_each(|page| all.add(page));
        let (median, high) = (all.millis_at(500), all.millis_at(990));
        let _ = writeln!(text, "{:>4} {median:9.2} {high:9.2} {:9}", number + 1, all.total());
    }
}

/// The name of a fault in the table.
pub(crate) fn name(fault: Fault) -> String {
    format!("{fault:?}")
}
