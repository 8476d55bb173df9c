//! A cluster of real processes with everything happening at once and everything failing in turn, judged by an oracle that
//! knows what each client must have seen.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "all of this crate is a test, the functions around it too"
)]

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../cluster_simulation/random.rs"]
mod random;

mod oracle;

mod checkpoint;
mod client;
mod faults;
mod figures;
mod lane;
mod latency;
mod nodes;
mod plan;
mod run;
mod scene;
mod seat;
mod settings;
mod sink;
mod table;

use harness::TestRedis;
use harness::redis::is_left_out;
use settings::Settings;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promises_hold_over_pubsub_on_a_redis_that_forgets() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    run::play("pub/sub", Settings::of_environment(), redis, "pubsub").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promises_hold_over_streams_on_a_redis_that_keeps_its_data() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::persistent().await;
    run::play("streams", Settings::of_environment(), redis, "streams").await;
}
