//! Reverb's scaling channel: what its servers deliver reaches the sockets of this node, and what this node
//! publishes reaches theirs.
//!
//! Owns the one topic, the mark by which nodes of Resound recognise their own messages, and the queue of those that
//! are to be published. Apps and channels are left to the owner.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use redis::{Cmd, RedisError};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::input_facts::InputFacts;
use super::link::{
    InputLink, InputLinkEvent, InputLinkOwner, LinkSettings, QUEUE_FULL, dropped_messages,
};
use super::reverb_app::serialised_application;
use super::reverb_message::{ForwardedEvent, ReverbEvent, ReverbMessage, terminate};
use super::reverb_metrics::ReverbLookup;
use crate::config::BesideReverbConfig;
use crate::metrics::{InputMetrics, Metrics};
use crate::observation::{Observation, Refusal, RefusedPart};
use crate::redis_connection::{KeyNames, LinkStatus};

/// The section of the configuration, as logs name it.
const SECTION: &str = "beside_reverb";

/// Why messages are dropped or events are not delivered, for the metrics.
const REASONS: [&str; 4] = ["malformed", "unknown_app", "event", QUEUE_FULL];

const UNKNOWN_APP: &str = "a message of Reverb is for an app that is not configured here: configure it with the id that Reverb has";

/// Commands of one batch.
const BATCH: usize = 512;

