//! The server's part in the inputs: made from the configuration, their tasks, the first attempt to connect.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::cluster::NodeId;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::node::Inputs;
use crate::observation::Observation;
use crate::redis_input::{LaravelInput, ReverbInput};

/// The inputs of the configuration, not connected.
pub(super) fn inputs(
    config: &Config,
    metrics: &Arc<Metrics>,
    observation: &Arc<Observation>,
) -> Inputs {
    let laravel = config.laravel_redis.iter().enumerate();
    let laravel = laravel
        .map(|(index, input)| Arc::new(LaravelInput::new(input, index, metrics, observation)));
    // Nodes of one cluster give each other what is published on one of them.
    let origin = match &config.cluster {
        Some(cluster) => format!("cluster {}", cluster.settings.prefix),
        None => format!("node {}", NodeId::from_random(rand::random())),
    };
    let reverb = config.beside_reverb.as_ref();
    let reverb =
        reverb.map(|reverb| Arc::new(ReverbInput::new(reverb, origin, metrics, observation)));
    Inputs { laravel: laravel.collect(), reverb }
}

/// Keeps the links up.
pub(super) fn start(inputs: &Inputs, background: &mut JoinSet<()>) -> anyhow::Result<()> {
    for input in &inputs.laravel {
        background.spawn(input.link()?);
    }
    if let Some(reverb) = &inputs.reverb {
        background.spawn(reverb.link()?);
    }
    Ok(())
}

/// Resolves once each link has been up, or has failed once.
pub(super) async fn attempted(inputs: &Inputs) {
    for input in &inputs.laravel {
        input.attempted().await;
    }
    if let Some(reverb) = &inputs.reverb {
        reverb.attempted().await;
    }
}
