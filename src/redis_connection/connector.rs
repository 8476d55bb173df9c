//! Connects to the Redis that is configured: directly, through sentinels, or to the node of a Redis Cluster that
//! owns a key.
//!
//! Owns the way from the address of the configuration to a connection. How sentinels and the nodes of a Redis
//! Cluster are asked is theirs.

use std::fmt;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, ConnectionAddr, PushInfo, RedisError};

use super::access::RedisAccess;
use super::address::{open, redis_client, with_timeout};
use super::cluster_nodes::{ClusterNodes, SlotAnswer, ask_for_slot};
use super::failure::{FailureContext, LinkError, LinkPhase, RedisTransport, ServerKind};
use super::key_names::KeyNames;
use super::sentinels::Sentinels;
use super::server_info::ServerInfo;
use crate::config::{HostPort, RedisAddress, RedisConfig};

/// Nodes of a Redis Cluster that are followed in one attempt. Two suffice unless slots are moved meanwhile.
const REDIRECTS_MAX: usize = 5;

/// Makes the connections of a link, one after the other.
pub(crate) struct Connector {
    access: RedisAccess,
    route: Route,
    /// What a Redis Cluster needs; without seeds on another route.
    nodes: ClusterNodes,
    /// The server of the last connection, if the configuration does not name it alone.
    current: Option<HostPort>,
}

enum Route {
    Unix(Box<Client>),
    Nodes,
    Sentinels(Box<Sentinels>),
}

impl Connector {
    /// A connector that `[cluster]` configures, for a user whose keys and topics begin with `prefix`.
    pub(crate) fn new(redis: &RedisConfig, prefix: &str) -> Result<Self, RedisError> {
        Self::named(redis, prefix, KeyNames::of_cluster(redis))
    }

    /// The same with the keys that configure it.
    pub(crate) fn named(
        redis: &RedisConfig,
        prefix: &str,
        keys: KeyNames,
    ) -> Result<Self, RedisError> {
        // Fails if the process has a provider already, which is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let access = RedisAccess::new(redis, prefix, keys);
        let (route, seeds) = match &redis.address {
            RedisAddress::Tcp { host, port, .. } => {
                (Route::Nodes, vec![HostPort { host: host.clone(), port: *port }])
            }
            RedisAddress::Seeds { nodes, .. } => (Route::Nodes, nodes.clone()),
            RedisAddress::Unix(path) => {
                let client = redis_client(redis, ConnectionAddr::Unix(path.clone()))?;
                (Route::Unix(Box::new(client)), Vec::new())
            }
            RedisAddress::Sentinel { sentinels, master, .. } => {
                let sentinels = Sentinels::new(access.clone(), sentinels, master);
                (Route::Sentinels(Box::new(sentinels)), Vec::new())
            }
        };
        let nodes = ClusterNodes::new(access.clone(), seeds);
        // A CA that cannot be used is found now.
        if let Route::Nodes = route {
            access.client(&HostPort { host: "localhost".to_owned(), port: 1 })?;
        }
        Ok(Self { access, route, nodes, current: None })
    }

    /// Connects to the Redis, of a Redis Cluster to any node, with `timeout` for each step. Pushes of the connection
    /// go to `push_sender`.
    pub(crate) async fn connect(
        &mut self,
        timeout: Duration,
        push_sender: impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
    ) -> Result<MultiplexedConnection, LinkError> {
        let config = with_timeout(timeout).set_push_sender(push_sender);
        self.current = None;
        let (connection, server) = match &mut self.route {
            Route::Unix(client) => return Ok(open(client, &config).await?),
            Route::Nodes => self.nodes.connect(&config).await?,
            Route::Sentinels(sentinels) => sentinels.connect(&config, timeout).await?,
        };
        self.current = Some(server);
        Ok(connection)
    }

    /// Connects to the Redis, of a Redis Cluster to the node that owns the slot of `key`. Each connection that is tried
    /// gets pushes of its own.
    pub(crate) async fn connect_to_owner<P>(
        &mut self,
        key: &str,
        timeout: Duration,
        mut pushes: impl FnMut() -> P,
    ) -> Result<MultiplexedConnection, LinkError>
    where
        P: Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
    {
        let connection = self.connect(timeout, pushes()).await?;
        let followed = self.follow(connection, key, timeout, pushes).await;
        if followed.is_err() {
            // What it has seen of the cluster may be old, or it is cut off from the others.
            self.nodes.first_was_no_help();
        }
        followed
    }