/// The apps of this node as Reverb's channel uses them.
pub trait ReverbOwner: Send + Sync {
    /// Delivers an event of Reverb's servers; false if the app is not served. An error says why one of its
    /// channels does not get it.
    fn deliver(&self, event: &ReverbEvent<'_>) -> Result<bool, String>;
    /// Closes the sockets of a user; false if the app is not served.
    fn terminate(&self, app: &str, user_id: &str) -> bool;
    /// What this node has; `None` if the app is not served.
    fn look_up(&self, app: &str, lookup: &ReverbLookup) -> Option<Value>;
    /// Events may have been lost, in any channel.
    fn missed(&self);
    /// Resolves once further events may be delivered.
    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The link to Reverb's servers.
pub struct ReverbInput {
    config: BesideReverbConfig,
    /// What this node, or its cluster, marks its messages with.
    origin: String,
    owner: OnceLock<Weak<dyn ReverbOwner>>,
    outgoing: Mutex<Outgoing>,
    commands_ready: Notify,
    attempted: CancellationToken,
    counts: InputMetrics,
    metrics: Arc<Metrics>,
    observation: Arc<Observation>,
    status: Arc<LinkStatus>,
}

#[derive(Default)]
struct Outgoing {
    is_up: bool,
    was_up: bool,
    subscribes: bool,
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl ReverbInput {
    /// A link that is not connected. Nodes of one cluster have the same `origin`: what one of them publishes here has
    /// reached the others through the cluster.
    pub fn new(
        config: &BesideReverbConfig,
        origin: String,
        metrics: &Arc<Metrics>,
        observation: &Arc<Observation>,
    ) -> Self {
        let (owner, outgoing, commands_ready) = Default::default();
        Self {
            config: config.clone(),
            origin,
            owner,
            outgoing,
            commands_ready,
            attempted: CancellationToken::new(),
            counts: metrics.redis_input.of("reverb", &REASONS),
            metrics: metrics.clone(),
            observation: observation.clone(),
            status: Arc::new(LinkStatus::new(Instant::now())),
        }
    }

    /// The apps that get the events, while they exist.
    pub fn set_owner(&self, owner: Weak<dyn ReverbOwner>) {
        let _ = self.owner.set(owner);
    }

    /// Connects to Redis and stays connected, for as long as the future lives.
    pub fn link(self: &Arc<Self>) -> Result<impl Future<Output = ()> + Send + use<>, RedisError> {
        let settings = LinkSettings {
            section: SECTION.to_owned(),
            keys: KeyNames::Url,
            timeout: self.config.timeout,
            queue_bytes: self.config.queue_bytes,
            counts: self.counts.clone(),
            metrics: self.metrics.clone(),
            status: self.status.clone(),
        };
        let (redis, channel) = (&self.config.redis, &self.config.channel);
        Ok(InputLink::new(self.clone(), redis, channel, settings)?.run())
    }

    /// The input as operators see it.
    pub fn facts(&self) -> InputFacts {
        let link = self.status.facts();
        let topics = link.is_up.into();
        let (section, counts) = (SECTION.to_owned(), self.counts.clone());
        InputFacts { input: "reverb", section, app: None, link, topics, counts }
    }

    /// Resolves once the first attempt to connect has succeeded or failed.
    pub async fn attempted(&self) {
        self.attempted.cancelled().await;
    }

    /// Publishes an event of this node for Reverb's servers.
    pub fn forward(&self, (app_id, key): (&str, &str), event: &ForwardedEvent<'_>) {
        self.publish(event.message(&serialised_application(app_id, key), &self.origin));
    }

    /// Closes the sockets of a user on Reverb's servers.
    pub fn forward_termination(&self, (app_id, key): (&str, &str), user_id: &str) {
        self.publish(terminate(&serialised_application(app_id, key), user_id, &self.origin));
    }

    /// Queues a message. While Redis is away it is lost for Reverb, whose servers have lost Redis too.
    fn publish(&self, message: Vec<u8>) {
        let mut outgoing = self.outgoing.lock();
        let is_full = outgoing.bytes + message.len() > self.config.queue_bytes;
        if is_full || !outgoing.is_up {
            drop(outgoing);
            return self.counts.refused(QUEUE_FULL, 1);
        }
        outgoing.bytes += message.len();
        outgoing.messages.push_back(message);
        drop(outgoing);
        self.counts.messages_published.inc();
        self.commands_ready.notify_one();
    }

    fn owner(&self) -> Option<Arc<dyn ReverbOwner>> {
        self.owner.get()?.upgrade()
    }

    fn message(&self, payload: &[u8]) {
        self.counts.messages.inc();
        let Some(owner) = self.owner() else { return };
        let is_served = match ReverbMessage::read(payload) {
            Ok(ReverbMessage::Event(event)) => {
                if event.origin.as_deref() == Some(&*self.origin) {
                    return;
                }
                owner.deliver(&event).unwrap_or_else(|cause| {
                    tracing::warn!(app = event.app, cause, "an event of Reverb is not delivered: correct what the cause names where it is broadcast");
                    self.refused("event", Some(&event.app), &cause);
                    true
                })
            }
            Ok(ReverbMessage::Terminate { app, user_id, origin }) => {
                origin.as_deref() == Some(&*self.origin) || owner.terminate(&app, &user_id)
            }
            Ok(ReverbMessage::Query(query)) => {
                let found = owner.look_up(&query.app, &query.lookup);
                // Without an answer Reverb's server would wait for ten seconds.
                let answer = found.clone().unwrap_or_else(|| Value::Array(Vec::new()));
                self.publish(query.answer(&answer, &self.origin));
                found.is_some()
            }
            Ok(ReverbMessage::Other) => true,
            Err(invalid) => {
                let topic = &self.config.channel;
                tracing::warn!(topic, cause = %invalid, "a message on the scaling channel of Reverb is dropped: let nothing but Reverb publish on this channel");
                self.refused("malformed", None, &invalid.to_string());
                true
            }
        };
        if !is_served {
            let text = UNKNOWN_APP;
            tracing::warn!("{text}");
            self.refused("unknown_app", None, text);
        }
    }

    /// Counts a message that is not delivered, and shows it to those who look at the node.
    fn refused(&self, reason: &'static str, app: Option<&str>, cause: &str) {
        self.counts.refused(reason, 1);
        self.observation
            .refused(app, || Refusal::new(RefusedPart::Input, cause).with_reason(Some(reason)));
    }

    fn connected(&self) {
        let mut outgoing = self.outgoing.lock();
        (outgoing.is_up, outgoing.subscribes) = (true, true);
        self.commands_ready.notify_one();
    }

    fn lost(&self) {
        let mut outgoing = self.outgoing.lock();
        let was_up = outgoing.was_up;
        *outgoing = Outgoing { was_up, ..Outgoing::default() };
        self.counts.topics.set(0);
    }

    fn subscribed(&self) {
        self.counts.topics.set(1);
        let was_up = std::mem::replace(&mut self.outgoing.lock().was_up, true);
        if was_up && let Some(owner) = self.owner() {
            self.counts.possible_gaps.inc();
            owner.missed();
        }
    }

    fn dropped(&self, count: u64) {
        self.counts.refused(QUEUE_FULL, count);
        tracing::warn!(
            count,
            "messages of Reverb came faster than they could be delivered and were dropped: move more browsers or triggers to this server, or use more nodes"
        );
        self.observation.refused(None, || dropped_messages(count));
    }
}

impl InputLinkOwner for ReverbInput {
    fn take_commands(&self) -> Vec<Cmd> {
        let mut outgoing = self.outgoing.lock();
        let command = |word, argument: Option<Vec<u8>>| {
            let mut cmd = redis::cmd(word);
            cmd.arg(&self.config.channel).arg(argument);
            cmd
        };
        let mut commands = Vec::new();
        if std::mem::take(&mut outgoing.subscribes) {
            commands.push(command("SUBSCRIBE", None));
        }
        let count = outgoing.messages.len().min(BATCH);
        let messages: Vec<_> = outgoing.messages.drain(..count).collect();
        outgoing.bytes -= messages.iter().map(Vec::len).sum::<usize>();
        commands.extend(messages.into_iter().map(|message| command("PUBLISH", Some(message))));
        commands
    }

    fn commands_ready(&self) -> &Notify {
        &self.commands_ready
    }

    fn link_event(&self, event: InputLinkEvent<'_>) {
        match event {
            InputLinkEvent::Attempted => self.attempted.cancel(),
            InputLinkEvent::Connected => self.connected(),
            InputLinkEvent::Lost => self.lost(),
            InputLinkEvent::Subscribed { .. } => self.subscribed(),
            InputLinkEvent::Message { payload, .. } => self.message(payload),
            InputLinkEvent::Dropped(count) => self.dropped(count),
            InputLinkEvent::Tick => {}
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
