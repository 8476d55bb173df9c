//! The nodes at an address that may be a Redis Cluster: which one is connected to first, and which one owns a slot.
//!
//! Owns the list of nodes, which is that of the configuration and what a node has named since, and reads where a
//! node sends its clients. The cluster client of the library is not used: after a cut it loses sharded
//! subscriptions without an error.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, RedisResult, ServerErrorKind, Value};

use super::access::RedisAccess;
use super::address::open;
use super::failure::{LinkError, ServerKind};
use crate::config::HostPort;

/// So many nodes are remembered beside those of the configuration: one that answers is enough.
const LEARNED_MAX: usize = 64;

/// The nodes of one address.
pub(super) struct ClusterNodes {
    access: RedisAccess,
    /// Of the configuration.
    seeds: Vec<HostPort>,
    /// The seeds, and what was learned. The one that answered last is the first.
    known: Vec<HostPort>,
}

/// What a node answers about the slot of a key.
pub(super) enum SlotAnswer {
    /// It owns the slot, or there are no slots.
    Here,
    /// Another node does, at this address as it is announced; without a host it is that of the node itself.
    At { slot: u16, host: Option<String>, port: u16 },
}

impl ClusterNodes {
    pub(super) fn new(access: RedisAccess, seeds: Vec<HostPort>) -> Self {
        Self { access, known: seeds.clone(), seeds }
    }

    /// A connection to the first node that accepts one, and its address.
    pub(super) async fn connect(
        &mut self,
        config: &AsyncConnectionConfig,
    ) -> Result<(MultiplexedConnection, HostPort), LinkError> {
        let mut failures: Vec<(&HostPort, RedisError)> = Vec::new();
        for at in 0..self.known.len() {
            let opened = match self.access.client(&self.known[at]) {
                Ok(client) => open(&client, config).await,
                Err(error) => Err(error),
            };
            match opened {
                Ok(connection) => {
                    self.known[..=at].rotate_right(1);
                    return Ok((connection, self.known[0].clone()));
                }
                Err(error) => failures.push((&self.known[at], error)),
            }
        }
        // With one address the log line names it anyway.
        if failures.len() == 1 {
            return Err(LinkError::Redis(failures.remove(0).1));
        }
        let failure = |(node, error): (&HostPort, RedisError)| {
            self.access.attempt_error(&error, ServerKind::Redis, &format!("Redis at {node}"))
        };
        Err(LinkError::no_server(failures.into_iter().map(failure)))
    }

