//! The webhooks of one app: the queue of its events, its endpoints as they are now, and the task
//! between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;

use super::endpoint_past::EndpointPast;
use super::queue::{Backlog, Queue};
use crate::app::{App, Webhook};
use crate::channel_rules::{LEAVE_DELAY, WebhookDelay, WebhookEvent, WebhookSink};
use crate::metrics::Metrics;

/// The webhooks of one app.
pub(super) struct AppWebhooks {
    app: ArcSwap<App>,
    events: Queue<WebhookEvent>,
    endpoints: ArcSwap<Vec<RunningEndpoint>>,
    is_dispatched: AtomicBool,
}

/// An endpoint whose task runs.
#[derive(Clone)]
pub(super) struct RunningEndpoint {
    pub(super) webhook: Webhook,
    pub(super) queue: Arc<Queue<WebhookEvent>>,
    pub(super) past: Arc<EndpointPast>,
}

impl AppWebhooks {
    pub(super) fn new(app: Arc<App>, events: Queue<WebhookEvent>) -> Self {
        let (endpoints, is_dispatched) = Default::default();
        Self { app: ArcSwap::new(app), events, endpoints, is_dispatched }
    }

    /// The app whose key and secret sign the calls. Not to be held while waiting.
    pub(super) fn app(&self) -> Guard<Arc<App>> {
        self.app.load()
    }

    pub(super) fn set_app(&self, app: Arc<App>) {
        self.app.store(app);
    }

    pub(super) fn endpoints(&self) -> Arc<Vec<RunningEndpoint>> {
        self.endpoints.load_full()
    }

    /// How many events wait, and since when the oldest does.
    fn backlog(&self) -> (usize, Option<Instant>) {
        let endpoints = self.endpoints.load();
        let of_endpoints = endpoints.iter().map(|endpoint| endpoint.queue.backlog());
        let all: Vec<Backlog> = of_endpoints.chain([self.events.backlog()]).collect();
        let entries = all.iter().map(|backlog| backlog.entries).sum();
        (entries, all.iter().filter_map(|backlog| backlog.since).min())
    }

    /// Replaces the endpoints; those that are left out get nothing further, and end when their queues
    /// are empty. Returns whether [`dispatch`] has to be started.
    pub(super) fn replace_endpoints(&self, endpoints: Vec<RunningEndpoint>) -> bool {
        let has_endpoints = !endpoints.is_empty();
        let before = self.endpoints.swap(Arc::new(endpoints));
        let now = self.endpoints.load();
        let is_kept = |endpoint: &RunningEndpoint| {
            now.iter().any(|kept| Arc::ptr_eq(&kept.queue, &endpoint.queue))
        };
        before.iter().filter(|endpoint| !is_kept(endpoint)).for_each(|it| it.queue.close());
        has_endpoints && !self.is_dispatched.swap(true, Ordering::Relaxed)
    }
}

impl AppWebhooks {
    /// Queues events for the endpoints that receive them.
    fn queue(&self, events: Vec<WebhookEvent>) {
        let endpoints = self.endpoints.load();
        for event in events {
            let (kind, channel) = (event.payload.kind(), event.channel.as_str());
            let receives = |it: &&RunningEndpoint| it.webhook.receives(kind, channel);
            for endpoint in endpoints.iter().filter(receives) {
                endpoint.queue.push(event.clone());
            }
        }
    }

    /// Drops and counts what waits.
    pub(super) fn abandon(&self) {
        self.endpoints.load().iter().for_each(|endpoint| endpoint.queue.abandon());
        self.events.abandon();
    }
}

/// How far the server has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Serving,
    /// Another process serves the channels, and the clients return to that one, so a leave here is none.
    HandedOver,
    /// Nothing can return: leaves that wait are final.
    Ended,
}

impl WebhookSink for AppWebhooks {
    /// What no endpoint wants takes no place in the queue, where it would push out what one does.
    fn send(&self, event: WebhookEvent) {
        let (kind, channel) = (event.payload.kind(), event.channel.as_str());
        let endpoints = self.endpoints.load();
        if endpoints.iter().any(|it| it.webhook.is_concerned(kind, channel)) {
            self.events.push(event);
        }
    }

    fn is_on(&self) -> bool {
        !self.endpoints.load().is_empty()
    }
}

/// Has each scrape show what waits for the endpoints of an app.
pub(super) fn expose(app_id: &str, webhooks: &Arc<AppWebhooks>, metrics: &Metrics) {
    metrics.webhooks.expose(app_id);
    let (app_id, webhooks) = (app_id.to_owned(), Arc::downgrade(webhooks));
    metrics.before_scrape(move |metrics| {
        let Some(webhooks) = webhooks.upgrade() else { return };
        let (entries, since) = webhooks.backlog();
        let age = since.map_or(Duration::ZERO, |since| since.elapsed());
        metrics.webhooks.set_backlog(&app_id, entries, age);
    });
}

/// Applies the delay rules to the events of one app and queues what is due for its endpoints. Ends with the
/// server, once everything is queued.
pub(super) async fn dispatch(
    webhooks: Arc<AppWebhooks>,
    held_max: usize,
    mut stages: watch::Receiver<Stage>,
) {
    let mut delay = WebhookDelay::new(held_max);
    let mut stage = *stages.borrow_and_update();
    while stage != Stage::Ended {
        let due = delay.next_due().unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        let mut now = Instant::now();
        tokio::select! {
            // Events that came before the end are taken before it.
            biased;
            event = webhooks.events.next() => match event {
                Some(event) if stage == Stage::HandedOver && event.is_held() => {}
                Some(event) => delay.push(event, now),
                None => return,
            },
            () = tokio::time::sleep_until(due.into()) => now = Instant::now(),
            changed = stages.changed() => {
                stage = if changed.is_ok() { *stages.borrow_and_update() } else { Stage::Ended };
                now += LEAVE_DELAY;
            }
        }
        webhooks.queue(delay.release(now));
    }
    webhooks.endpoints().iter().for_each(|endpoint| endpoint.queue.close());
}
