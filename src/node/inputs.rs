//! What reaches the apps of a node beside the HTTP API.
//!
//! A list. Their links and messages are left to [`redis_input`](crate::redis_input), the apps to the node.

use std::sync::Arc;

use crate::redis_input::{InputFacts, LaravelInput, ReverbInput};

/// What reaches the apps beside the HTTP API.
#[derive(Default, Clone)]
pub struct Inputs {
    /// What Laravel publishes in Redis.
    pub laravel: Vec<Arc<LaravelInput>>,
    /// Reverb's servers.
    pub reverb: Option<Arc<ReverbInput>>,
}

impl Inputs {
    /// All of them as they are now, in the order of the configuration.
    pub fn facts(&self) -> Vec<InputFacts> {
        let laravel = self.laravel.iter().map(|input| input.facts());
        laravel.chain(self.reverb.iter().map(|reverb| reverb.facts())).collect()
    }
}
