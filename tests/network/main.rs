//! Server, clients and Redis as hosts of a network: MTU 1500, links that are long, narrow or cut.
//!
//! Each host is a network namespace, so TCP sends segments of 1500 bytes, and its buffers, windows
//! and retransmissions are those of two machines. Loopback carries 64 KB in a segment, has no
//! latency, loses nothing and answers for a process that is gone.
//!
//! The suite starts itself again in namespaces ([`sandbox`]); where they are not permitted it fails
//! and names what to change. A [`switch::Switch`] is the network of one test.

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

#[path = "../harness/mod.rs"]
mod harness;

mod answers;
mod drain;
mod fan_out;
mod host;
mod line;
mod link;
mod redis_link;
mod requests;
mod sandbox;
mod segments;
mod slow;
mod vanished;
mod switch;

use std::future::Future;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// At the same time: most wait for a slow link most of the time.
const TESTS_AT_ONCE: usize = 6;

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
    arguments.test_threads.get_or_insert(TESTS_AT_ONCE);
    let trials = trials![
        answers::two_rosters_of_600_kb_arrive_5_ms_away,
        answers::ten_rosters_of_600_kb_arrive,
        answers::rosters_arrive_50_ms_away,
        answers::rosters_arrive_over_a_narrow_link,
        answers::fifteen_cached_events_of_100_kb_arrive,
        answers::cached_events_arrive_50_ms_away,
        answers::cached_events_arrive_over_a_narrow_link,
        drain::every_socket_100_ms_away_is_sent_away_and_no_publish_is_refused,
        drain::a_client_whose_link_is_cut_does_not_prolong_the_drain,
        fan_out::events_of_any_size_arrive_whole_beside_a_narrow_link,
        fan_out::a_narrow_link_is_closed_only_when_its_outbox_is_full,
        fan_out::unreachable_subscribers_do_not_delay_the_others,
        fan_out::events_arrive_whole_over_a_link_that_loses_packets,
        redis_link::a_roster_and_a_burst_of_events_cross_whole,
        redis_link::a_roster_that_takes_longer_than_the_time_out_crosses,
        redis_link::a_node_whose_link_is_cut_serves_its_sockets_and_reports_the_gap,
        redis_link::a_node_whose_link_was_cut_reads_from_streams_what_it_missed,
        redis_link::a_node_cut_off_for_longer_than_its_lease_leaves_and_comes_back,
        requests::a_body_that_keeps_coming_outlasts_its_time_out,
        requests::a_body_whose_link_is_cut_and_healed_arrives,
        segments::a_link_carries_segments_and_has_its_delay_and_its_rate,
        segments::a_handshake_with_8_kb_of_cookies_arrives_in_170_segments,
        segments::a_frame_may_be_cut_behind_every_byte_of_its_header,
        slow::one_that_reads_slowly_but_steadily_is_never_closed,
        slow::one_that_takes_nothing_is_closed_when_its_time_is_over,
        vanished::a_client_whose_link_is_cut_leaves_its_channels_when_pings_end_it,
        vanished::a_user_that_changes_networks_stays_a_member,
        vanished::a_client_whose_link_is_cut_and_healed_misses_nothing,
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test on a thread and a runtime of its own: a thread is in one namespace at a time.
fn trial<F: Future<Output = ()> + 'static>(name: &str, test: fn() -> F) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(test());
        Ok(())
    })
}
