//! `resound trigger`: signs one event and sends it over the HTTP API, as a back end does.
//!
//! Owns the body of the request. The load generator's client sends it.

use std::path::PathBuf;

use clap::Args;
use resound::config::Config;
use resound_load::{Backend, LoadError};
use serde::Serialize;

use super::destination::{choose, credentials, listening};
use super::env_file::EnvFileFlags;
use super::failure::Failure;
use super::stdout::print;
use super::tls_trust::TrustFlags;

#[derive(Debug, Args)]
pub(super) struct Trigger {
    /// The channel of the event.
    channel: String,
    /// The name of the event.
    event: String,
    /// The data of the event, sent as it is: usually JSON.
    data: String,
    /// The configuration file with the app; a bare name is looked for here and in ./config.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    env_file: EnvFileFlags,
    /// The URL of the server, http:// or https:// [default: the address that the configuration has].
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    trust: TrustFlags,
    /// The id of the app; needed if there are several.
    #[arg(long, value_name = "ID")]
    app: Option<String>,
}

impl Trigger {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = Config::load_from(&self.env_file.with(self.config.as_deref()))?;
        let app = choose(&config, "--app", self.app.as_deref())?;
        let body = body(&self.channel, &self.event, &self.data);
        let targets = self.trust.targets(self.url.as_slice())?;
        let target = targets.into_iter().next().unwrap_or_else(|| listening(&config));
        let address = target.resolve();
        let address =
            address.map_err(|cause| LoadError::Unreachable { target: target.clone(), cause })?;
        let answer = Backend::new(&target, address, &credentials(app)).post("events", &body)?;
        if answer.status != 200 {
            let (target, status, answer) = (target.to_string(), answer.status, answer.body);
            return Err(LoadError::Unconfirmed { target, status, answer }.into());
        }
        Ok(print(&format!("{}\n", answer.body))?)
    }
}

/// The body of the request, its fields in the order of Pusher's own libraries.
pub(super) fn body(channel: &str, event: &str, data: &str) -> String {
    #[derive(Serialize)]
    struct Event<'a> {
        name: &'a str,
        channels: [&'a str; 1],
        data: &'a str,
    }
    let event = Event { name: event, channels: [channel], data };
    serde_json::to_string(&event).expect("strings always serialize")
}
