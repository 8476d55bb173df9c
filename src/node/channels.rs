//! The channels of one app, as `websocket` and `http` use them.
//!
//! Owns what is the same with and without other nodes: the app's hub and its log of refusals. The rest
//! goes to the [`Coordinator`].

use std::sync::Arc;
use std::time::Instant;

use super::activity::Activity;
use super::coordinator::{Coordinator, LastEvent, TriggerEnd, Triggered, TriggeredEvent};
use super::decisions::Decisions;
use super::explanation_budget::ExplanationBudget;
use super::peer_log::PeerLog;
use super::reached::Reached;
use super::served_apps::ServedApps;
use arc_swap::Guard;

use crate::app::App;
use crate::explanation::{Miss, TriggerId};
use crate::hub::{ChannelCounts, Hub};
use crate::metrics::{AppMetrics, Metrics};
use crate::protocol::server_message::OutboundEvent;
use crate::protocol::session::Relay;
use crate::protocol::{ChannelName, SocketId};
use crate::redis_input::{ForwardedData, ForwardedEvent, ReverbInput};

/// The channels of one app.
pub struct Channels {
    hub: Arc<Hub>,
    coordinator: Box<dyn Coordinator>,
    decisions: Arc<Decisions>,
    metrics: Arc<Metrics>,
    peer_log: Arc<PeerLog>,
    served_apps: Arc<ServedApps>,
    budget: ExplanationBudget,
    activity: Activity,
    /// Reverb's servers, which get what is published here.
    reverb: Option<Arc<ReverbInput>>,
}

/// Counts and logs an event that is accepted although hosted Pusher would refuse its size.
pub(super) fn log_oversized(hub: &Hub, event: &str, bytes: usize) {
    hub.metrics().events_oversized.inc();
    let app = hub.app();
    let (app, limit) = (&app.id, app.limits.event_data_warn_bytes);
    tracing::warn!(
        app,
        event,
        bytes,
        limit,
        "event data is larger than hosted Pusher accepts: send an id and let pages load the rest, or raise event_data_warn_bytes"
    );
}

impl Channels {
    pub(super) fn new(
        hub: Arc<Hub>,
        coordinator: Box<dyn Coordinator>,
        decisions: Arc<Decisions>,
        metrics: Arc<Metrics>,
        (peer_log, activity): (Arc<PeerLog>, Activity),
        served_apps: Arc<ServedApps>,
    ) -> Self {
        let budget = ExplanationBudget::default();
        Self {
            hub,
            coordinator,
            decisions,
            metrics,
            peer_log,
            served_apps,
            budget,
            activity,
            reverb: None,
        }
    }

    /// The settings of all apps.
    pub(super) fn served_apps(&self) -> &ServedApps {
        &self.served_apps
    }

    /// How much may be explained.
    pub(super) fn budget(&self) -> &ExplanationBudget {
        &self.budget
    }

    /// An id for an event of a back end, which is drawn when something is written about it.
    pub fn draw_trigger_id(&self) -> TriggerId {
        self.activity.draw_trigger_id()
    }

    /// Remembers an event that no socket received.
    pub fn missed(
        &self,
        trigger: TriggerId,
        channel: &ChannelName,
        event: &str,
        except: Option<SocketId>,
    ) {
        let (at, times, subscribed_at) = (Instant::now(), 0, None);
        let miss = Miss { trigger, event: event.into(), except, at, times, subscribed_at };
        self.hub.history().missed(channel, miss);
        // A socket that subscribed meanwhile has not found it there.
        if self.hub.counts(channel).is_some() {
            self.hub.history().occupied(channel);
        }
    }

    /// Which sockets an event has reached on a channel; `all` are those of all nodes, where this one has them.
    pub fn reached(&self, channel: &ChannelName, end: TriggerEnd, all: Option<usize>) -> Reached {
        let here = || self.hub.counts(channel).map_or(0, |counts| counts.subscription_count);
        Reached::of(end, all, here)
    }

    /// The same beside Reverb's servers, if there are any.
    pub(super) fn beside(self, reverb: Option<Arc<ReverbInput>>) -> Self {
        Self { reverb, ..self }
    }

    /// Does the work that is due by the time: throttled counts.
    pub(super) fn tick(&self, now: Instant) {
        self.hub.tick(now);
    }

