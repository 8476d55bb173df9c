//! Why Redis cannot be used, in one sentence: who refused, the cause, the key to change.
//!
//! Pure. Libraries pass on what a server or the kernel said; what an operator needs is which setting
//! does not fit it.

use redis::{ErrorKind, RedisError};

use super::Broken;
use crate::config::RedisAddress;
use crate::network_fault::NetworkFault;

/// The sentence for the log.
pub(super) fn explain(broken: &Broken, address: &RedisAddress) -> String {
    let Broken::Redis(error) = broken else { return broken.to_string() };
    match remedy(error, address) {
        Some(remedy) => remedy,
        None => error.to_string(),
    }
}

fn remedy(error: &RedisError, address: &RedisAddress) -> Option<String> {
    if let Some(said) = of_server(error, address) {
        return Some(said);
    }
    let has_tls = address.has_tls();
    if error.is_timeout() {
        let hint = if has_tls {
            "; if it has no TLS, write redis:// (or cluster.host without tls://)"
        } else {
            ""
        };
        return Some(format!(
            "no answer came within cluster.timeout_ms: check cluster.host, cluster.port and firewalls{hint}"
        ));
    }
    let fault = NetworkFault::of(error)?;
    let change = match fault {
        NetworkFault::Refused => "is Redis running there? Check cluster.host and cluster.port",
        NetworkFault::UnknownHost | NetworkFault::Unreachable => "check cluster.host",
        NetworkFault::Closed if !has_tls => {
            "if that Redis speaks TLS only, write rediss:// (or cluster.host = \"tls://…\")"
        }
        NetworkFault::Closed | NetworkFault::TimedOut => "check cluster.host and cluster.port",
        NetworkFault::NotTls => "write redis:// (or cluster.host without tls://)",
        NetworkFault::UnknownIssuer => {
            "name the PEM file of the authority that issued it in cluster.ca_file"
        }
        NetworkFault::CaCertificate => {
            "give Redis a certificate that this authority has issued, and name the authority's in cluster.ca_file"
        }
        NetworkFault::Expired => "renew it, or set the clock of this machine",
        NetworkFault::WrongName => "write one of its names in cluster.url or cluster.host",
        NetworkFault::Tls(_) => "check the TLS settings of Redis and cluster.ca_file",
    };
    Some(format!("{fault}: {change}"))
}

/// What a server answered.
fn of_server(error: &RedisError, address: &RedisAddress) -> Option<String> {
    let detail = error.detail().unwrap_or_default();
    let text = error.to_string();
    let said = |part: &str| text.contains(part);
    let change = match (error.kind(), error.code().unwrap_or_default()) {
        (ErrorKind::MasterNameNotFoundBySentinel, _) => {
            return Some(format!(
                "no sentinel knows the master of {address}: check its name in cluster.url, and whether the sentinels ask for a password (cluster.sentinel_password)"
            ));
        }
        (ErrorKind::AuthenticationFailed, _) | (_, "WRONGPASS") => {
            "Redis refuses the user name or the password: check cluster.username and cluster.password (REDIS_USERNAME, REDIS_PASSWORD)"
        }
        (_, "NOAUTH") => "Redis asks for a password: set cluster.password (REDIS_PASSWORD)",
        (_, "NOPERM") => {
            return Some(format!(
                "the user of Redis may not do that ({detail}): the README lists the commands and keys that nodes need"
            ));
        }
        (_, "READONLY") => {
            "it is a replica, which takes no writes: name the primary in cluster.host"
        }
        (_, "MASTERDOWN") => "it is a replica whose primary is away",
        (_, "LOADING") | (_, "BUSYLOADING") => "Redis is still loading its data: it is tried again",
        (_, "MISCONF") => "Redis takes no writes, since it cannot save to disk: its log says why",
        (_, "OOM") => "Redis has no memory left (maxmemory): raise it, or remove keys of others",
        (_, "DENIED") => {
            "Redis is in protected mode and takes connections of its own machine only: give it a password or set its bind and protected-mode"
        }
        (_, "MOVED" | "CROSSSLOT" | "CLUSTERDOWN") => {
            "it is a Redis Cluster, which is not supported: use one Redis or Valkey, or Sentinel"
        }
        _ if said("DB index is out of range") => {
            "Redis has fewer databases than that: lower cluster.database (REDIS_DB), or raise `databases` there"
        }
        _ if said("max number of clients") => {
            "Redis has all the clients it may have: raise its maxclients"
        }
        (ErrorKind::Parse, _) => {
            "what answers there is no Redis: check cluster.host and cluster.port"
        }
        _ => return None,
    };
    Some(change.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Broken, RedisAddress, RedisError, explain};

    fn check(error: RedisError, tls: bool, said: &str) {
        let address = RedisAddress::Tcp { host: "redis.example".to_owned(), port: 6379, tls };
        assert_eq!(explain(&Broken::Redis(error), &address), said);
    }

    fn of_io(kind: io::ErrorKind) -> RedisError {
        io::Error::from(kind).into()
    }

    fn of_server(code: &str, detail: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some(detail.to_owned()))
    }

    #[test]
    fn each_cause_names_the_key_to_change() {
        check(
            of_io(io::ErrorKind::ConnectionRefused),
            false,
            "nothing listens on that port: is Redis running there? Check cluster.host and cluster.port",
        );
        check(
            of_io(io::ErrorKind::ConnectionReset),
            false,
            "the peer closed the connection: if that Redis speaks TLS only, write rediss:// (or cluster.host = \"tls://…\")",
        );
        check(
            of_io(io::ErrorKind::TimedOut),
            true,
            "no answer came within cluster.timeout_ms: check cluster.host, cluster.port and firewalls; if it has no TLS, write redis:// (or cluster.host without tls://)",
        );
        check(
            of_server("NOAUTH", "Authentication required."),
            false,
            "Redis asks for a password: set cluster.password (REDIS_PASSWORD)",
        );
        check(
            of_server("WRONGPASS", "invalid username-password pair or user is disabled."),
            false,
            "Redis refuses the user name or the password: check cluster.username and cluster.password (REDIS_USERNAME, REDIS_PASSWORD)",
        );
        check(
            of_server("NOPERM", "User node has no permissions to run the 'info' command"),
            false,
            "the user of Redis may not do that (User node has no permissions to run the 'info' command): the README lists the commands and keys that nodes need",
        );
        check(
            of_server("ERR", "DB index is out of range"),
            false,
            "Redis has fewer databases than that: lower cluster.database (REDIS_DB), or raise `databases` there",
        );
        check(
            of_server("READONLY", "You can't write against a read only replica."),
            false,
            "it is a replica, which takes no writes: name the primary in cluster.host",
        );
    }
}
