//! Webhooks: signed, batched and retried POST requests that report events of channels to back ends, or jobs
//! in a queue of Laravel that do.
//!
//! Off the hot path: a [`WebhookSink`] only queues an event. A task per app applies the delay rules
//! ([`WebhookDelay`](crate::channel_rules::WebhookDelay)), a task per endpoint sends, so a slow endpoint
//! delays no other. Endpoints come and go with the configuration. How the events come about is left to
//! the hub and the cluster.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Apps, Webhook};
use crate::channel_rules::WebhookSink;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::observation::Observation;

mod app_webhooks;
mod call;
mod call_bounds;
mod endpoint;
mod endpoint_past;
mod endpoint_state;
mod failure;
mod given_up;
mod http_calls;
mod job;
mod job_queue;
mod past_calls;
mod queue;

use app_webhooks::{AppWebhooks, RunningEndpoint, Stage};
use call_bounds::CallBounds;
use endpoint::Endpoint;
use endpoint_past::EndpointPast;
pub use endpoint_state::{EndpointState, Forwarding};
pub use given_up::Resending;
use queue::Queue;

/// The webhooks of all apps. Dropping it ends their tasks.
pub struct Webhooks {
    bounds: CallBounds,
    metrics: Arc<Metrics>,
    observation: Arc<Observation>,
    apps: Mutex<HashMap<String, Arc<AppWebhooks>>>,
    tasks: Mutex<JoinSet<()>>,
    stage: watch::Sender<Stage>,
    /// Cancelled when the server ends.
    ending: CancellationToken,
}

/// The endpoints of a configuration, checked and ready to start.
pub struct PreparedWebhooks(Vec<(Arc<App>, Vec<PreparedEndpoint>)>);

/// One endpoint of an app.
enum PreparedEndpoint {
    /// It runs already, with these settings.
    Running(RunningEndpoint),
    New(Box<Endpoint>),
}

impl Webhooks {
    /// No app has webhooks yet.
    pub fn new(config: &Config, metrics: Arc<Metrics>, observation: Arc<Observation>) -> Self {
        let (apps, tasks) = Default::default();
        let (stage, ending) = (watch::Sender::new(Stage::Serving), CancellationToken::new());
        let bounds = CallBounds { limits: config.webhooks, targets: config.calls.clone() };
        Self { bounds, metrics, observation, apps, tasks, stage, ending }
    }

    /// Prepares the endpoints of these apps; changes nothing.
    pub fn prepare(&self, apps: &Apps) -> anyhow::Result<PreparedWebhooks> {
        let known = self.apps.lock();
        let mut prepared = Vec::new();
        for app in apps.iter() {
            let running = known.get(&app.id).map(|webhooks| webhooks.endpoints());
            let endpoint = |webhook: &Webhook| {
                let same = |endpoint: &&RunningEndpoint| endpoint.webhook == *webhook;
                match running.as_ref().and_then(|running| running.iter().find(same)) {
                    Some(endpoint) => Ok(PreparedEndpoint::Running(endpoint.clone())),
                    None => {
                        let (metrics, ending) = (self.metrics.clone(), self.ending.clone());
                        Endpoint::new(&app.id, webhook, &self.bounds, metrics, ending)
                            .map(|endpoint| endpoint.shown_to(self.observation.clone()))
                            .map(|endpoint| PreparedEndpoint::New(Box::new(endpoint)))
                    }
                }
            };
            let endpoints = app.webhooks.iter().map(endpoint);
            prepared.push((app.clone(), endpoints.collect::<anyhow::Result<_>>()?));
        }
        Ok(PreparedWebhooks(prepared))
    }

