//! Why a link to Redis failed, and the text for the log: the cause and the configuration key to change.

use std::borrow::Cow;

use redis::{ErrorKind, RedisError};

use super::missing_right::RedisUser;
use crate::config::HostPort;
use crate::network_fault::NetworkFault;

/// Why a link ended or could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// An error of Redis, of the network or of the client library.
    #[error("{0}")]
    Redis(#[from] RedisError),
    /// An answer that no supported Redis gives to this request.
    #[error("Redis answered {0} with something unexpected: is another version running there?")]
    Answer(&'static str),
    /// The version of the nodes of a Redis Cluster.
    #[error(
        "this Redis Cluster is {0}, which is too old: 7.0 is the oldest that can be used, since in an older one each event goes to all of its nodes; upgrade it, or use Valkey, a Redis that is no cluster, or Sentinel"
    )]
    ClusterTooOld(String),
    /// The slot of the keys is on its way from one node of a Redis Cluster to another.
    #[error(
        "slot {0}, which has the keys of this cluster, is being moved to another node of the Redis Cluster: the link comes back behind it; after a move that was given up, run redis-cli --cluster fix"
    )]
    SlotMoving(u16),
    /// The node has lost the slot of the keys.
    #[error(
        "the slot with the keys of this cluster has gone to another node of the Redis Cluster: the link follows it"
    )]
    SlotMoved,
    /// Nodes of a Redis Cluster name each other as the owner of a slot.
    #[error(
        "the nodes of the Redis Cluster do not agree on the owner of a slot: wait, or run redis-cli --cluster check"
    )]
    NoAgreement,
    /// Other nodes spread channels differently.
    #[error(
        "nodes of this installation run with cluster.partitions = {found}, and this one has {own}: set the same number, or stop all nodes for 15 seconds to change it"
    )]
    OtherPartitions {
        /// The number of those that run.
        found: u32,
        /// The number of this node.
        own: u32,
    },
    /// Other nodes have fewer or more Redis to spread channels over.
    #[error(
        "nodes of this installation use {found} Redis of cluster.urls, and this one has {own}: give it the same list; to use fewer, stop all nodes for 15 seconds"
    )]
    OtherUrls {
        /// How many they use, or are about to use.
        found: u32,
        /// How many this node has.
        own: u32,
    },
    /// Other nodes find another Redis at the same place of their list.
    #[error(
        "other nodes ({nodes}) reach another Redis at place {place} of cluster.urls than this one: write the same urls in the same order on all nodes"
    )]
    OtherRedis {
        /// The place in the list, from 0.
        place: usize,
        /// The names of these nodes.
        nodes: String,
    },
    /// The partition of the link is at another Redis now.
    #[error("the partition is at another Redis of cluster.urls now")]
    PartitionMoved,
    /// Several servers are configured, and this one is alone.
    #[error(
        "{0} is no node of a Redis Cluster, and cluster.url names several servers: name one Redis, its sentinels (redis+sentinel://), or nodes of one Redis Cluster"
    )]
    SeveralServers(HostPort),
    /// The version of the server.
    #[error("this Redis is {0}, which is too old: 6.2 is the oldest that can be used")]
    TooOld(String),
    /// The server is a sentinel.
    #[error(
        "this is a sentinel and no Redis: write redis+sentinel://host:port/name in cluster.url, with the name that `sentinel monitor` gives the primary"
    )]
    IsSentinel,
    /// No sentinel led to a primary, or no node of a Redis Cluster to the owner of a slot.
    #[error("{causes}")]
    NoServer {
        /// The text of each failed attempt.
        causes: String,
        /// Whether an answer took longer than the time limit.
        is_timeout: bool,
    },
}

impl LinkError {
    /// None of these attempts led to a server that can be used.
    pub(super) fn no_server(attempts: impl IntoIterator<Item = AttemptError>) -> Self {
        let attempts: Vec<_> = attempts.into_iter().collect();
        let is_timeout = attempts.iter().any(|attempt| attempt.is_timeout);
        let texts: Vec<_> = attempts.into_iter().map(|attempt| attempt.text).collect();
        Self::NoServer { causes: texts.join(" | "), is_timeout }
    }

    /// Whether an answer took longer than the time limit.
    pub(crate) fn is_timeout(&self) -> bool {
        match self {
            Self::Redis(error) => error.is_timeout(),
            Self::NoServer { is_timeout, .. } => *is_timeout,
            _ => false,
        }
    }
}

/// How an attempt through one server failed.
pub(super) struct AttemptError {
    pub(super) text: String,
    pub(super) is_timeout: bool,
}

impl AttemptError {
    pub(super) fn new(text: String) -> Self {
        Self { text, is_timeout: false }
    }
}

