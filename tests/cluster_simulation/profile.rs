//! What kind of schedule it is: how many nodes, how slow the network, which faults, which app.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use resound::app::{App, Webhook, WebhookKind, WebhookTarget};
use resound::config::{ClusterSettings, StreamSettings};
use resound::config::{Config, ConfigFile, Sources};
use resound::partitions::{home_of_app, part_of_channel, prefix};
use resound::protocol::ChannelName;

use crate::directory::Rules;
use crate::random::Random;
use crate::verdict::FILTERED;

pub(crate) const MILLI: u64 = 1000;
pub(crate) const SECOND: u64 = 1_000_000;

pub(crate) const LEASE: u64 = 5 * SECOND;
/// After which the link of a node gives up, as the shipped configuration has it.
pub(crate) const TIMEOUT: u64 = SECOND;
/// Longer than any fault, so that what was kept is still there.
const RETENTION: u64 = 120 * SECOND;
pub(crate) const QUEUE_BYTES: usize = 4096;
pub(crate) const CACHE: u64 = 60 * SECOND;
/// The name of the event that reports a gap.
pub(crate) const GAP: &str = "gap";
/// So short that most schedules have some silent clients that are asked, and answer.
const PING_INTERVAL: Duration = Duration::from_secs(7);
const PONG_TIMEOUT: Duration = Duration::from_secs(5);

/// Which faults there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Faults {
    /// Nothing breaks.
    None,
    /// Links break and machines crash; Redis stays.
    Links,
    /// Redis pauses, restarts with its data and ends connections; links break, all for less than a
    /// lease.
    Short,
    /// Everything, for any time, and Redis may lose its data.
    All,
}

/// Drawn first, from the seed.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) machines: usize,
    pub(crate) partitions: usize,
    pub(crate) steps: usize,
    /// Of each partition. Machines end where all have the same.
    pub(crate) faults: Vec<Faults>,
    pub(crate) streams: bool,
    /// Microseconds of one way, least and most.
    pub(crate) latency: (u64, u64),
    /// Microseconds between two steps.
    pub(crate) gap: (u64, u64),
    pub(crate) bound: Option<u32>,
    pub(crate) members_max: usize,
    /// An outsider publishes rubbish and forged events on the topics.
    pub(crate) hostile: bool,
    /// Machines run whole nodes: sessions, hubs and shards around the cores, and clients at the end of connections.
    pub(crate) is_whole: bool,
}

impl Profile {
    pub(crate) fn draw(random: &mut Random, steps: usize) -> Self {
        let faults = match random.below(10) {
            0..4 => Faults::None,
            4..6 => Faults::Links,
            6..8 => Faults::Short,
            _ => Faults::All,
        };
        let latencies = [(50, 500), (50, 500), (MILLI, 20 * MILLI), (50, 150 * MILLI)];
        let gaps = [(0, 2 * MILLI), (0, 50 * MILLI), (0, 300 * MILLI), (0, 1500 * MILLI)];
        let partitions = match random.below(20) {
            0..12 => 1,
            12..17 => 2,
            17..19 => 3,
            _ => 4,
        };
        // Half of those with several: one has faults, and the others must not be affected.
        let only = (partitions > 1 && random.percent(50)).then(|| random.below(partitions));
        let is_hit = |part: u64| only.is_none_or(|only| only == part);
        let each = (0..partitions).map(|part| if is_hit(part) { faults } else { Faults::None });
        Self {
            machines: random.between((2, 5)) as usize,
            partitions: partitions as usize,
            steps,
            faults: each.collect(),
            streams: random.percent(35),
            latency: latencies[random.below(4) as usize],
            gap: gaps[random.below(4) as usize],
            bound: random.percent(25).then(|| random.between((1, 8)) as u32),
            members_max: if random.percent(15) { 2 } else { 100 },
            hostile: random.percent(15),
            is_whole: false,
        }
    }

    /// Of one partition.
    pub(crate) fn settings(&self, part: usize) -> ClusterSettings {
        ClusterSettings { prefix: self.prefix(part), ..self.installation() }
    }

    /// Of all partitions.
    pub(crate) fn installation(&self) -> ClusterSettings {
        ClusterSettings {
            prefix: "resound".to_owned(),
            partitions: self.partitions as u32,
            lease: Duration::from_micros(LEASE),
            local_delivery_after: Duration::from_millis(250),
            queue_bytes: QUEUE_BYTES,
            streams: self.streams.then_some(StreamSettings {
                retention: Duration::from_micros(RETENTION),
                events: 1000,
            }),
            cache_ttl: Duration::from_micros(CACHE),
        }
    }

    /// What keys and topics of a partition begin with.
    pub(crate) fn prefix(&self, part: usize) -> String {
        prefix("resound", part as u32, self.partitions as u32)
    }

    /// The partition of a channel.
    pub(crate) fn part_of(&self, name: &str) -> usize {
        if self.partitions == 1 {
            return 0;
        }
        let name = ChannelName::parse(name, 200).unwrap();
        part_of_channel("1", &name, self.partitions as u32)
    }

    /// The partition of what belongs to the app as a whole.
    pub(crate) fn home(&self) -> usize {
        home_of_app("1", self.partitions as u32)
    }

    pub(crate) fn rules(&self, part: usize) -> Rules {
        Rules {
            prefix: self.prefix(part),
            streams: self.streams.then_some((RETENTION / MILLI, 1000)),
            cache_ms: CACHE / MILLI,
            beat_holds_ms: LEASE * 8 / 10 / MILLI,
        }
    }

    pub(crate) fn app(&self) -> Arc<App> {
        static SHIPPED: LazyLock<App> = LazyLock::new(shipped_app);
        let mut app = SHIPPED.clone();
        app.limits.connections = self.bound;
        app.limits.presence_members = self.members_max;
        if self.is_whole {
            (app.limits.client_events_per_second, app.gap_event) = (None, Some(GAP.to_owned()));
            app.webhooks.push(Webhook {
                events: vec![WebhookKind::MemberAdded, WebhookKind::MemberRemoved],
                channel_prefix: FILTERED.to_owned(),
                ..app.webhooks[0].clone()
            });
            (app.ping_interval, app.pong_timeout) = (PING_INTERVAL, PONG_TIMEOUT);
        }
        Arc::new(app)
    }
}

/// An app with the defaults of the configuration, but with everything switched on.
pub(crate) fn shipped_app() -> App {
    let text = "[[apps]]\nid = \"1\"\nkey = \"key\"\nsecret = \"secret\"\n".to_owned();
    let file = ConfigFile { name: "cluster.toml".to_owned(), text };
    let sources = Sources { file: Some(file), ..Sources::default() };
    let apps = Config::new(&sources).expect("a valid configuration").apps;
    let mut app = (**apps.by_id("1").unwrap()).clone();
    app.watchlist_events = true;
    app.subscription_count_events = true;
    app.webhooks = vec![Webhook {
        url: "http://localhost/".to_owned(),
        events: Vec::new(),
        channel_prefix: String::new(),
        channel_suffix: String::new(),
        target: WebhookTarget::Http { headers: Vec::new() },
        batch_window: Duration::ZERO,
    }];
    app
}