    /// The same, with what the server reports of itself. Only the nodes of a Redis Cluster are asked for the slot.
    pub(crate) async fn connect_introduced<P>(
        &mut self,
        key: &str,
        timeout: Duration,
        mut pushes: impl FnMut() -> P,
    ) -> Result<(MultiplexedConnection, ServerInfo), LinkError>
    where
        P: Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
    {
        let mut connection = self.connect(timeout, pushes()).await?;
        let server = ServerInfo::ask(&mut connection).await?;
        if !server.is_cluster() {
            return Ok((connection, server));
        }
        let followed = self.follow(connection, key, timeout, pushes).await;
        if followed.is_err() {
            self.nodes.first_was_no_help();
        }
        let mut connection = followed?;
        let server = ServerInfo::ask(&mut connection).await?;
        Ok((connection, server))
    }

    async fn follow<P>(
        &mut self,
        mut connection: MultiplexedConnection,
        key: &str,
        timeout: Duration,
        mut pushes: impl FnMut() -> P,
    ) -> Result<MultiplexedConnection, LinkError>
    where
        P: Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
    {
        for _ in 0..REDIRECTS_MAX {
            let answer = ask_for_slot(&mut connection, key).await?;
            let SlotAnswer::At { slot, host, port } = answer else { return Ok(connection) };
            self.learn_nodes(&mut connection).await;
            let from = self.server();
            let owner = self.nodes.reachable(host, port, &from);
            let config = with_timeout(timeout).set_push_sender(pushes());
            connection = self.nodes.connect_to_owner(&owner, (slot, &from), &config).await?;
            self.current = Some(owner);
        }
        Err(LinkError::NoAgreement)
    }

    /// Remembers the nodes of the Redis Cluster at the end of a connection, for the next one.
    pub(crate) async fn learn_nodes(&mut self, connection: &mut MultiplexedConnection) {
        let from = self.server();
        self.nodes.learn(connection, &from).await;
    }

    /// Whether nodes can use the server; of several that are configured, only nodes of a Redis Cluster have the
    /// same data.
    pub(crate) fn check(&self, server: &ServerInfo) -> Result<(), LinkError> {
        server.check()?;
        self.check_seeds(server)
    }

    /// Of several servers that are configured, only nodes of a Redis Cluster are one.
    pub(crate) fn check_seeds(&self, server: &ServerInfo) -> Result<(), LinkError> {
        let has_seeds = matches!(self.access.redis().address, RedisAddress::Seeds { .. });
        match has_seeds && !server.is_cluster() {
            true => Err(LinkError::SeveralServers(self.server())),
            false => Ok(()),
        }
    }

    /// The server of the last connection; this machine for a unix socket.
    fn server(&self) -> HostPort {
        let here = || HostPort { host: "localhost".to_owned(), port: 6379 };
        self.current.clone().unwrap_or_else(here)
    }

    /// Why a link failed, and what to change.
    pub(crate) fn explain(&self, error: &LinkError, phase: LinkPhase) -> String {
        let address = &self.access.redis().address;
        let transport = match address {
            RedisAddress::Unix(_) => RedisTransport::Unix,
            _ => RedisTransport::of_tcp(address.has_tls()),
        };
        self.access.keys().name(match error {
            LinkError::Redis(error) => {
                let user = self.access.user();
                FailureContext { server: ServerKind::Redis, user, transport, phase }.explain(error)
            }
            other => other.to_string(),
        })
    }
}

/// The configured address without its credentials, and the current server if it is another one.
impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = &self.access.redis().address;
        fmt::Display::fmt(address, f)?;
        let is_configured = |current: &HostPort| matches!(address, RedisAddress::Tcp { host, port, .. } if *host == current.host && *port == current.port);
        match &self.current {
            Some(current) if !is_configured(current) => write!(f, " (at {current})"),
            _ => Ok(()),
        }
    }
}
