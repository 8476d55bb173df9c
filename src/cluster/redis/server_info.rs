//! What a Redis says of itself: which process it is, and whether a cluster can live in it.
//!
//! Reads the section `server` of INFO; Valkey says some of it under names of its own.

use super::failure::LinkError;

/// The oldest that can: 6.2 brought ranges of a stream that begin behind an id.
const OLDEST: (u32, u32) = (6, 2);

/// The Redis at the end of a connection.
pub(super) struct ServerInfo<'a> {
    info: &'a str,
}

impl<'a> ServerInfo<'a> {
    /// The answer to INFO.
    pub(super) fn new(info: &'a str) -> Self {
        Self { info }
    }

    fn fact(&self, name: &str) -> Option<&'a str> {
        self.info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    }

    /// Another one after each start.
    pub(super) fn run(&self) -> &'a str {
        self.fact("run_id").unwrap_or_default()
    }

    /// Whether nodes can meet here. What does not say its version is taken as new.
    pub(super) fn check(&self) -> Result<(), LinkError> {
        match self.fact("redis_mode").or(self.fact("server_mode")) {
            Some("cluster") => return Err(LinkError::RedisCluster),
            Some("sentinel") => return Err(LinkError::IsSentinel),
            _ => {}
        }
        let version = self.fact("redis_version").unwrap_or_default();
        let mut parts = version.split('.').map(str::parse);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < OLDEST => {
                Err(LinkError::TooOld(version.to_owned()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LinkError, ServerInfo};

    fn check(info: &str) -> Result<(), LinkError> {
        ServerInfo::new(info).check()
    }

    #[test]
    fn redis_and_valkey_say_which_process_they_are() {
        let redis = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:ab01\r\n";
        let valkey = "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\n\
                      valkey_version:8.0.1\r\nserver_mode:standalone\r\nrun_id:cd23\r\n";
        for (info, run) in [(redis, "ab01"), (valkey, "cd23")] {
            assert_eq!(ServerInfo::new(info).run(), run);
            assert!(check(info).is_ok());
        }
    }

    #[test]
    fn a_redis_cluster_is_refused_whatever_it_calls_itself() {
        for info in ["redis_version:7.0.15\r\nredis_mode:cluster", "server_mode:cluster\r\n"] {
            assert!(matches!(check(info), Err(LinkError::RedisCluster)), "{info:?}");
        }
    }

    #[test]
    fn a_sentinel_is_no_redis() {
        let info = "redis_version:7.0.15\r\nredis_mode:sentinel\r\n";
        assert!(matches!(check(info), Err(LinkError::IsSentinel)));
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
