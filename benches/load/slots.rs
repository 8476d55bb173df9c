//! What an operator and a failure do to a Redis Cluster: slots that move from one master to another, a master that
//! dies.
//!
//! Owns how that is done with the commands of Redis. What becomes of nodes and events is left to the scenario.

use std::ops::Range;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use redis::Connection;

use crate::redis::Redis;
use crate::redis_servers::{MASTERS, cluster, eventually};
use crate::traffic;

/// Of the keys of nodes with one partition.
const KEY: &str = "resound:{0}";

/// A master and its slot.
pub(crate) struct Owner {
    pub(crate) at: usize,
    pub(crate) slot: u16,
}

impl Owner {
    /// The master that has the keys of the nodes.
    pub(crate) fn find(servers: &[Redis]) -> anyhow::Result<Self> {
        for (at, server) in servers[..MASTERS].iter().enumerate() {
            let mut connection = traffic::connect(server)?;
            if redis::cmd("EXISTS").arg(KEY).exec(&mut connection).is_ok() {
                let slot = cluster("KEYSLOT").arg(KEY).query(&mut connection)?;
                return Ok(Self { at, slot });
            }
        }
        bail!("no master owns the slot of {KEY}")
    }
}

/// Moves slots as `redis-cli --cluster reshard` does, key by key; how long it takes.
pub(crate) fn move_slots(slots: Range<u16>, from: &Redis, to: &Redis) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let (mut source, mut target) = (traffic::connect(from)?, traffic::connect(to)?);
    let from_id: String = cluster("MYID").query(&mut source)?;
    let to_id: String = cluster("MYID").query(&mut target)?;
    for slot in slots {
        let set = |state: &str, id: &str, connection: &mut Connection| {
            let mut set = cluster("SETSLOT");
            set.arg(slot).arg(state).arg(id).exec(connection).context(format!("{state} of {slot}"))
        };
        set("IMPORTING", &from_id, &mut target)?;
        set("MIGRATING", &to_id, &mut source)?;
        loop {
            let mut ask = cluster("GETKEYSINSLOT");
            let keys: Vec<String> = ask.arg(slot).arg(10).query(&mut source)?;
            if keys.is_empty() {
                break;
            }
            let mut migrate = redis::cmd("MIGRATE");
            migrate.arg("127.0.0.1").arg(to.port()).arg("").arg(0).arg(5000).arg("KEYS");
            migrate.arg(keys).exec(&mut source)?;
        }
        set("NODE", &to_id, &mut target)?;
        set("NODE", &to_id, &mut source)?;
    }
    Ok(started.elapsed())
}

/// Ends a master as a crash of its machine would; how long its replica takes to be the master.
pub(crate) fn fail_over(master: &Redis, replica: &Redis) -> anyhow::Result<Duration> {
    let mut connection = traffic::connect(replica)?;
    let id = master.id().to_string();
    let ended = Command::new("kill").args(["-KILL", &id]).status()?;
    ensure!(ended.success(), "kill -KILL {id}");
    eventually("the failover", || {
        let role: String = redis::cmd("INFO").arg("replication").query(&mut connection)?;
        let state: String = cluster("INFO").query(&mut connection)?;
        Ok(role.contains("role:master") && state.contains("cluster_state:ok"))
    })
}
