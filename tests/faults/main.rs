//! The fault matrix: each fault is injected for real while numbered events are under way, and one table at the end says what it
//! cost: lost, announced, twice, out of order, seconds until all was well again, and the peak of the process' memory.
//!
//! A publisher records what was answered 200 (`publisher`), subscribers record what arrives (`subscriber`), a judge compares both
//! (`account`), and a row asserts the most that may be lost. A row that has not seen its fault happen fails: it is void.
//! The suite runs in namespaces of its own, with the hosts and links of the suite `network`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "all of this crate is a test, the functions around it too"
)]

#[path = "../harness/mod.rs"]
mod harness;

#[path = "../network/host.rs"]
#[allow(dead_code, reason = "shared with the suite network, which measures packets, too")]
mod host;
#[path = "../network/line.rs"]
#[allow(dead_code, reason = "no link here has a shape")]
mod line;
#[path = "../network/link.rs"]
#[allow(dead_code, reason = "no link here has a shape")]
mod link;
#[path = "../network/sandbox.rs"]
mod sandbox;
#[path = "../network/switch.rs"]
#[allow(dead_code, reason = "no link here has a shape")]
mod switch;

mod account;
mod envelopes;
mod judge_cases;
mod masses;
mod memory;
mod node;
mod nodes_gone;
mod peers;
mod publisher;
mod redis_away;
mod relay;
mod resources;
mod sheet;
mod stage;
mod subscriber;
mod upgrades;

use std::future::Future;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// At the same time: most of them wait for the end of a fault most of the time.
const ROWS_AT_ONCE: usize = 6;

/// Names of functions and the tests they are.
macro_rules! trials {
    ($($module:ident::$test:ident),* $(,)?) => {
        vec![$(trial(concat!(stringify!($module), "::", stringify!($test)), $module::$test)),*]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    if !arguments.list {
        sandbox::enter();
    }
    arguments.test_threads.get_or_insert(ROWS_AT_ONCE);
    // The longest first.
    let mut trials = trials![
        nodes_gone::row_15_a_node_is_starved,
        nodes_gone::row_17_a_crowd_comes_back_after_a_kill,
        envelopes::row_29_garbage_on_the_topics,
        masses::row_23_very_many_channels,
        resources::row_11_clocks_that_differ_and_jump,
        masses::row_25_a_webhook_endpoint_that_fails_and_hangs,
        nodes_gone::row_03_a_node_is_killed,
        nodes_gone::row_03_a_node_stands_still,
        nodes_gone::row_04_sigterm,
        upgrades::row_30_an_upgrade,
        upgrades::row_30_an_upgrade_to_another_build,
        redis_away::row_08_a_slot_moves,
        memory::row_14_the_kernel_refuses_memory,
        redis_away::row_07_redis_stands_still,
        redis_away::row_09_a_node_is_cut_off_from_redis,
        redis_away::row_05_redis_is_down_at_the_start,
        redis_away::row_06_redis_is_killed_and_comes_back_empty,
        redis_away::row_06_redis_is_killed_and_comes_back_with_its_data,
        redis_away::row_06_redis_is_full,
        redis_away::row_07_redis_is_slow,
        redis_away::row_08_sentinel_fails_over,
        redis_away::row_10_redis_kills_the_links,
        redis_away::row_10_redis_cuts_a_link_whose_output_waits,
        peers::row_01_readers_that_stop,
        peers::row_01_writers_that_trickle,
        peers::row_02_clients_that_vanish,
        peers::row_18_to_22_frames_that_no_client_may_send,
        resources::row_12_a_disk_that_is_full,
        resources::row_12_a_log_that_is_not_read,
        resources::row_13_descriptors_run_out,
        resources::row_13_no_descriptor_is_left,
        memory::row_14_memory_runs_out,
        masses::row_24_very_many_subscriptions_of_one_socket,
        envelopes::row_27_links_that_break_again_and_again,
        envelopes::row_28_a_publisher_behind_a_load_balancer,
        envelopes::row_29_messages_of_another_version,
        judge_cases::what_happened_is_what_is_counted,
        judge_cases::many_visits_add_up,
    ];
    let names: Vec<String> = trials.iter().map(|trial| trial.name().to_owned()).collect();
    trials.push(Trial::test("sheet::each_row_has_a_test", move || {
        sheet::is_complete(&names);
        Ok(())
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    sheet::print();
    conclusion.exit_code()
}

/// A row on a thread and a runtime of its own: a thread is in one namespace at a time.
fn trial<F: Future<Output = ()> + 'static>(name: &str, row: fn() -> F) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(row());
        Ok(())
    })
}
