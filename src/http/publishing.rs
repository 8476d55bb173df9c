//! Publishes the checked events of a request, in order, and collects what the answer says about it.
//!
//! Owns the id of a trigger: it is drawn where something is written about the event. What may be triggered is left
//! to `events`, verdicts to `explained`.

use std::time::Instant;

use axum::http::HeaderValue;
use axum::response::Response;

use super::explained::{PublishedEvent, Verdicts};
use super::info::InfoParameter;
use super::signed::SignedRequest;
use crate::explanation::TriggerId;
use crate::node::{AcceptedEvent, TriggerEnd, Triggered};
use crate::observation::{OccurrenceKind, TriggerSource};
use crate::protocol::server_message::OutboundEvent;
use crate::protocol::{ChannelName, SocketId};
use crate::telemetry::{TriggerStep, TriggerTrace};

/// An event that passed all checks.
pub(super) struct ValidEvent<'a> {
    pub(super) name: &'a str,
    pub(super) data: &'a str,
    pub(super) channels: Vec<ChannelName>,
    pub(super) except: Option<SocketId>,
    pub(super) info: Option<InfoParameter>,
}

/// What became of the events of a request.
pub(super) struct Publication {
    reach: PublishReach,
    verdicts: Verdicts,
}

/// Which nodes the events of a request have reached.
#[derive(Clone, Copy)]
enum PublishReach {
    AllNodes,
    /// This node only, since Redis cannot be reached.
    ThisNode,
}

/// An event on its way: of each of its channels.
struct StartedEvent {
    /// `None` if nothing has been written about it.
    trigger: Option<TriggerId>,
    triggered: Vec<Triggered>,
    is_shown: bool,
}

impl Publication {
    /// Adds headers if other nodes were not reached, and for verdicts; the rest of the answer is what SDKs
    /// expect.
    pub(super) fn mark(self, mut answer: Response) -> Response {
        if let PublishReach::ThisNode = self.reach {
            answer.headers_mut().insert("resound-publish-scope", HeaderValue::from_static("node"));
        }
        self.verdicts.mark(&mut answer);
        answer
    }
}

/// Publishes the events in order, then waits until they have reached Redis or Redis has failed.
pub(super) async fn publish(request: &SignedRequest, events: &[ValidEvent<'_>]) -> Publication {
    request.channels.ready().await;
    let delivery = request.trace.as_deref().map(TriggerTrace::begin_step);
    let started: Vec<StartedEvent> =
        events.iter().map(|event| start_publish(request, event)).collect();
    let cluster_publish = delivery.and_then(|delivery| {
        let all = || started.iter().flat_map(|event| &event.triggered);
        delivery.end(TriggerStep::Delivery {
            channels: all().count(),
            subscribers: subscribers(all()),
        });
        let is_pending = all().any(|triggered| triggered.subscribers().is_none());
        request.trace.as_deref().filter(|_| is_pending).map(TriggerTrace::begin_step)
    });
    let mut reach = PublishReach::AllNodes;
    let mut published = Vec::new();
    for (event, started) in events.iter().zip(started) {
        let mut trigger = started.trigger;
        let mut reached = Vec::new();
        for (channel, triggered) in event.channels.iter().zip(started.triggered) {
            let subscribers = triggered.subscribers();
            let end = triggered.end().await;
            if started.is_shown {
                reached.push(request.channels.reached(channel, end, subscribers));
            }
            match end {
                TriggerEnd::Received => {}
                TriggerEnd::ThisNodeOnly => reach = PublishReach::ThisNode,
                TriggerEnd::Missed => {
                    let id = *trigger.get_or_insert_with(|| request.channels.draw_trigger_id());
                    request.channels.missed(id, channel, event.name, event.except);
                }
            }
            if let Some(trigger) = trigger.filter(|_| request.explainer.is_some()) {
                let ValidEvent { name, data, except, .. } = *event;
                let of_channel =
                    PublishedEvent { trigger, channel, name, data, except, subscribers };
                published.push(of_channel);
            }
        }
        if started.is_shown {
            request.channels.activity().triggered(accepted(event, trigger), &reached);
        }
    }
    if let Some(cluster_publish) = cluster_publish {
        let is_published = matches!(reach, PublishReach::AllNodes);
        cluster_publish.end(TriggerStep::ClusterPublish { is_published });
    }
    let verdicts = match &request.explainer {
        Some(explainer) => explainer.explain(&request.channels, &published).await,
        None => Verdicts::default(),
    };
    Publication { reach, verdicts }
}

/// Sockets of this node that get the events; `None` if Redis numbers them first.
fn subscribers<'a>(mut triggered: impl Iterator<Item = &'a Triggered>) -> Option<usize> {
    triggered.try_fold(0, |sum, one| Some(sum + one.subscribers()?))
}

fn start_publish(request: &SignedRequest, event: &ValidEvent<'_>) -> StartedEvent {
    let channels = &request.channels;
    let is_shown = channels.activity().observation().wants(OccurrenceKind::Trigger);
    let trigger =
        (is_shown || request.explainer.is_some()).then(|| request.channels.draw_trigger_id());
    let outbound = OutboundEvent::triggered(event.name, event.data, request.arrived_at);
    let now = Instant::now();
    let mut started = Vec::with_capacity(event.channels.len());
    for channel in &event.channels {
        let triggered = channels.trigger(channel, &outbound, event.data, event.except, now);
        let (trigger, subscribers) =
            (trigger.map(tracing::field::display), triggered.subscribers());
        tracing::debug!(target: "resound::stream", trigger, app = channels.app().id, %channel, event = event.name, bytes = event.data.len(), subscribers, "event triggered");
        started.push(triggered);
    }
    if event.data.len() > channels.app().limits.event_data_warn_bytes {
        channels.oversized(event.name, event.data.len());
    }
    StartedEvent { trigger, triggered: started, is_shown }
}

/// The event as those see it who look at the node.
fn accepted<'a>(event: &'a ValidEvent<'_>, id: Option<TriggerId>) -> AcceptedEvent<'a> {
    let ValidEvent { name, data, channels, except, .. } = event;
    AcceptedEvent { source: TriggerSource::Http, id, channels, name, data, except: *except }
}
