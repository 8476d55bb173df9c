//! What is counted for each app: its sockets, its channels by kind, what clients and back ends send.
//!
//! An app looks its series up once ([`AppMetrics`]); counting then takes no lock and no look-up. Apps come
//! from the configuration, so their number is bounded.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::declare::{Gauge, Label, metrics};
use crate::protocol::{ChannelName, ChannelType};

metrics! {
    /// The families with a series for each app.
    struct AppSeries in "" {
        /// Sockets open now
        connections: Family<Label<String>, Gauge>,
        /// Sockets that were greeted
        connections_opened: Family<Label<String>, Counter>,
        /// Subscriptions of sockets of this node, by kind of channel; user is the channel of a signed-in
        /// user
        subscriptions: Family<KindLabels, Gauge>,
        /// Channels with subscribers on this node, by kind
        channels: Family<KindLabels, Gauge>,
        /// Users who are in presence channels with a socket of this node, each once
        presence_members: Family<Label<String>, Gauge>,
        /// Text messages of clients
        messages_received: Family<Label<String>, Counter>,
        /// Client events that were published
        client_events: Family<Label<String>, Counter>,
        /// Events the HTTP API accepted, one per channel
        events_triggered: Family<Label<String>, Counter>,
        /// Events above the size hosted Pusher refuses
        events_oversized: Family<Label<String>, Counter>,
    }
}

/// The metrics of all apps.
#[derive(Debug, Default)]
pub struct AppFamilies {
    series: AppSeries,
    /// Each app that was looked up, so that all of them can be summed.
    known: Mutex<BTreeMap<String, AppMetrics>>,
}

/// The sums over all apps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AppTotals {
    /// Sockets open now.
    pub sockets: u64,
    /// Subscriptions of sockets of this node.
    pub subscriptions: u64,
    /// Events of back ends and of clients so far.
    pub events: u64,
    /// Text messages of clients so far.
    pub messages_received: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    app: String,
    kind: &'static str,
}

/// The kinds of channels: four types, the same types as cache channels, and the channels of users.
const KINDS: [&str; 9] = [
    "public",
    "private",
    "encrypted",
    "presence",
    "public_cache",
    "private_cache",
    "encrypted_cache",
    "presence_cache",
    "user",
];

/// A series for each kind of channel.
#[derive(Debug, Clone)]
struct ByKind([Gauge; KINDS.len()]);

impl ByKind {
    fn of(family: &Family<KindLabels, Gauge>, app: &str) -> Self {
        Self(
            KINDS.map(|kind| family.get_or_create_owned(&KindLabels { app: app.to_owned(), kind })),
        )
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(|gauge| gauge.get()).sum()
    }

    fn at(&self, channel: &ChannelName) -> &Gauge {
        let plain = match channel.channel_type() {
            ChannelType::Public => 0,
            ChannelType::Private => 1,
            ChannelType::Encrypted => 2,
            ChannelType::Presence => 3,
            ChannelType::ServerToUser => return &self.0[8],
        };
        &self.0[plain + if channel.is_cache() { 4 } else { 0 }]
    }
}

/// The series of one app.
#[derive(Debug, Clone)]
pub struct AppMetrics {
    connections: Gauge,
    connections_opened: Counter,
    subscriptions: ByKind,
    channels: ByKind,
    /// Users in presence channels.
    pub presence_members: Gauge,
    /// Text messages of clients.
    pub messages_received: Counter,
    /// Client events that were published.
    pub client_events: Counter,
    /// Events of back ends, one per channel.
    pub events_triggered: Counter,
    /// Events of back ends above the size hosted Pusher refuses.
    pub events_oversized: Counter,
}

impl AppFamilies {
    /// The series of an app, which are exposed from now on.
    pub fn of(&self, app: &str) -> AppMetrics {
        let mut known = self.known.lock();
        if let Some(metrics) = known.get(app) {
            return metrics.clone();
        }
        let metrics = self.series.of(app);
        known.insert(app.to_owned(), metrics.clone());
        metrics
    }

    /// The sums over all apps: some loads for each, without a look-up.
    pub fn totals(&self) -> AppTotals {
        let mut totals = AppTotals::default();
        for app in self.known.lock().values() {
            totals.sockets += app.connections.get();
            totals.subscriptions += app.subscriptions.sum();
            totals.events += app.events_triggered.get() + app.client_events.get();
            totals.messages_received += app.messages_received.get();
        }
        totals
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        self.series.register(registry);
    }
}

impl AppSeries {
    fn of(&self, app: &str) -> AppMetrics {
        let label = [("app", app.to_owned())];
        AppMetrics {
            connections: self.connections.get_or_create_owned(&label),
            connections_opened: self.connections_opened.get_or_create_owned(&label),
            subscriptions: ByKind::of(&self.subscriptions, app),
            channels: ByKind::of(&self.channels, app),
            presence_members: self.presence_members.get_or_create_owned(&label),
            messages_received: self.messages_received.get_or_create_owned(&label),
            client_events: self.client_events.get_or_create_owned(&label),
            events_triggered: self.events_triggered.get_or_create_owned(&label),
            events_oversized: self.events_oversized.get_or_create_owned(&label),
        }
    }
}

impl AppMetrics {
    /// Counts a socket from `pusher:connection_established` on.
    pub fn socket_opened(&self) {
        self.connections_opened.inc();
        self.connections.inc();
    }

    /// Takes a socket out of those that are open now, once nothing more is read from it.
    pub fn socket_released(&self) {
        self.connections.dec();
    }

    /// Counts a channel that has its first subscriber.
    pub fn channel_occupied(&self, channel: &ChannelName) {
        self.channels.at(channel).inc();
    }

    /// Takes a channel out of those that have subscribers.
    pub fn channel_vacated(&self, channel: &ChannelName) {
        self.channels.at(channel).dec();
    }

    /// Counts a subscription.
    pub fn subscribed(&self, channel: &ChannelName) {
        self.subscriptions.at(channel).inc();
    }

    /// Takes a subscription out of those there are.
    pub fn unsubscribed(&self, channel: &ChannelName) {
        self.subscriptions.at(channel).dec();
    }
}