/// The server at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerKind {
    Redis,
    Sentinel,
}

/// The transport of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RedisTransport {
    Tcp,
    Tls,
    Unix,
}

impl RedisTransport {
    pub(super) fn of_tcp(tls: bool) -> Self {
        match tls {
            true => Self::Tls,
            false => Self::Tcp,
        }
    }
}

/// The state of the link when the error occurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkPhase {
    /// Opening the connection, or reading what Redis reports about itself.
    Connecting,
    Serving,
}

/// The connection that an error comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct FailureContext<'a> {
    pub(super) server: ServerKind,
    pub(super) user: RedisUser<'a>,
    pub(super) transport: RedisTransport,
    pub(super) phase: LinkPhase,
}

impl FailureContext<'_> {
    /// The cause and what to change; for an unknown error the text of the client library.
    pub(super) fn explain(self, error: &RedisError) -> String {
        let (cause, remedy) = match (answer(error), NetworkFault::of(error)) {
            (Some(answer), _) => {
                let shown: String = answer.chars().take(ANSWER_CHARS).collect();
                (format!("it answered {shown:?}"), self.of_answer(&answer))
            }
            (None, Some(fault)) => (fault.to_string(), self.of_fault(&fault).into()),
            (None, None) => (error.to_string(), self.of_kind(error.kind()).into()),
        };
        match &*remedy {
            "" => cause,
            remedy => format!("{cause}; {remedy}"),
        }
    }

    fn of_answer(self, answer: &str) -> Cow<'static, str> {
        match (self.server, self.user.remedy(answer)) {
            (ServerKind::Redis, Some(remedy)) => remedy.into(),
            _ => self.of_sign(answer).into(),
        }
    }

    /// What to change after an error that the server answered with. An error inside a script has its
    /// code at the beginning since Redis 7, and somewhere in the text before.
    fn of_sign(self, answer: &str) -> &'static str {
        let keys_of = |redis, sentinel| match self.server {
            ServerKind::Redis => redis,
            ServerKind::Sentinel => sentinel,
        };
        let remedies = [
            (
                "NOAUTH",
                keys_of(
                    "set cluster.password (REDIS_PASSWORD)",
                    "set cluster.sentinel_password (REDIS_SENTINEL_PASSWORD)",
                ),
            ),
            (
                "WRONGPASS",
                keys_of(
                    "correct cluster.username and cluster.password (REDIS_USERNAME, REDIS_PASSWORD)",
                    "correct cluster.sentinel_username and cluster.sentinel_password (REDIS_SENTINEL_USERNAME, REDIS_SENTINEL_PASSWORD)",
                ),
            ),
            (
                "NOPERM",
                "give its user +sentinel|get-master-addr-by-name (ACL SETUSER on the sentinel)",
            ),
            (
                "DENIED",
                "give Redis a password (requirepass) and set it as cluster.password, or reach it over loopback",
            ),
            ("max number of clients", "raise maxclients there, or close other connections"),
            (
                "DB index is out of range",
                "set cluster.database below the `databases` of redis.conf",
            ),
            ("OOM", "its memory is full: raise maxmemory there"),
            (
                "READONLY",
                "this is a replica: set cluster.host or cluster.url to the primary, or let sentinels name it (redis+sentinel://)",
            ),
            (
                "MASTERDOWN",
                "this is a replica without its primary: set cluster.host or cluster.url to the primary",
            ),
            ("LOADING", "wait until it has read its data into memory"),
            (
                "MISCONF",
                "it cannot save its data to disk and refuses writes: its log says why (a full disk, missing rights)",
            ),
            (
                "NOREPLICAS",
                "too few replicas are connected to it: start them, or lower min-replicas-to-write there",
            ),
            (
                "BUSY",
                "end the script that runs there for longer than busy-reply-threshold (SCRIPT KILL)",
            ),
            (
                "unknown command",
                keys_of(
                    "it is older than 6.2, or the command is renamed or switched off there",
                    "this is no sentinel: cluster.url names them, on port 26379 as a rule",
                ),
            ),
        ];
        let mut all = remedies.into_iter().chain(OF_REDIS_CLUSTER);
        let matching = all.find(|(sign, _)| has_sign(answer, sign));
        matching.map_or("", |(_, remedy)| remedy)
    }

    fn of_fault(self, fault: &NetworkFault) -> &'static str {
        use NetworkFault as Fault;
        match (fault, self.phase) {
            (Fault::Refused | Fault::Missing, _) => match self.server {
                ServerKind::Redis => {
                    "start Redis, or correct cluster.host and cluster.port, or cluster.url"
                }
                ServerKind::Sentinel => "start the sentinel, or correct cluster.url",
            },
            (Fault::UnknownHost | Fault::Unreachable, _) => {
                "correct cluster.host or cluster.url, or the network"
            }
            (Fault::Forbidden, _) => "let the user of this process open it (unixsocketperm)",
            (Fault::Closed, LinkPhase::Serving) => {
                "the log of Redis says why: a restart, CLIENT KILL, or client-output-buffer-limit"
            }
            (Fault::Closed, LinkPhase::Connecting) => match self.transport {
                RedisTransport::Tls => {
                    "if it wants client certificates, set tls-auth-clients no there"
                }
                RedisTransport::Tcp => {
                    "if it accepts TLS only, begin cluster.url with rediss:// (rediss+sentinel://) or cluster.host with tls://; otherwise its log says why"
                }
                RedisTransport::Unix => "its log says why (maxclients)",
            },
            (Fault::TimedOut, LinkPhase::Connecting) if self.transport == RedisTransport::Tls => {
                "if it has no TLS, begin cluster.url with redis:// (redis+sentinel://) or cluster.host without tls://; otherwise it is overloaded, or a firewall drops the packets (cluster.timeout_ms)"
            }
            (Fault::TimedOut, _) => {
                "it is overloaded or stopped, or a firewall drops the packets (cluster.timeout_ms)"
            }
            (Fault::NotTls, _) => {
                "begin cluster.url with redis:// (redis+sentinel://) or cluster.host without tls://"
            }
            (Fault::UnknownIssuer, _) => "set cluster.ca_file to the certificate of that authority",
            (Fault::CaCertificate, _) => {
                "make an authority, sign a certificate for Redis with it, and set cluster.ca_file to that of the authority"
            }
            (Fault::Expired, _) => "renew it, or set the clock of this machine",
            (Fault::WrongName, _) => "write one of them in cluster.host or cluster.url",
            (Fault::Tls(text), _) if text.contains("CertificateRequired") => {
                "this server has no client certificate: set tls-auth-clients no there"
            }
            // Redis may be at any address: only calls over HTTP are bound to some.
            (Fault::InnerTarget(_) | Fault::Tls(_), _) => "",
        }
    }

    fn of_kind(self, kind: ErrorKind) -> &'static str {
        match kind {
            ErrorKind::AuthenticationFailed => self.of_sign("WRONGPASS"),
            ErrorKind::RESP3NotSupported => "6.2 is the oldest that can be used",
            ErrorKind::Parse => match self.server {
                ServerKind::Redis => {
                    "another server listens there: correct cluster.port or cluster.url"
                }
                ServerKind::Sentinel => "another server listens there: correct cluster.url",
            },
            _ => "",
        }
    }
}

