//! The targets: each reads an input of any bytes and panics if the server breaks a rule with it.
//!
//! Another target is a file here, its name in `main.rs` and in `libfuzzer`, and a folder of seeds.

pub(crate) mod channel_names;
pub(crate) mod client_messages;
pub(crate) mod cluster_messages;
pub(crate) mod cluster_replies;
pub(crate) mod configuration;
pub(crate) mod dotenv;
pub(crate) mod frames;
pub(crate) mod http_requests;
pub(crate) mod internal_requests;
pub(crate) mod node;
pub(crate) mod php_config;
pub(crate) mod redis_inputs;
pub(crate) mod session;
pub(crate) mod signed_requests;

/// One function under test.
pub(crate) struct Target {
    /// The name of its file and of the folder of its seeds.
    pub(crate) name: &'static str,
    /// Panics if an input breaks a rule.
    pub(crate) run: fn(&[u8]),
    /// What a change of an input writes into it.
    pub(crate) words: &'static [&'static str],
    /// What the seeds must reach.
    pub(crate) outcomes: &'static [&'static str],
}
