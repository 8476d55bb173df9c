//! What a server reports of itself in the sections `server` and `replication` of INFO: its process, its version and
//! role, and whether a cluster can use it. Valkey has names of its own for some of it.

use redis::aio::MultiplexedConnection;
use redis::{InfoDict, RedisError};

use super::failure::LinkError;
use super::key_space::KeySpace;

/// The oldest version that can be used: 6.2 brought ranges of a stream that begin behind an id.
const OLDEST: (u32, u32) = (6, 2);

/// The same of a Redis Cluster: 7.0 brought topics that belong to a slot. In an older one each event goes to all nodes.
const OLDEST_CLUSTER: (u32, u32) = (7, 0);

/// Which software is at the end of a link, and what it is among its replicas, as it was when the link was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisPeer {
    /// `redis`, `valkey`, or what else calls itself a `server_name`.
    pub software: String,
    /// Its own version.
    pub version: String,
    /// `primary` or `replica`; `None` if it does not report one.
    pub role: Option<String>,
    /// Replicas that are connected to it.
    pub replicas: u64,
}

/// The server at the end of a connection.
pub(crate) struct ServerInfo {
    info: InfoDict,
}

impl ServerInfo {
    /// The answer to INFO.
    pub(crate) fn new(info: InfoDict) -> Self {
        Self { info }
    }

    /// Asks the server at the end of a connection.
    pub(crate) async fn ask(connection: &mut MultiplexedConnection) -> Result<Self, RedisError> {
        Ok(Self::new(redis::cmd("INFO").arg("server").query_async(connection).await?))
    }

    /// Identifies the process: changes with each start.
    pub(crate) fn run(&self) -> String {
        self.info.get("run_id").unwrap_or_default()
    }

    /// Its name and version, with what its section `replication` reports.
    pub(crate) fn peer(&self, replication: &InfoDict) -> RedisPeer {
        let named: Option<String> = self.info.get("server_name");
        let software = named.unwrap_or_else(|| "redis".to_owned()).to_lowercase();
        let own: Option<String> = self.info.get(&format!("{software}_version"));
        let version = own.or_else(|| self.info.get("redis_version")).unwrap_or_default();
        let role: Option<String> = replication.get("role");
        let role = role.map(|role| match role.as_str() {
            "master" => "primary".to_owned(),
            "slave" => "replica".to_owned(),
            _ => role,
        });
        let replicas = replication.get("connected_slaves").unwrap_or_default();
        RedisPeer { software, version, role, replicas }
    }

    /// Whether it is a sentinel, which accepts subscriptions and sends nothing that other programs publish.
    pub(crate) fn is_sentinel(&self) -> bool {
        self.mode().as_deref() == Some("sentinel")
    }

    /// Whether it is a node of a Redis Cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        self.mode().as_deref() == Some("cluster")
    }

    /// Redis and Valkey have different names for it.
    fn mode(&self) -> Option<String> {
        self.info.get("redis_mode").or_else(|| self.info.get("server_mode"))
    }

    /// What the names of a cluster with this prefix are there.
    pub(crate) fn names(&self, prefix: &str) -> KeySpace {
        match self.is_cluster() {
            true => KeySpace::of_redis_cluster(prefix),
            false => KeySpace::of_one_server(prefix),
        }
    }

    /// Whether nodes can use it. A server without a version counts as new.
    pub(crate) fn check(&self) -> Result<(), LinkError> {
        if self.is_sentinel() {
            return Err(LinkError::IsSentinel);
        }
        let oldest = if self.is_cluster() { OLDEST_CLUSTER } else { OLDEST };
        let version: String = self.info.get("redis_version").unwrap_or_default();
        let mut parts = version.split('.').map(str::parse);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < oldest => {
                Err(match self.is_cluster() {
                    true => LinkError::ClusterTooOld(version),
                    false => LinkError::TooOld(version),
                })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{InfoDict, LinkError, RedisPeer, ServerInfo};

    fn check(info: &str) -> Result<(), LinkError> {
        ServerInfo::new(InfoDict::new(info)).check()
    }

    #[test]
    fn redis_and_valkey_report_their_process() {
        let redis = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:ab01\r\n";
        let valkey = "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\n\
                      valkey_version:8.0.1\r\nserver_mode:standalone\r\nrun_id:cd23\r\n";
        for (info, run) in [(redis, "ab01"), (valkey, "cd23")] {
            assert_eq!(ServerInfo::new(InfoDict::new(info)).run(), run);
            assert!(check(info).is_ok());
        }
    }

    #[test]
    fn software_version_and_role_are_those_of_the_server() {
        let peer = |server: &str, replication: &str| {
            let server = ServerInfo::new(InfoDict::new(server));
            let RedisPeer { software, version, role, replicas } =
                server.peer(&InfoDict::new(replication));
            (software, version, role.unwrap_or_default(), replicas)
        };
        let redis = peer("redis_version:7.0.15\r\n", "role:master\r\nconnected_slaves:2\r\n");
        assert_eq!(redis, ("redis".to_owned(), "7.0.15".to_owned(), "primary".to_owned(), 2));
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n";
        let valkey = peer(valkey, "role:slave\r\n");
        assert_eq!(valkey, ("valkey".to_owned(), "8.0.1".to_owned(), "replica".to_owned(), 0));
        assert_eq!(peer("", ""), ("redis".to_owned(), String::new(), String::new(), 0));
    }

    #[test]
    fn a_redis_cluster_is_recognized_and_needs_topics_that_belong_to_a_slot() {
        for info in ["redis_version:7.0.15\r\nredis_mode:cluster", "server_mode:cluster\r\n"] {
            assert!(ServerInfo::new(InfoDict::new(info)).is_cluster(), "{info:?}");
            assert!(check(info).is_ok(), "{info:?}");
        }
        let refused = check("redis_version:6.2.14\r\nredis_mode:cluster").unwrap_err().to_string();
        assert!(refused.contains("6.2.14") && refused.contains("7.0"), "{refused}");
        assert!(!ServerInfo::new(InfoDict::new("redis_mode:standalone\r\n")).is_cluster());
    }

    #[test]
    fn a_sentinel_is_no_redis() {
        for mode in ["redis_mode", "server_mode"] {
            let info = format!("redis_version:7.2.4\r\n{mode}:sentinel\r\n");
            assert!(matches!(check(&info), Err(LinkError::IsSentinel)), "{mode}");
        }
    }

    #[test]
    fn a_redis_older_than_6_2_is_refused_by_its_version() {
        for version in ["6.0.20", "6.1", "5.0.7"] {
            let refused = check(&format!("redis_version:{version}\r\n")).unwrap_err().to_string();
            assert!(refused.contains(version) && refused.contains("6.2"), "{refused}");
        }
        for version in ["6.2.0", "7.0.15", "10.0.0", "255.255.255", "unstable", ""] {
            assert!(check(&format!("redis_version:{version}\r\n")).is_ok(), "{version:?}");
        }
    }
}
