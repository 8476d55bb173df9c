//! Taps of this node that are lent to viewers at other nodes, each for a lease that the viewer's node renews.
//!
//! Owns how much of this node is sent: 200 rows a second for a viewer; the others are counted in the stream.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::aligned_ticks::aligned_ticks;
use super::api::InternalApi;
use super::parameters;
use crate::config::PayloadView;
use crate::node::{AskedInquiry, MAX_PART_BYTES, NodeInquiries};
use crate::observation::{Tap, TapFilter, row};

/// How long a tap lives without being renewed.
pub(super) const LEASE: Duration = Duration::from_secs(5);

/// A part is sent at least that often, so that the viewer's node can tell that this one is there.
const PART_AT_LEAST_EVERY: Duration = Duration::from_secs(1);

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Rows for one viewer, and how many may come at once.
const ROWS_PER_LOOK: usize = 20;
const MAX_ROWS_AT_ONCE: usize = 200;

/// Viewers at other nodes at once; further ones do not see this node.
const MAX_TAPS: usize = 8;

/// The taps that are lent.
pub(super) struct LentTaps {
    api: Arc<InternalApi>,
    inquiries: Arc<NodeInquiries>,
    /// By the node that asks and the id of its inquiry.
    lent: HashMap<(String, u64), Lent>,
    tasks: JoinSet<()>,
}

struct Lent {
    until: Arc<Mutex<Instant>>,
    _ends: DropGuard,
}

/// One of them, as its task has it.
struct LentTap {
    api: Arc<InternalApi>,
    inquiries: Arc<NodeInquiries>,
    asked: AskedInquiry,
    tap: Arc<Tap>,
    view: PayloadView,
    name: Option<String>,
    /// Rows that may be sent now.
    credit: usize,
    last_part: Instant,
}

impl LentTaps {
    pub(super) fn new(api: Arc<InternalApi>, inquiries: Arc<NodeInquiries>) -> Self {
        let (lent, tasks) = Default::default();
        Self { api, inquiries, lent, tasks }
    }

    /// Lends a tap, or renews the lease of the one that is lent.
    pub(super) fn lend(&mut self, asked: AskedInquiry, query: &str) {
        let until = Instant::now() + LEASE;
        let key = (asked.asker(), asked.id);
        if let Some(lent) = self.lent.get(&key) {
            *lent.until.lock() = until;
            return;
        }
        self.lent.retain(|_, lent| *lent.until.lock() > Instant::now());
        while self.tasks.try_join_next().is_some() {}
        let Ok((filter, view)) = parameters::wanted(query, self.api.payloads) else { return };
        if self.lent.len() >= MAX_TAPS {
            tracing::debug!(
                "a viewer at another node is one of too many, and does not see this one"
            );
            return;
        }
        let ends = CancellationToken::new();
        let until = Arc::new(Mutex::new(until));
        let lent = LentTap::open(&self.api, &self.inquiries, asked, (filter, view));
        self.tasks.spawn(lent.run(until.clone(), ends.clone()));
        self.lent.insert(key, Lent { until, _ends: ends.drop_guard() });
    }

    /// The viewer is gone.
    pub(super) fn end(&mut self, asked: &AskedInquiry) {
        self.lent.remove(&(asked.asker(), asked.id));
    }
}

impl LentTap {
    fn open(
        api: &Arc<InternalApi>,
        inquiries: &Arc<NodeInquiries>,
        asked: AskedInquiry,
        (filter, view): (TapFilter, PayloadView),
    ) -> Self {
        let (tap, name) = (api.node.observation().open(filter), api.node.name());
        let last_part = Instant::now();
        let (api, inquiries) = (api.clone(), inquiries.clone());
        Self { api, inquiries, asked, tap, view, name, credit: MAX_ROWS_AT_ONCE, last_part }
    }

    async fn run(mut self, until: Arc<Mutex<Instant>>, ends: CancellationToken) {
        let mut looks = aligned_ticks(self.api.started, LOOK_EVERY);
        self.send("");
        loop {
            tokio::select! {
                now = looks.tick() => if now > *until.lock() { return },
                () = ends.cancelled() => return,
            }
            self.look();
        }
    }

    /// Sends the rows that wait, as far as the rate allows.
    fn look(&mut self) {
        self.credit = (self.credit + ROWS_PER_LOOK).min(MAX_ROWS_AT_ONCE);
        let batch = self.tap.take();
        let (mut part, mut dropped) = (String::new(), batch.dropped);
        for occurrence in &batch.occurrences {
            let line = match self.credit {
                0 => None,
                _ => Some(row(occurrence, self.name.as_deref(), self.view)),
            };
            let Some(line) = line.filter(|line| line.len() < MAX_PART_BYTES) else {
                dropped += 1;
                continue;
            };
            self.credit -= 1;
            if part.len() + line.len() >= MAX_PART_BYTES {
                self.send(&std::mem::take(&mut part));
            }
            part.push_str(&line);
            part.push('\n');
        }
        if dropped > 0 {
            let name = self.name.as_deref().unwrap_or_default();
            let line =
                format!("{{\"kind\":\"dropped\",\"count\":{dropped},\"node\":\"{name}\"}}\n");
            if part.len() + line.len() > MAX_PART_BYTES {
                self.send(&std::mem::take(&mut part));
            }
            part.push_str(&line);
        }
        if !part.is_empty() || self.last_part.elapsed() >= PART_AT_LEAST_EVERY {
            self.send(&part);
        }
    }

    fn send(&mut self, part: &str) {
        self.inquiries.answer(&self.asked, part, false);
        self.last_part = Instant::now();
    }
}

impl Drop for LentTap {
    fn drop(&mut self) {
        self.api.node.observation().close(&self.tap);
    }
}
