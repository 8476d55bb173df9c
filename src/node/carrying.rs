//! Carrying out on the hubs what the cluster has decided, in the order in which it was decided.
//!
//! Decides nothing itself. Runs under the cluster's lock and takes only those of the hub.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::PeerLog;
use super::refusals::Refusals;
use super::socket::refuse;
use crate::channel_rules::WebhookSink;
use crate::cluster::{CachedReply, ChannelEffect, Effect, JoinReply, MissedEvents};
use crate::hub::{Hub, cached_event_answer};
use crate::metrics::Metrics;
use crate::protocol::session::presence_full;
use crate::protocol::{ChannelName, Frame, SocketId, server_message};

/// After a Redis that lost its data every channel is in doubt; the metrics have them all.
const LOSS_LINES_PER_SECOND: u32 = 20;

/// One app's part of this node.
#[derive(Clone)]
pub(super) struct Local {
    pub(super) hub: Arc<Hub>,
    pub(super) webhooks: Option<Arc<dyn WebhookSink>>,
    pub(super) peer_log: Arc<PeerLog>,
}

/// All of this node, as the cluster's effects need it.
pub(super) struct Stage {
    /// In the order of the configuration.
    pub(super) apps: Vec<Local>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) loss_lines: Mutex<LossLines>,
}

impl Stage {
    pub(super) fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::Channel { app, channel, action } => {
                self.on_channel(&self.apps[app], &channel, action);
            }
            Effect::Webhook { app, event } => {
                if let Some(webhooks) = &self.apps[app].webhooks {
                    webhooks.send(event);
                }
            }
            Effect::Watchers { app, user_id, online } => {
                self.apps[app].hub.notify_watchers_of(&user_id, online);
            }
            Effect::Watchlist { app, socket, online, offline } => {
                self.apps[app].hub.send_watchlist(socket, &online, &offline);
            }
            Effect::Terminate { app, user_id } => {
                let hub = &self.apps[app].hub;
                let sockets = hub.terminate_user(&user_id);
                tracing::info!(app = hub.app().id, %user_id, sockets, "user terminated");
            }
            // Whoever waited may be gone.
            Effect::Published(waiter, shared) => drop(waiter.send(shared)),
            Effect::Permit(waiter, taken) => drop(waiter.send(taken)),
            Effect::Answered(waiter, answer) => drop(waiter.send(answer)),
        }
    }

    fn on_channel(&self, local: &Local, name: &ChannelName, action: ChannelEffect) {
        let hub = &local.hub;
        match action {
            ChannelEffect::AddSubscriber(socket, newcomer) => {
                hub.add_subscriber(socket, name, first(hub, name, newcomer))
            }
            ChannelEffect::Answer(socket, newcomer) => {
                let frames = first(hub, name, newcomer);
                for frame in frames.into_iter().flatten() {
                    hub.answer(socket, frame);
                }
            }
            ChannelEffect::RemoveSubscriber(socket) => hub.remove_subscriber(socket, name),
            ChannelEffect::Refuse(socket, user_id) => {
                if let Some(user_id) = user_id {
                    hub.left_as(&user_id, socket);
                    self.refusals.add(socket, name.clone());
                }
                self.refuse(local, name, socket);
            }
            ChannelEffect::Deliver(frame, except) => hub.deliver(name, &frame, except),
            ChannelEffect::CacheEvent(frame) => hub.cache_event(name, frame, Instant::now()),
            ChannelEffect::Missed(missed) => self.missed(hub, name, missed),
        }
    }

    fn refuse(&self, local: &Local, name: &ChannelName, socket: SocketId) {
        let error = presence_full(local.hub.app().limits.presence_members);
        self.metrics.subscriptions_refused.inc();
        local.peer_log.subscription_refused(socket, name.as_str(), &error);
        refuse(&local.hub, socket, name.as_str(), &error);
    }

    /// A hole is never silent.
    fn missed(&self, hub: &Hub, name: &ChannelName, missed: MissedEvents) {
        let (app, is_logged) = (&hub.app().id, self.loss_lines.lock().take(Instant::now()));
        let events = match missed {
            MissedEvents::Events(events) => {
                self.metrics.cluster_events_missed.inc_by(events);
                if is_logged {
                    tracing::warn!(app, channel = %name, events, "events of other nodes were lost on the way to this one");
                }
                events.to_string()
            }
            MissedEvents::Unknown => {
                self.metrics.cluster_possible_gaps.inc();
                if is_logged {
                    tracing::warn!(app, channel = %name, "events of other nodes may have been lost on the way to this one");
                }
                "null".to_owned()
            }
        };
        // Clients could not decrypt it.
        if let Some(event) = hub.app().gap_event.as_ref().filter(|_| !name.is_encrypted()) {
            let data = format!("{{\"missed\":{events}}}");
            let event = server_message::OutboundEvent::new(event, &data);
            hub.deliver(name, &event.frame(name), None);
        }
    }
}

/// Lines about losses in one second.
#[derive(Default)]
pub(super) struct LossLines {
    since: Option<Instant>,
    lines: u32,
}

impl LossLines {
    fn take(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.duration_since(since) >= Duration::from_secs(1)) {
            (self.since, self.lines) = (Some(now), 0);
        }
        self.lines += 1;
        self.lines <= LOSS_LINES_PER_SECOND
    }
}

/// The frames that precede everything else a new subscriber receives.
fn first(hub: &Hub, name: &ChannelName, reply: JoinReply) -> [Option<Frame>; 2] {
    let event = match reply.cached {
        CachedReply::NotKept => return [reply.answer, None],
        CachedReply::Event(frame) => Some(frame),
        CachedReply::Miss => None,
        CachedReply::Local => hub.cached_event(name, Instant::now()),
    };
    [reply.answer, Some(cached_event_answer(name, event))]
}
