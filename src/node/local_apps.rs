//! Applies the cluster's effects to the hubs of this node, in the order in which they were decided.
//!
//! Decides nothing itself. Runs under the cluster's lock and takes only those of the hub and of the
//! [`Decisions`].

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::activity::Activity;
use super::decisions::{Decision, Decisions};
use super::inquiries::{AnswerPart, AskedInquiry, Inquiries};
use super::peer_log::PeerLog;
use super::socket::send_refusal;
use crate::channel_rules::WebhookSink;
use crate::cluster::{CachedReply, ChannelEffect, Effect, JoinReply, MissedEvents};
use crate::hub::{Hub, cached_event_answer};
use crate::metrics::Metrics;
use crate::protocol::session::presence_full;
use crate::protocol::{Broadcast, ChannelName, Frame, SocketId};

/// One app's part of this node.
#[derive(Clone)]
pub(super) struct LocalApp {
    pub(super) hub: Arc<Hub>,
    pub(super) webhooks: Option<Arc<dyn WebhookSink>>,
    pub(super) peer_log: Arc<PeerLog>,
    pub(super) activity: Activity,
}

/// All apps of this node.
pub(super) struct LocalApps {
    /// In the order of their slots.
    apps: ArcSwap<Vec<LocalApp>>,
    metrics: Arc<Metrics>,
    decisions: Arc<Decisions>,
    inquiries: Arc<Inquiries>,
}

impl LocalApps {
    pub(super) fn new(metrics: Arc<Metrics>, decisions: Arc<Decisions>) -> Self {
        let inquiries = Arc::new(Inquiries::new());
        Self { apps: ArcSwap::default(), metrics, decisions, inquiries }
    }

    pub(super) fn inquiries(&self) -> &Arc<Inquiries> {
        &self.inquiries
    }

    /// Adds the app of the next slot, before the cluster has it. One caller at a time.
    pub(super) fn push(&self, app: LocalApp) {
        let mut apps = Vec::clone(&self.apps.load());
        apps.push(app);
        self.apps.store(Arc::new(apps));
    }

    /// Applies one effect.
    pub(super) fn apply(&self, effect: Effect) {
        let apps = self.apps.load();
        match effect {
            Effect::Channel { app, channel, action } => {
                self.apply_to_channel(&apps[app], &channel, action);
            }
            Effect::Webhook { app, event } => {
                if let Some(webhooks) = &apps[app].webhooks {
                    webhooks.send(event);
                }
            }
            Effect::Watchers { app, user_id, online } => {
                apps[app].hub.notify_watchers_of(&user_id, online);
            }
            Effect::Watchlist { app, socket, online, offline } => {
                apps[app].hub.send_watchlist(socket, &online, &offline);
            }
            Effect::Terminate { app, user_id } => {
                let hub = &apps[app].hub;
                let sockets = hub.terminate_user(&user_id);
                tracing::debug!(app = hub.app().id, %user_id, sockets, "sockets of a terminated user are closed");
            }
            Effect::Inquiry { from, id, text } => {
                self.inquiries.asked(AskedInquiry { from, id, text });
            }
            Effect::InquiryAnswer { from, id, part, is_last } => {
                self.inquiries
                    .answered(id, AnswerPart { node: from.to_string(), text: part, is_last });
            }
            // The receiver may be gone.
            Effect::Published(waiter, scope) => drop(waiter.send(scope)),
            Effect::Permit(waiter, is_granted) => drop(waiter.send(is_granted)),
            Effect::Answered(waiter, answer) => drop(waiter.send(answer)),
        }
    }

    fn apply_to_channel(&self, app: &LocalApp, name: &ChannelName, effect: ChannelEffect) {
        let hub = &app.hub;
        match effect {
            ChannelEffect::AddSubscriber(socket, reply) => {
                // A user's own channel is joined by signing in, without a subscription.
                if name.user_id().is_some() {
                    return hub.add_signed_in(socket, name);
                }
                hub.add_subscriber(socket, name, first_frames(hub, name, reply));
                app.activity.joined(socket, name, None);
                self.decisions.push(socket, Decision::Granted(name.clone()));
            }
            ChannelEffect::Answer(socket, reply) => {
                for frame in first_frames(hub, name, reply).into_iter().flatten() {
                    hub.answer(socket, frame);
                }
            }
            ChannelEffect::RemoveSubscriber(socket) => hub.remove_subscriber(socket, name),
            ChannelEffect::Refuse(socket, user_id) => {
                // Without a user id the socket has left already.
                if user_id.is_some() {
                    self.decisions.push(socket, Decision::Refused(name.clone()));
                }
                self.refuse(app, name, socket);
            }
            ChannelEffect::Deliver { frame, except, triggered_at } => {
                let broadcast = Broadcast::triggered(frame, triggered_at);
                let subscribers = hub.deliver(name, &broadcast, except);
                app.activity.delivered_frame(name, broadcast.plain(), except, subscribers);
            }
            ChannelEffect::CacheEvent(frame) => hub.cache_event(name, frame, Instant::now()),
            ChannelEffect::Missed(missed) => report_missed(hub, name, missed),
        }
    }

    fn refuse(&self, app: &LocalApp, name: &ChannelName, socket: SocketId) {
        let error = presence_full(app.hub.app().limits.presence_members);
        self.metrics.sockets.subscription_refused(error.cause);
        app.peer_log.subscription_refused(socket, name.as_str(), &error, None);
        send_refusal(&app.hub, socket, name.as_str(), &error);
    }
}

/// Logs events that this node missed, which its cluster has counted, and sends the subscribers the app's gap event.
fn report_missed(hub: &Hub, name: &ChannelName, missed: MissedEvents) {
    let settings = hub.app();
    let app = &settings.id;
    let events = match missed {
        MissedEvents::Events(events) => {
            tracing::warn!(app, channel = %name, events, "events of other nodes were lost on the way to this one: check the network to Redis, or set cluster.transport to streams");
            Some(events)
        }
        MissedEvents::Unknown => {
            tracing::warn!(app, channel = %name, "events of other nodes may have been lost on the way to this one: check whether Redis lost data or was away");
            None
        }
    };
    hub.deliver_gap_event(name, events);
}

/// The frames that precede everything else a new subscriber receives.
fn first_frames(hub: &Hub, name: &ChannelName, reply: JoinReply) -> [Option<Frame>; 2] {
    let event = match reply.cached {
        CachedReply::NotKept => return [reply.answer, None],
        CachedReply::Event(frame) => Some(frame),
        CachedReply::Miss => None,
        CachedReply::Local => hub.cached_event(name, Instant::now()),
    };
    [reply.answer, Some(cached_event_answer(name, event))]
}
