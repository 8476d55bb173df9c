//! The fixtures of the integration suites: a whole server on a free port, clients that store what
//! they receive, a back end that signs.
//!
//! Each suite is a crate of its own, and cargo has no crate that only they share: a library of the
//! workspace would need a path to the built program, which cargo gives to the suites of the package
//! alone (`CARGO_BIN_EXE_resound`). They include this folder by its path instead.
//!
//! Nothing here sleeps: every wait is for an event and has a deadline.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each suite links what it needs of this"
)]

pub mod backend;
pub mod cluster;
pub mod collector;
pub mod fake_redis;
pub mod folder;
pub mod laravel;
pub mod program;
pub mod redis;
pub mod redis_access;
pub mod redis_cluster;
pub mod server;
pub mod socket;
pub mod successor;
pub mod tls;
pub mod unwatched;
pub mod viewer;
pub mod wire;

use std::future::Future;
use std::time::Duration;

pub use backend::{Answer, Backend};
pub use cluster::TestCluster;
pub use folder::Folder;
pub use program::Program;
pub use redis::TestRedis;
pub use redis_cluster::TestRedisCluster;
pub use server::TestServer;
pub use socket::TestSocket;
pub use viewer::Viewer;

/// Longer than anything takes on two cores with ten compilers beside it. Time-outs that must not end a wait are 600 s.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for an event; panics with `what` when it does not come.
pub async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, event).await {
        Ok(value) => value,
        Err(_) => panic!("waited {DEADLINE:?} in vain for {what}"),
    }
}

/// Asks again, as fast as the other tasks allow, until the answer is yes.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
