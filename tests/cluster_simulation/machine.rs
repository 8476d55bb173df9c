//! One machine of the cluster: of each partition the core under test and where its link stands, and the least a
//! node must have of a hub: who is seated where, what is kept, who watches whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use resound::app::App;
use resound::cluster::{Cluster, Core, NodeId, Reply};
use resound::config::ClusterSettings;
use resound::protocol::{Frame, SocketId};
use resound::redis_connection::LastLinks;

use crate::profile::Profile;
use crate::server::{ConnectionId, Operation};
use crate::whole::WholeNode;

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
    /// What a node does, where there is no whole one.
    pub(crate) hub: Hub,
    /// The node, where whole ones are simulated; `None` once its process has ended, too.
    pub(crate) whole: Option<WholeNode>,
    /// Events that this process delivered, and when its first client received each.
    pub(crate) delivered: BTreeMap<usize, u64>,
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
    pub(crate) core: HeldCore,
    pub(crate) link: Link,
    /// Counted by this process: events that others did not get.
    pub(crate) unshared: u64,
}

/// Who has the core of a partition.
pub(crate) enum HeldCore {
    /// The simulation, which carries out its effects itself.
    Alone(Box<Core>),
    /// A whole node, to whose hub they are applied.
    InNode(Arc<Cluster>),
}

impl HeldCore {
    pub(crate) fn act<R>(&mut self, act: impl FnOnce(&mut Core) -> R) -> R {
        match self {
            Self::Alone(core) => act(core),
            Self::InNode(cluster) => cluster.act(act),
        }
    }

    pub(crate) fn look<R>(&self, look: impl FnOnce(&Core) -> R) -> R {
        match self {
            Self::Alone(core) => look(core),
            Self::InNode(cluster) => cluster.act(|core| look(core)),
        }
    }

    /// That of a part without a node.
    pub(crate) fn alone(&mut self) -> &mut Core {
        match self {
            Self::Alone(core) => core,
            Self::InNode(_) => unreachable!("its effects are applied to a hub"),
        }
    }
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
        Self::of(HeldCore::Alone(Box::new(core)))
    }

    fn of(core: HeldCore) -> Self {
        Self { core, link: Link::default(), unshared: 0 }
    }
}

impl Machine {
    /// A process that has just started.
    pub(crate) fn start(id: u64, profile: &Profile, app: &Arc<App>, now: Instant) -> Self {
        let part = |part| Part::new(id, profile.settings(part), app.clone(), now);
        let whole = profile.is_whole.then(|| WholeNode::start(id, profile, app));
        let in_node = |cluster: &Arc<Cluster>| Part::of(HeldCore::InNode(cluster.clone()));
        let parts = match &whole {
            None => (0..profile.partitions).map(part).collect(),
            Some(whole) => whole.clusters().iter().map(in_node).collect(),
        };
        Self {
            parts,
            whole,
            id,
            is_up: true,
            is_leaving: false,
            hub: Hub::default(),
            delivered: BTreeMap::new(),
            missed: BTreeMap::new(),
            in_doubt: BTreeSet::new(),
            alone_in: BTreeSet::new(),
            places: 0,
        }
    }

    pub(crate) fn takes_sockets(&self) -> bool {
        self.is_up && !self.is_leaving
    }

    /// Whether all that it decided has reached its clients.
    pub(crate) fn is_idle(&self) -> bool {
        self.whole.as_ref().is_none_or(WholeNode::is_idle)
    }

    /// Sockets to which events of a channel are delivered here.
    pub(crate) fn seats(&self, channel: &str) -> usize {
        match &self.whole {
            Some(whole) => whole.subscribers(channel),
            None => self.hub.seats.get(channel).map_or(0, BTreeSet::len),
        }
    }

    pub(crate) fn is_seated(&self, channel: &str, socket: SocketId) -> bool {
        self.hub.seats.get(channel).is_some_and(|seats| seats.contains(&socket))
    }
}
