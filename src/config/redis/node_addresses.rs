//! `cluster.node_addresses`: where nodes of a Redis Cluster are reached that announce another address.
//!
//! Owns the form of an entry. Which node announces what is seen by the link.

use super::address::host;
use crate::app::{NodeAddress, NodeAddresses};
use crate::config::error::ConfigError;
use crate::config::values::Setting;

/// Reads the list.
pub(in crate::config) fn node_addresses(
    setting: &Setting<'_>,
) -> Result<NodeAddresses, ConfigError> {
    let entry = |text: String| {
        entry(&text).ok_or_else(|| {
            setting.refuse(
                format_args!("{text:?}"),
                "an entry must be announced[:port]=reachable[:port], such as \
                 10.0.0.5:6379=redis.example:7001, both with a port or both without",
            )
        })
    };
    Ok(NodeAddresses(setting.texts().into_iter().map(entry).collect::<Result<_, _>>()?))
}

fn entry(text: &str) -> Option<NodeAddress> {
    let (from, to) = text.split_once('=')?;
    let (announced, announced_port) = end(from.trim())?;
    let (host, port) = end(to.trim())?;
    (announced_port.is_some() == port.is_some()).then_some(NodeAddress {
        announced,
        announced_port,
        host,
        port,
    })
}

/// A host, with a port or without. An IPv6 address with a port stands in brackets.
fn end(text: &str) -> Option<(String, Option<u16>)> {
    if let Some(name) = host(text) {
        return Some((name, None));
    }
    let (name, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    Some((host(name)?, Some(port)))
}

#[cfg(test)]
mod tests {
    use super::entry;

    #[test]
    fn both_sides_have_a_port_or_neither() {
        let shown = |text: &str| {
            let entry = entry(text)?;
            Some((entry.announced, entry.announced_port, entry.host, entry.port))
        };
        let texts = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let (from, to) = texts("10.0.0.5", "redis.example");
        assert_eq!(
            shown("10.0.0.5:6379 = redis.example:7001"),
            Some((from.clone(), Some(6379), to.clone(), Some(7001)))
        );
        assert_eq!(shown("10.0.0.5=redis.example"), Some((from, None, to, None)));
        let (from, to) = texts("fd00::1", "::1");
        assert_eq!(shown("[fd00::1]:6379=[::1]:7001"), Some((from, Some(6379), to, Some(7001))));
        for other in ["", "a", "a=", "=b", "a:1=b", "a=b:1", "a:0=b:1", "a:x=b:1", "a b=c"] {
            assert_eq!(shown(other), None, "{other}");
        }
    }
}
