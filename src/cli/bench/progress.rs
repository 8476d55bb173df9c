//! What is seen while it runs: a bar that fills with sockets, then a line that lives.
//!
//! Owns the terminal's lower edge. Shows nothing where there is no terminal that draws a line
//! again.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::metric::Unit;
use crate::config::Terminal;
use crate::load::{Live, Phase};

/// The live line is rewritten this often: what changes faster cannot be read.
const EVERY: Duration = Duration::from_secs(1);

pub(super) struct Progress {
    bar: ProgressBar,
    /// Deliveries and time when the line was last written.
    last: Cell<(u64, Duration)>,
    /// Whether the phase ends by events and not by time.
    by_events: Cell<bool>,
}

impl Progress {
    /// A bar for so many sockets.
    pub(super) fn new(connections: u64, terminal: Terminal) -> Self {
        let is_seen = terminal.redraws(&io::stdout()) && terminal.redraws(&io::stderr());
        let target =
            if is_seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(connections), target);
        bar.set_style(style("connecting {bar:32} {human_pos} of {human_len} sockets"));
        Self { bar, last: Cell::default(), by_events: Cell::default() }
    }

    pub(super) fn connected(&self, ready: usize) {
        self.bar.set_position(ready as u64);
    }

    /// The bar is the time or the events of a phase from now on.
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

    pub(super) fn live(&self, live: &Live) {
        let by_time = live.elapsed.as_millis() as u64;
        self.bar.set_position(if self.by_events.get() { live.published } else { by_time });
        let (delivered, elapsed) = self.last.get();
        let since = live.elapsed.saturating_sub(elapsed);
        if since < EVERY {
            return;
        }
        self.last.set((live.delivered, live.elapsed));
        let rate = (live.delivered - delivered) as f64 / since.as_secs_f64();
        let at = |value| Unit::Duration.show(live.latency.value_at_quantile(value) as f64);
        self.bar.set_message(format!(
            "{}/s  p50 {}  p99 {}  {} not there yet  {} sockets",
            Unit::Count.show(rate),
            at(0.5),
            at(0.99),
            Unit::Count.show(live.expected.saturating_sub(live.delivered) as f64),
            live.open,
        ));
    }

    pub(super) fn done(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("a template that was tried");
    style.progress_chars("█▉▊▋▌▍▎▏ ")
}