    /// Starts the new endpoints and ends those that are not among them, once what waits for them is
    /// sent. Returns the sink of each app. To be called on the runtime that is to run the tasks.
    pub fn apply(
        &self,
        PreparedWebhooks(prepared): PreparedWebhooks,
    ) -> HashMap<String, Arc<dyn WebhookSink>> {
        let mut tasks = self.tasks.lock();
        // Endpoints that have ended.
        while tasks.try_join_next().is_some() {}
        let mut sinks: HashMap<String, Arc<dyn WebhookSink>> = HashMap::new();
        for (app, endpoints) in prepared {
            let id = app.id.clone();
            let webhooks = self.of_app(app);
            let start = |endpoint| match endpoint {
                PreparedEndpoint::Running(endpoint) => endpoint,
                PreparedEndpoint::New(endpoint) => {
                    let queue =
                        Arc::new(Queue::new(self.bounds.limits.queue_events, self.metrics.clone()));
                    let webhook = endpoint.webhook().clone();
                    let past = Arc::new(EndpointPast::default());
                    tasks.spawn(endpoint.run(queue.clone(), webhooks.clone(), past.clone()));
                    RunningEndpoint { webhook, queue, past }
                }
            };
            let endpoints: Vec<_> = endpoints.into_iter().map(start).collect();
            for (place, endpoint) in endpoints.iter().enumerate() {
                endpoint.past.set_place(place);
                self.metrics.webhooks.expose_endpoint(&id, place);
            }
            if webhooks.replace_endpoints(endpoints) {
                app_webhooks::expose(&id, &webhooks, &self.metrics);
                let (held_max, stages) = (self.bounds.limits.queue_events, self.stage.subscribe());
                tasks.spawn(app_webhooks::dispatch(webhooks.clone(), held_max, stages));
            }
            sinks.insert(id, webhooks);
        }
        sinks
    }

    /// Ends the endpoints of an app that is not served any more, once what waits for them is sent.
    pub fn retire(&self, app_id: &str) {
        if let Some(webhooks) = self.apps.lock().get(app_id) {
            webhooks.replace_endpoints(Vec::new());
        }
    }

    /// The endpoints of an app, in the order of the configuration.
    pub fn endpoint_states(&self, app_id: &str) -> Vec<EndpointState> {
        let webhooks = self.apps.lock().get(app_id).cloned();
        webhooks.map(|webhooks| webhooks.endpoint_states(&self.metrics)).unwrap_or_default()
    }

    /// Has the call to this endpoint made now that waits for its retry.
    pub fn bring_forward(&self, app_id: &str, endpoint: usize) -> Forwarding {
        let webhooks = self.apps.lock().get(app_id).cloned();
        webhooks.map_or(Forwarding::NoEndpoint, |webhooks| webhooks.bring_forward(endpoint))
    }

    /// Has a call sent again that was given up under this number.
    pub fn resend(&self, app_id: &str, endpoint: usize, batch: &str) -> Resending {
        let webhooks = self.apps.lock().get(app_id).cloned();
        webhooks.map_or(Resending::NoEndpoint, |webhooks| webhooks.resend(endpoint, batch))
    }

    /// Another process serves the channels from now on: a client that leaves here returns there, and its leave is not reported.
    pub fn hand_over(&self) {
        self.stage.send_replace(Stage::HandedOver);
    }

    /// Sends what waits, leaves that wait for a return included, until `over` resolves at most. What is left
    /// then is lost, counted and logged. Nothing is sent afterwards.
    pub async fn flush(&self, over: impl Future<Output = ()>) {
        self.stage.send_replace(Stage::Ended);
        self.ending.cancel();
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        let sent = async { while tasks.join_next().await.is_some() {} };
        tokio::select! {
            () = sent => return,
            () = over => {}
        }
        let before = self.metrics.webhooks.events_lost.get();
        // Drops the calls that are under way, which count what they carry.
        tasks.shutdown().await;
        self.apps.lock().values().for_each(|webhooks| webhooks.abandon());
        let lost = self.metrics.webhooks.events_lost.get() - before;
        if lost > 0 {
            tracing::warn!(
                lost,
                "webhook events could not be sent before the end of the server: raise server.drain_seconds"
            );
        }
    }

    fn of_app(&self, app: Arc<App>) -> Arc<AppWebhooks> {
        let mut apps = self.apps.lock();
        let known = apps.entry(app.id.clone()).or_insert_with(|| {
            let queue = Queue::new(self.bounds.limits.queue_events, self.metrics.clone());
            Arc::new(AppWebhooks::new(app.clone(), queue))
        });
        known.set_app(app);
        known.clone()
    }
}