    /// Counts and logs an event that was accepted although hosted Pusher would refuse its size.
    pub fn oversized(&self, event: &str, bytes: usize) {
        log_oversized(&self.hub, event, bytes);
    }

    /// The app whose channels these are, as it is configured now. Not to be held while waiting.
    pub fn app(&self) -> Guard<Arc<App>> {
        self.hub.app()
    }

    /// The log of refusals.
    pub fn peer_log(&self) -> &PeerLog {
        &self.peer_log
    }

    /// What happens on the channels, for those who look.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// This node's part of the channels.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(super) fn coordinator(&self) -> &dyn Coordinator {
        &*self.coordinator
    }

    pub(super) fn decisions(&self) -> &Decisions {
        &self.decisions
    }

    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// What is counted of the app.
    pub(super) fn app_metrics(&self) -> &AppMetrics {
        self.hub.metrics()
    }

    /// Publishes an event of a back end, and caches it on cache channels.
    pub fn trigger(
        &self,
        channel: &ChannelName,
        event: &OutboundEvent<'_>,
        data: &str,
        except: Option<SocketId>,
        now: Instant,
    ) -> Triggered {
        self.app_metrics().events_triggered.inc();
        let (name, channel_name) = (event.parts().0, channel.as_str());
        self.forward(|| ForwardedEvent {
            channel: channel_name,
            name,
            data: ForwardedData::Text(data),
            user_id: None,
            except,
        });
        let event = TriggeredEvent { channel, event, data, except };
        let triggered = self.coordinator.trigger(event, now);
        if let Triggered::Delivered(subscribers) = triggered {
            self.activity.delivered(channel, event.event.parts(), except, subscribers);
        }
        triggered
    }

    /// Publishes a client event to the channel's other subscribers.
    pub(super) fn client_event(&self, relay: Relay, sender: SocketId, now: Instant) {
        self.app_metrics().client_events.inc();
        self.forward(|| ForwardedEvent {
            channel: relay.channel.as_str(),
            name: &relay.event,
            data: ForwardedData::Client(&relay.data),
            user_id: relay.user_id.as_deref(),
            except: Some(sender),
        });
        let shown = self.activity.relays(&relay);
        let subscribers = self.coordinator.client_event(relay, sender, now);
        shown.iter().for_each(|event| self.activity.relayed(event, sender, subscribers));
    }

    fn forward<'a>(&self, event: impl FnOnce() -> ForwardedEvent<'a>) {
        if let Some(reverb) = &self.reverb {
            let app = self.app();
            reverb.forward((&app.id, &app.key), &event());
        }
    }

    /// Resolves once further events may be published: the back-pressure of this node's shards and of
    /// the way to Redis.
    pub async fn ready(&self) {
        self.hub.shards().ready().await;
        if let Some(backlog) = self.coordinator.backlog() {
            backlog.await;
        }
    }

    /// The counts of one channel; `None` when it is not occupied.
    pub async fn counts(&self, name: &ChannelName) -> Option<ChannelCounts> {
        self.coordinator.counts(name).await
    }

    /// Every occupied channel whose name starts with `prefix`, sorted by name.
    pub async fn occupied(&self, prefix: &str) -> Vec<(ChannelName, ChannelCounts)> {
        self.coordinator.occupied(prefix).await
    }

    /// The distinct members of a presence channel, in order of arrival.
    pub async fn members(&self, name: &ChannelName) -> Vec<Arc<str>> {
        self.coordinator.members(name).await
    }

    /// The last event of a cache channel.
    pub async fn last_event(&self, name: &ChannelName, now: Instant) -> Option<LastEvent> {
        self.coordinator.last_event(name, now).await
    }

    /// Open sockets of the app.
    pub async fn socket_count(&self) -> u32 {
        self.coordinator.socket_count().await
    }

    /// Open sockets of the app on this node.
    pub fn open_sockets(&self) -> u32 {
        self.coordinator.open_sockets()
    }

    /// Closes every socket of a user, on every node.
    pub async fn terminate_user(&self, user_id: &str) {
        if let Some(reverb) = &self.reverb {
            let app = Arc::clone(&self.app());
            reverb.forward_termination((&app.id, &app.key), user_id);
        }
        self.coordinator.terminate_user(user_id).await;
    }
}