    /// A connection to the node that `from` names as the owner of a slot.
    pub(super) async fn connect_to_owner(
        &self,
        owner: &HostPort,
        (slot, from): (u16, &HostPort),
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, LinkError> {
        let opened = match self.access.client(owner) {
            Ok(client) => open(&client, config).await,
            Err(error) => Err(error),
        };
        opened.map_err(|error| {
            let name = format!(
                "Redis at {owner}, which {from} names as the owner of slot {slot} (cluster.node_addresses, if it has another address from here)"
            );
            LinkError::no_server([self.access.attempt_error(&error, ServerKind::Redis, &name)])
        })
    }

    /// The address of a node as it is reached from here.
    pub(super) fn reachable(&self, host: Option<String>, port: u16, from: &HostPort) -> HostPort {
        match host {
            Some(host) => self.access.redis().node_addresses.reachable(HostPort { host, port }),
            None => HostPort { host: from.host.clone(), port },
        }
    }

    /// The first node did not lead to the one that is needed: the next attempt begins with another.
    pub(super) fn first_was_no_help(&mut self) {
        if !self.known.is_empty() {
            self.known.rotate_left(1);
        }
    }

    /// Reads the other nodes from the one at `from`, so that the next attempt needs none of the configuration.
    pub(super) async fn learn(&mut self, connection: &mut MultiplexedConnection, from: &HostPort) {
        let slots = redis::cmd("CLUSTER").arg("SLOTS").query_async(connection).await;
        let slots: Value = match slots {
            Ok(slots) => slots,
            // An ACL may forbid it; then there are the nodes of the configuration.
            Err(error) => {
                return tracing::debug!(%error, "the nodes of the Redis Cluster cannot be read");
            }
        };
        let mut named = Vec::new();
        for (host, port) in nodes_of(&slots) {
            let node = self.reachable(host, port, from);
            if !named.contains(&node) && named.len() < LEARNED_MAX {
                named.push(node);
            }
        }
        self.known.retain(|node| self.seeds.contains(node) || named.contains(node));
        named.retain(|node| !self.known.contains(node));
        self.known.append(&mut named);
    }
}

/// Asks a node for the slot of a key: any command on it is answered with the address of the owner. A node that is
/// not part of a Redis Cluster owns all keys. While a slot is moved from one node to another, keys of it are on
/// both, so neither is used. A key that does not exist shows that: it would be created on the other one.
pub(super) async fn ask_for_slot(
    connection: &mut MultiplexedConnection,
    key: &str,
) -> Result<SlotAnswer, LinkError> {
    let answer: RedisResult<Value> = redis::cmd("GET").arg(key).query_async(connection).await;
    let Err(error) = answer else { return Ok(SlotAnswer::Here) };
    let redirect = error.redirect_node().and_then(|(address, slot)| {
        let (host, port) = address.rsplit_once(':')?;
        Some((slot, host.to_owned(), port.parse().ok()?))
    });
    match (error.kind(), redirect) {
        (redis::ErrorKind::Server(ServerErrorKind::Ask), Some((slot, ..))) => {
            Err(LinkError::SlotMoving(slot))
        }
        (_, Some((slot, host, port))) => Ok(SlotAnswer::At { slot, host: announced(&host), port }),
        // Any other refusal comes again with the first command that matters, whose failure is reported.
        _ if error.code().is_some_and(|code| code != "CLUSTERDOWN") => Ok(SlotAnswer::Here),
        _ => Err(error.into()),
    }
}

/// A host as nodes announce it: empty, or a question mark for a name that is not configured.
fn announced(host: &str) -> Option<String> {
    Some(host).filter(|host| !host.is_empty() && *host != "?").map(str::to_owned)
}

/// The nodes in an answer to `CLUSTER SLOTS`: ranges of slots, each with its nodes behind the two ends.
fn nodes_of(slots: &Value) -> Vec<(Option<String>, u16)> {
    let ranges = list(slots).iter().flat_map(|range| list(range).iter().skip(2));
    let node = |node: &Value| {
        let [host, Value::Int(port), ..] = list(node) else { return None };
        let host = match host {
            Value::BulkString(host) => announced(std::str::from_utf8(host).ok()?),
            Value::SimpleString(host) => announced(host),
            _ => None,
        };
        Some((host, u16::try_from(*port).ok()?))
    };
    ranges.filter_map(node).collect()
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::nodes_of;

    #[test]
    fn nodes_are_read_as_far_as_they_have_an_address() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let node = |host: Value, port: i64| Value::Array(vec![host, Value::Int(port), text("id")]);
        let range = |nodes: Vec<Value>| {
            Value::Array([vec![Value::Int(0), Value::Int(16_383)], nodes].concat())
        };
        let slots = Value::Array(vec![
            range(vec![node(text("10.0.0.1"), 6379), node(text("fd00::1"), 6380)]),
            range(vec![node(Value::Nil, 7001), node(text("?"), 7002), node(text(""), 0x1_0000)]),
            Value::Nil,
        ]);
        let named = |host: &str, port| (Some(host.to_owned()), port);
        let all = [named("10.0.0.1", 6379), named("fd00::1", 6380), (None, 7001), (None, 7002)];
        assert_eq!(nodes_of(&slots), all);
        assert_eq!(nodes_of(&text("OK")), []);
    }
}
