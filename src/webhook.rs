//! Webhooks: signed, batched and retried POST requests that report events of channels to back ends.
//!
//! Off the hot path: a [`WebhookSink`] only queues an event. A task per app applies the delay rules
//! ([`WebhookDelay`]), a task per endpoint sends, so a slow endpoint delays no other. How the events
//! come about is left to the hub and the cluster.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::app::{App, Webhook};
use crate::channel_rules::{WebhookDelay, WebhookEvent, WebhookSink};
use crate::config::WebhooksConfig;
use crate::metrics::Metrics;

mod endpoint;
mod failure;
mod queue;

use endpoint::Endpoint;
use queue::{Backlog, Queue};

impl WebhookSink for Queue<WebhookEvent> {
    fn send(&self, event: WebhookEvent) {
        self.push(event);
    }
}

/// Starts the tasks of one app's webhooks; `None` where it has none.
pub fn start(
    app: &Arc<App>,
    limits: WebhooksConfig,
    metrics: &Arc<Metrics>,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<Option<Arc<dyn WebhookSink>>> {
    if app.webhooks.is_empty() {
        return Ok(None);
    }
    let mut endpoints = Vec::new();
    for webhook in &app.webhooks {
        let queue = Arc::new(Queue::new(limits.queue_events, metrics.clone()));
        let endpoint = Endpoint::new(app.clone(), webhook.clone(), limits, metrics.clone())?;
        tasks.spawn(endpoint.run(queue.clone()));
        endpoints.push((webhook.clone(), queue));
    }
    let events = Arc::new(Queue::new(limits.queue_events, metrics.clone()));
    let queues = endpoints.iter().map(|(_, queue)| queue).chain([&events]);
    watch(app.id.clone(), queues.map(Arc::downgrade).collect(), metrics);
    tasks.spawn(dispatch(events.clone(), endpoints, limits.queue_events));
    Ok(Some(events))
}

/// Has each scrape show what waits for the endpoints of an app.
fn watch(app: String, queues: Vec<Weak<Queue<WebhookEvent>>>, metrics: &Metrics) {
    metrics.webhooks.expose(&app);
    metrics.before_scrape(move |metrics| {
        let queues = queues.iter().filter_map(Weak::upgrade);
        let backlogs: Vec<Backlog> = queues.map(|queue| queue.backlog()).collect();
        let entries = backlogs.iter().map(|backlog| backlog.entries).sum();
        let oldest = backlogs.iter().filter_map(|backlog| backlog.since).min();
        let age = oldest.map_or(Duration::ZERO, |since| since.elapsed());
        metrics.webhooks.set_backlog(&app, entries, age);
    });
}

/// Applies the delay rules to the events of one app and queues what is due for its endpoints.
async fn dispatch(
    events: Arc<Queue<WebhookEvent>>,
    endpoints: Vec<(Webhook, Arc<Queue<WebhookEvent>>)>,
    held_max: usize,
) {
    let mut delay = WebhookDelay::new(held_max);
    loop {
        let due = delay.next_due().unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        tokio::select! {
            event = events.next() => delay.push(event, Instant::now()),
            () = tokio::time::sleep_until(due.into()) => {}
        }
        for event in delay.release(Instant::now()) {
            let (kind, channel) = (event.payload.kind(), event.channel.as_str());
            let receives = |(webhook, _): &&(Webhook, _)| webhook.receives(kind, channel);
            for (_, queue) in endpoints.iter().filter(receives) {
                queue.push(event.clone());
            }
        }
    }
}
