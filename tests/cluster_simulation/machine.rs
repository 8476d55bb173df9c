//! One machine of the cluster: of each partition the core under test and where its link stands, and the least a
//! node must have of a hub: who is seated where, what is kept, who watches whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use resound::app::App;
use resound::cluster::{Core, NodeId, Reply};
use resound::config::ClusterSettings;
use resound::protocol::{Frame, SocketId};
use resound::redis_connection::LastLinks;

use crate::profile::Profile;
use crate::server::{ConnectionId, Operation};

/// The number of the first request of each process.
pub(crate) const FIRST_REQUEST: u64 = 1 << 40;

/// A machine, on which one process after the other runs.
pub(crate) struct Machine {
    pub(crate) parts: Vec<Part>,
    /// Of the process that runs.
    pub(crate) id: u64,
    pub(crate) is_up: bool,
    /// It takes no more sockets: it will end soon.
    pub(crate) is_leaving: bool,
    pub(crate) hub: Hub,
    /// Events that this process delivered.
    pub(crate) delivered: BTreeSet<usize>,
    /// Counted by this process: events lost on the way to a channel here.
    pub(crate) missed: BTreeMap<Arc<str>, u64>,
    /// Reported by this process: some may have been lost.
    pub(crate) in_doubt: BTreeSet<Arc<str>>,
    /// Channels in which it accepted a member while Redis was away.
    pub(crate) alone_in: BTreeSet<Arc<str>>,
    /// Sockets of an app with a bound that hold a place.
    pub(crate) places: u32,
}

/// One partition, as a process takes part in it.
pub(crate) struct Part {
    pub(crate) core: Core,
    pub(crate) link: Link,
    /// Counted by this process: events that others did not get.
    pub(crate) unshared: u64,
}

/// Where the link to Redis stands.
#[derive(Default)]
pub(crate) struct Link {
    pub(crate) connection: Option<ConnectionId>,
    /// The handshake is over.
    pub(crate) is_connected: bool,
    /// Requests of the batch under way, and its number.
    pub(crate) asked: usize,
    pub(crate) batch: u32,
    /// `None` for a request that was refused, since the slot is on another server or on its way there.
    pub(crate) replies: Vec<Option<(Reply, Operation)>>,
    /// The server has ended the subscriptions by itself.
    pub(crate) has_moved: bool,
    /// The last link to each Redis process, as the nodes have it.
    pub(crate) last: LastLinks,
    pub(crate) will_pump: bool,
    /// From when to when there was no link, each time.
    pub(crate) outages: Vec<(u64, u64)>,
    /// Nothing gets through until then; it arrives late.
    pub(crate) held_until: u64,
    /// The same, and it never arrives.
    pub(crate) lost_until: u64,
}

/// What a node does at a step.
#[derive(Default)]
pub(crate) struct Hub {
    pub(crate) seats: BTreeMap<Arc<str>, BTreeSet<SocketId>>,
    pub(crate) kept: BTreeMap<Arc<str>, Frame>,
    pub(crate) watchers: BTreeMap<Arc<str>, BTreeSet<SocketId>>,
}

impl Part {
    pub(crate) fn new(id: u64, settings: ClusterSettings, app: Arc<App>, now: Instant) -> Self {
        let core = Core::new(NodeId(id), settings, &[app], FIRST_REQUEST, now);
        Self { core, link: Link::default(), unshared: 0 }
    }
}

impl Machine {
    /// A process that has just started.
    pub(crate) fn start(id: u64, profile: &Profile, app: &Arc<App>, now: Instant) -> Self {
        let part = |part| Part::new(id, profile.settings(part), app.clone(), now);
        Self {
            parts: (0..profile.partitions).map(part).collect(),
            id,
            is_up: true,
            is_leaving: false,
            hub: Hub::default(),
            delivered: BTreeSet::new(),
            missed: BTreeMap::new(),
            in_doubt: BTreeSet::new(),
            alone_in: BTreeSet::new(),
            places: 0,
        }
    }

    pub(crate) fn takes_sockets(&self) -> bool {
        self.is_up && !self.is_leaving
    }

    pub(crate) fn is_seated(&self, channel: &str, socket: SocketId) -> bool {
        self.hub.seats.get(channel).is_some_and(|seats| seats.contains(&socket))
    }
}