/// How much of an answer is shown: the text in protected mode has 700 bytes.
const ANSWER_CHARS: usize = 120;

/// What to change after an error that only nodes of a Redis Cluster answer with.
const OF_REDIS_CLUSTER: [(&str, &str); 7] = [
    (
        "not allowed in cluster mode",
        "a Redis Cluster has database 0 alone: set cluster.database (REDIS_DB) to 0, and another cluster.prefix for each installation",
    ),
    (
        "CLUSTERDOWN",
        "a failover is under way, or slots of the Redis Cluster have no node: run redis-cli --cluster check",
    ),
    ("MOVED", SLOT_MOVES),
    ("ASK", SLOT_MOVES),
    ("TRYAGAIN", SLOT_MOVES),
    ("non local key", SLOT_MOVES),
    (
        "CROSSSLOT",
        "in a Redis Cluster put the name of the queue in braces, as Laravel needs it there: queue={default}",
    ),
];

const SLOT_MOVES: &str =
    "the slot of these keys moves to another node of the Redis Cluster: the link follows it";

/// Whether the server refuses a connection without a password.
pub(super) fn is_password_required(error: &RedisError) -> bool {
    answer(error).is_some_and(|answer| has_sign(&answer, "NOAUTH"))
}

/// Whether an answer has this code as a word: `BUSY` is not found in `BUSYGROUP`.
fn has_sign(answer: &str, sign: &str) -> bool {
    let is_part = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    answer.match_indices(sign).any(|(at, _)| {
        let before = at.checked_sub(1).map(|at| answer.as_bytes()[at]);
        !is_part(before) && !is_part(answer.as_bytes().get(at + sign.len()).copied())
    })
}

/// The first error in the server's answer, with its code.
fn answer(error: &RedisError) -> Option<String> {
    if let Some(errors) = error.clone().into_server_errors() {
        let (_, first) = errors.first()?;
        let details = first.details().unwrap_or_default();
        return Some(format!("{} {details}", first.code()).trim_end().to_owned());
    }
    // Of a refused SELECT the library keeps only the text.
    match error.kind() {
        ErrorKind::Server(_) => error.detail().map(str::to_owned),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
