//! One app's events as Laravel's `redis` broadcaster publishes them: `{prefix}{channel}` is the topic.
//!
//! Owns the subscriptions of one entry of `[[laravel_redis]]`, the joins that wait for them, and the log of what is
//! refused. Who joins what, and the way of an event to its sockets, is left to the owner.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use arc_swap::Guard;
use parking_lot::Mutex;
use redis::{Cmd, RedisError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::held_join::HeldJoin;
use super::input_facts::InputFacts;
use super::laravel_event::{LaravelEvent, RefusedEvent};
use super::link::{
    InputLink, InputLinkEvent, InputLinkOwner, LinkSettings, QUEUE_FULL, dropped_messages,
};
use super::topics::{TopicAdmission, TopicCommand, Topics};
use crate::app::App;
use crate::config::LaravelRedisConfig;
use crate::metrics::{InputMetrics, Metrics};
use crate::observation::{Observation, Refusal, RefusedPart};
use crate::protocol::session::Relay;
use crate::protocol::{ChannelName, SocketId};
use crate::redis_connection::{KeyNames, LinkStatus};

/// Commands of one batch: 10 000 topics after a lost link are subscribed to in 20 of them.
const BATCH: usize = 512;

/// The channels of an app as an input uses them.
pub trait LaravelOwner: Send + Sync {
    /// The app as it is configured now.
    fn app(&self) -> Guard<Arc<App>>;
    /// Decides a join that was held.
    fn join(&self, channel: &ChannelName, join: HeldJoin, now: Instant);
    /// Whether a socket of this node is in a channel, or about to be.
    fn is_joined(&self, channel: &ChannelName) -> bool;
    /// Delivers an event; `None` stands for events that may have been lost.
    fn deliver(&self, channel: &ChannelName, event: Option<LaravelEvent<'_>>, now: Instant);
    /// Resolves once further events may be delivered.
    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// One entry of `[[laravel_redis]]`.
pub struct LaravelInput {
    config: LaravelRedisConfig,
    section: String,
    /// Held while a join is decided, so that no leave overtakes it.
    topics: Mutex<Topics>,
    /// Set once, before the link is made.
    owner: OnceLock<Weak<dyn LaravelOwner>>,
    commands_ready: Notify,
    attempted: CancellationToken,
    /// The number of decided subscriptions.
    decided: watch::Sender<u64>,
    counts: InputMetrics,
    /// Its part of the gauge of topics.
    counted: AtomicU64,
    metrics: Arc<Metrics>,
    observation: Arc<Observation>,
    status: Arc<LinkStatus>,
}

impl LaravelInput {
    /// An input that is not connected; `index` is its place in the configuration.
    pub fn new(
        config: &LaravelRedisConfig,
        index: usize,
        metrics: &Arc<Metrics>,
        observation: &Arc<Observation>,
    ) -> Self {
        let reasons: Vec<&'static str> =
            RefusedEvent::LABELS.into_iter().chain([QUEUE_FULL]).collect();
        Self {
            config: config.clone(),
            section: format!("laravel_redis[{index}]"),
            topics: Mutex::default(),
            owner: OnceLock::new(),
            commands_ready: Notify::new(),
            attempted: CancellationToken::new(),
            decided: watch::Sender::new(0),
            counts: metrics.redis_input.of("laravel", &reasons),
            counted: AtomicU64::new(0),
            metrics: metrics.clone(),
            observation: observation.clone(),
            status: Arc::new(LinkStatus::new(Instant::now())),
        }
    }

    /// The id of the app whose events these are.
    pub fn app_id(&self) -> &str {
        &self.config.app
    }

    /// The channels that get the events, while they exist.
    pub fn set_owner(&self, owner: Weak<dyn LaravelOwner>) {
        let _ = self.owner.set(owner);
    }

    /// Connects to Redis and stays connected, for as long as the future lives.
    pub fn link(self: &Arc<Self>) -> Result<impl Future<Output = ()> + Send + use<>, RedisError> {
        let settings = LinkSettings {
            section: self.section.clone(),
            keys: KeyNames::Input,
            timeout: self.config.timeout,
            queue_bytes: self.config.queue_bytes,
            counts: self.counts.clone(),
            metrics: self.metrics.clone(),
            status: self.status.clone(),
        };
        let (redis, prefix) = (&self.config.redis, &self.config.prefix);
        Ok(InputLink::new(self.clone(), redis, prefix, settings)?.run())
    }

    /// The input as operators see it.
    pub fn facts(&self) -> InputFacts {
        InputFacts {
            input: "laravel",
            section: self.section.clone(),
            app: Some(self.config.app.clone()),
            link: self.status.facts(),
            topics: self.topics.lock().len() as u64,
            counts: self.counts.clone(),
        }
    }

    /// Resolves once the first attempt to connect has succeeded or failed.
    pub async fn attempted(&self) {
        self.attempted.cancelled().await;
    }

    /// A socket joins a channel: at once, with `join`, or when its topic is subscribed to. `None` if it waits.
    pub fn join<R>(
        &self,
        channel: &ChannelName,
        held: impl FnOnce() -> HeldJoin,
        join: impl FnOnce() -> R,
    ) -> Option<R> {
        let mut topics = self.topics.lock();
        match topics.admit(channel) {
            TopicAdmission::Now => Some(join()),
            TopicAdmission::Later => {
                topics.hold(channel, held());
                self.changed(&topics);
                None
            }
        }
    }

    /// A socket leaves a channel. `leave` is not called for one whose join was waiting.
    pub fn leave(
        &self,
        channel: &ChannelName,
        socket: SocketId,
        leave: impl FnOnce(),
        now: Instant,
    ) {
        let mut topics = self.topics.lock();
        if !topics.withdraw(channel, socket) {
            leave();
        }
        topics.left(channel, now);
    }

    /// A socket subscribes again; false if its join is decided.
    pub fn repeat(&self, channel: &ChannelName, socket: SocketId) -> bool {
        self.topics.lock().repeat(channel, socket)
    }

    /// Holds a client event of a socket whose join waits; returns it if it does not.
    pub fn hold_relay(&self, relay: Relay, socket: SocketId) -> Option<Relay> {
        self.topics.lock().hold_relay(relay, socket)
    }

    /// Whether a join of the channel waits.
    pub fn is_held(&self, channel: &ChannelName) -> bool {
        self.topics.lock().is_held(channel)
    }

    /// A wait until every join that waits now is decided; `None` if there is none.
    pub fn pending(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let (requested, decided) = self.topics.lock().progress();
        let mut progress = self.decided.subscribe();
        (decided < requested).then_some(async move {
            // An error: the server ends.
            let _ = progress.wait_for(|decided| *decided >= requested).await;
        })
    }

    fn owner(&self) -> Option<Arc<dyn LaravelOwner>> {
        self.owner.get()?.upgrade()
    }

    /// Passes on what has changed, under the lock.
    fn changed(&self, topics: &Topics) {
        self.decided.send_replace(topics.progress().1);
        self.commands_ready.notify_one();
    }

    fn lost(&self) {
        let mut topics = self.topics.lock();
        let held = topics.link_lost();
        if let Some(owner) = self.owner() {
            // Without Redis nothing waits.
            let now = Instant::now();
            held.into_iter().for_each(|(channel, join)| owner.join(&channel, join, now));
        }
        self.changed(&topics);
    }

    fn subscribed(&self, topic: &str) {
        let Some(channel) = self.channel(topic) else { return };
        let (Some(owner), now) = (self.owner(), Instant::now()) else { return };
        let mut topics = self.topics.lock();
        let confirmed = topics.confirmed(&channel, now);
        confirmed.held.into_iter().for_each(|join| owner.join(&channel, join, now));
        self.changed(&topics);
        drop(topics);
        if confirmed.has_gap {
            self.counts.possible_gaps.inc();
            owner.deliver(&channel, None, now);
        }
    }

    fn message(&self, topic: &str, payload: &[u8]) {
        self.counts.messages.inc();
        let Some(owner) = self.owner() else { return };
        let app = Arc::clone(&owner.app());
        let Some(channel) = self.channel(topic) else { return };
        match LaravelEvent::read(&channel, payload, &app.limits) {
            Ok(event) => owner.deliver(&channel, Some(event), Instant::now()),
            Err(refused) => {
                let (reason, app) = (refused.label(), &app.id);
                self.counts.refused(reason, 1);
                let input = &self.section;
                tracing::warn!(app, input, reason, %channel, cause = %refused, "an event that Laravel published in Redis is not delivered: correct what the cause names where it is broadcast");
                self.observation.refused(Some(app), || {
                    let refusal = Refusal::new(RefusedPart::Input, &refused.to_string());
                    refusal.with_reason(Some(reason)).of_channel(channel.as_str())
                });
            }
        }
    }

    fn dropped(&self, count: u64) {
        self.counts.refused(QUEUE_FULL, count);
        let (app, input, bytes) = (self.app_id(), &self.section, self.config.queue_bytes);
        tracing::warn!(
            app,
            input,
            count,
            bytes,
            "messages of Redis came faster than they could be delivered and were dropped: raise queue_bytes of the input, or use more nodes"
        );
        self.observation.refused(Some(app), || dropped_messages(count));
    }

    /// The channel of a topic. Only channels that a socket has joined are subscribed to, so the name is within
    /// the limits.
    fn channel(&self, topic: &str) -> Option<ChannelName> {
        let name = topic.strip_prefix(&*self.config.prefix)?;
        ChannelName::parse(name, usize::MAX).ok()
    }

    fn tick(&self) {
        let Some(owner) = self.owner() else { return };
        let mut topics = self.topics.lock();
        topics.tick(Instant::now(), |channel| owner.is_joined(channel));
        let (now, before) = (topics.len() as u64, self.counted.load(Ordering::Relaxed));
        // Several inputs share the gauge.
        self.counts.topics.inc_by(now.saturating_sub(before));
        self.counts.topics.dec_by(before.saturating_sub(now));
        self.counted.store(now, Ordering::Relaxed);
        self.commands_ready.notify_one();
    }
}

impl InputLinkOwner for LaravelInput {
    fn take_commands(&self) -> Vec<Cmd> {
        let command = |command: TopicCommand| {
            let (word, channel) = match &command {
                TopicCommand::Subscribe(channel) => ("SUBSCRIBE", channel),
                TopicCommand::Unsubscribe(channel) => ("UNSUBSCRIBE", channel),
            };
            let mut cmd = redis::cmd(word);
            cmd.arg(format!("{}{channel}", self.config.prefix));
            cmd
        };
        self.topics.lock().take_commands(BATCH).into_iter().map(command).collect()
    }

    fn commands_ready(&self) -> &Notify {
        &self.commands_ready
    }

    fn link_event(&self, event: InputLinkEvent<'_>) {
        match event {
            InputLinkEvent::Attempted => self.attempted.cancel(),
            InputLinkEvent::Connected => {
                self.topics.lock().link_up();
                self.commands_ready.notify_one();
            }
            InputLinkEvent::Lost => self.lost(),
            InputLinkEvent::Subscribed { topic } => self.subscribed(topic),
            InputLinkEvent::Message { topic, payload } => self.message(topic, payload),
            InputLinkEvent::Dropped(count) => self.dropped(count),
            InputLinkEvent::Tick => self.tick(),
        }
    }

    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            if let Some(owner) = self.owner() {
                owner.ready().await;
            }
        })
    }
}
