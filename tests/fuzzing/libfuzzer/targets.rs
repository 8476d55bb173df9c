//! The targets of the suite `fuzzing`, as functions that libFuzzer calls. The files are those of the suite.

#![allow(dead_code, reason = "what runs the targets on stable Rust is left out")]

#[path = "../bytes.rs"]
mod bytes;
#[path = "../cluster_stage.rs"]
mod cluster_stage;
#[path = "../../harness/fixture.rs"]
mod fixture;
#[path = "../../properties/ledger.rs"]
mod ledger;
#[path = "../../properties/model.rs"]
mod model;
#[path = "../naive/mod.rs"]
mod naive;
#[path = "../outcomes.rs"]
mod outcomes;
#[path = "../packed.rs"]
mod packed;
#[path = "../../properties/received.rs"]
mod received;
#[path = "../../properties/record.rs"]
mod record;
#[path = "../../properties/report.rs"]
mod report;
#[path = "../../properties/schedule.rs"]
mod schedule;
#[path = "../../properties/server.rs"]
mod server;
#[path = "../session_rules.rs"]
mod session_rules;
#[path = "../site.rs"]
mod site;
#[path = "../targets/mod.rs"]
mod targets;

macro_rules! targets {
    ($($target:ident),* $(,)?) => {
        $(#[doc = concat!("Runs one input of the target `", stringify!($target), "`.")]
        pub fn $target(input: &[u8]) {
            (targets::$target::TARGET.run)(input);
            outcomes::take_reached();
        })*
    };
}

targets![
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
