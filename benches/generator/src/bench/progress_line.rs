//! The progress of a run on the terminal: a bar that fills with sockets, then a line of figures.
//!
//! Owns the last line of the terminal, or nothing where a line cannot be redrawn.

use std::cell::Cell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::metric::Unit;
use crate::phase::{Phase, Progress};

/// The time between two figures: what changes faster cannot be read.
const INTERVAL: Duration = Duration::from_secs(1);

/// A bar on standard error.
#[derive(Debug)]
pub struct ProgressLine {
    bar: ProgressBar,
    /// Deliveries and time when the line was last written.
    last: Cell<(u64, Duration)>,
    /// Whether the phase ends by events and not by time.
    by_events: Cell<bool>,
}

impl ProgressLine {
    /// A line for a terminal that can redraw it.
    pub fn shown() -> Self {
        Self::on(ProgressDrawTarget::stderr())
    }

    /// No line.
    pub fn hidden() -> Self {
        Self::on(ProgressDrawTarget::hidden())
    }

    fn on(target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        Self { bar, last: Cell::default(), by_events: Cell::default() }
    }

    /// The bar shows sockets from now on.
    pub(super) fn connecting(&self, sockets: usize) {
        self.bar.set_length(sockets as u64);
        self.bar.set_style(style("connecting {bar:32} {human_pos} of {human_len} sockets"));
    }

    pub(super) fn connected(&self, ready: usize) {
        self.bar.set_position(ready as u64);
    }

    /// The bar shows the time or the events of a phase from now on.
    pub(super) fn begin(&self, phase: &Phase, what: &'static str) {
        let length = phase.events.unwrap_or(phase.duration.as_millis() as u64);
        self.bar.reset();
        self.bar.set_length(length.max(1));
        self.bar.set_style(style("{prefix} {bar:16} {msg}"));
        self.bar.set_prefix(what);
        self.bar.set_message("");
        self.by_events.set(phase.events.is_some());
        self.last.set(Default::default());
    }

    pub(super) fn update(&self, progress: &Progress) {
        let by_time = progress.elapsed.as_millis() as u64;
        self.bar.set_position(if self.by_events.get() { progress.published } else { by_time });
        let (delivered, elapsed) = self.last.get();
        let since = progress.elapsed.saturating_sub(elapsed);
        if since < INTERVAL {
            return;
        }
        self.last.set((progress.delivered, progress.elapsed));
        let rate = (progress.delivered - delivered) as f64 / since.as_secs_f64();
        let at = |value| Unit::Duration.show(progress.latency.value_at_quantile(value) as f64);
        self.bar.set_message(format!(
            "{}/s  p50 {}  p99 {}  {} not there yet  {} sockets",
            Unit::Count.show(rate),
            at(0.5),
            at(0.99),
            Unit::Count.show(progress.expected.saturating_sub(progress.delivered) as f64),
            progress.open,
        ));
    }

    pub(super) fn done(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    style.progress_chars("█▉▊▋▌▍▎▏ ")
}
