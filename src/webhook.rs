//! Telling back ends what happens on channels: signed, batched, retried POSTs.
//!
//! Off the hot path: the hub hands an [`Occurrence`] to a [`Witness`] that only queues it. Each
//! endpoint has its own queue and task, so a slow one delays nobody else. Refuses to know how
//! occurrences come about.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::app::{App, Webhook};
use crate::hub::{Occurrence, Witness};
use crate::metrics::Metrics;

mod delay;
mod endpoint;
mod failure;
mod notice;
mod queue;

use delay::Delay;
use endpoint::Endpoint;
use notice::Notice;
use queue::Queue;

/// Bounds of all webhooks, from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct WebhookLimits {
    /// Events that wait for one endpoint; the oldest goes when there are more.
    pub queue_events: usize,
    /// To connect.
    pub connect_timeout: Duration,
    /// To connect, send and be answered.
    pub answer_timeout: Duration,
    /// How long one call is tried again before its events are lost.
    pub retry: Duration,
}

/// What the hub's channels report to: takes note and returns.
struct Note(Arc<Queue<Occurrence>>);

impl Witness for Note {
    fn saw(&self, occurrence: Occurrence) {
        self.0.push(occurrence);
    }
}

/// Starts the tasks of one app's webhooks; `None` where it has none.
pub fn start(
    app: &Arc<App>,
    limits: WebhookLimits,
    metrics: &Arc<Metrics>,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<Option<Arc<dyn Witness>>> {
    if app.webhooks.is_empty() {
        return Ok(None);
    }
    let mut outlets = Vec::new();
    for webhook in &app.webhooks {
        let waiting = Arc::new(Queue::new(limits.queue_events, metrics.clone()));
        let endpoint = Endpoint::new(app.clone(), webhook.clone(), limits, metrics.clone())?;
        tasks.spawn(endpoint.run(waiting.clone()));
        outlets.push((webhook.clone(), waiting));
    }
    let noted = Arc::new(Queue::new(limits.queue_events, metrics.clone()));
    tasks.spawn(sort(noted.clone(), outlets, limits.queue_events));
    Ok(Some(Arc::new(Note(noted))))
}

/// Takes what the hub saw, holds back what may yet be cancelled, hands the rest to every endpoint
/// that wants it.
async fn sort(
    noted: Arc<Queue<Occurrence>>,
    outlets: Vec<(Webhook, Arc<Queue<Notice>>)>,
    held_max: usize,
) {
    let mut delay = Delay::new(held_max);
    loop {
        let due = delay.next_due().unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        tokio::select! {
            occurrence = noted.next() => delay.saw(occurrence, Instant::now()),
            () = tokio::time::sleep_until(due.into()) => {}
        }
        for occurrence in delay.release(Instant::now()) {
            hand_out(&occurrence, &outlets);
        }
    }
}

fn hand_out(occurrence: &Occurrence, outlets: &[(Webhook, Arc<Queue<Notice>>)]) {
    let (event, channel) = (occurrence.what.event(), occurrence.channel.as_str());
    for (_, queue) in outlets.iter().filter(|(webhook, _)| webhook.wants(event, channel)) {
        queue.push(Notice::of(occurrence));
    }
}
