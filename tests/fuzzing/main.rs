//! Inputs of any bytes for everything that reads what others wrote, judged by plain readers and models.
//!
//! [`replay`] runs the seeds of each target, which are files of the repository; [`explore`] changes them for a bounded
//! time. Each target is a function of bytes, which `libfuzzer` runs as well; README.md has the commands.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "all of this crate is a test, the functions around it too"
)]

mod bytes;
mod campaign;
mod cluster_stage;
// The reason for the path stands in that file.
#[path = "../harness/fixture.rs"]
mod fixture;
mod mutation;
mod naive;
mod outcomes;
mod packed;
#[path = "../cluster_simulation/random.rs"]
mod random;
mod running;
mod session_rules;
mod site;
mod targets;

// The model of a node, and the server beside it, are those of the suite `properties`.
#[path = "../properties/ledger.rs"]
mod ledger;
#[path = "../properties/model.rs"]
mod model;
#[path = "../properties/received.rs"]
mod received;
#[path = "../properties/record.rs"]
mod record;
#[path = "../properties/report.rs"]
mod report;
#[path = "../properties/schedule.rs"]
#[allow(dead_code, reason = "schedules are made of bytes here, not drawn")]
mod schedule;
#[path = "../properties/server.rs"]
#[allow(dead_code, reason = "a node has several apps here")]
mod server;

/// Two tests for each target.
macro_rules! tests {
    ($($target:ident),* $(,)?) => {
        /// All targets.
        const TARGETS: &[targets::Target] = &[$(targets::$target::TARGET),*];

        /// The seeds.
        mod replay {
            $(#[test]
            fn $target() {
                crate::campaign::replay(&crate::targets::$target::TARGET);
            })*
        }

        /// Changed inputs.
        mod explore {
            $(#[test]
            fn $target() {
                crate::campaign::explore(&crate::targets::$target::TARGET);
            })*
        }
    };
}

tests![
    channel_names,
    client_messages,
    cluster_messages,
    cluster_replies,
    configuration,
    dotenv,
    frames,
    http_requests,
    internal_requests,
    node,
    php_config,
    redis_inputs,
    session,
    signed_requests,
];
