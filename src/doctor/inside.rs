//! The doctor inside a running server: the checks that need neither the files of an application nor another machine.
//!
//! Owns which set-up these are tried on: the configuration as it would be read now, at the addresses on which this process
//! listens. Who may run them, and that one run is made at a time, is left to `internal`.

use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::time::Instant;

use super::checks::of_server;
use super::diagnosis::{TIME_LIMIT, diagnose};
use super::json_report::{WithHints, json_report};
use super::setup::{Setup, SetupOptions};
use super::text_report::{Paint, text_report};
use crate::config::{Config, ConfigInputs};
use crate::internal::{ChecksReport, ChecksRequest, ServerChecks};
use crate::server::Server;

/// The checks that this process makes of itself.
pub struct ServerDoctor {
    /// To read the configuration again.
    inputs: ConfigInputs,
    /// What the process was started with, at the addresses that it got.
    started: Config,
}

impl ServerDoctor {
    /// Of a server that was started with this configuration.
    pub fn new(inputs: ConfigInputs, config: &Config, server: &Server) -> Self {
        let mut started = config.clone();
        started.listen.server = server.addresses().to_vec();
        started.listen.api = server.api_addresses().to_vec();
        started.internal.listen = server.internal_addresses().to_vec();
        Self { inputs, started }
    }
}

impl ServerChecks for ServerDoctor {
    /// On a runtime of its own, so that no probe waits for what the server does, nor the other way round.
    fn run(&self, request: &ChecksRequest) -> Result<ChecksReport, String> {
        let deadline = Instant::now() + TIME_LIMIT;
        let ChecksRequest { app, url, origin } = request.clone();
        let options = SetupOptions { url, origin, ..SetupOptions::default() };
        let read = Config::load_from(&self.inputs);
        let setup = Setup::of_server(&self.started, read, &options, app.as_deref());
        let setup = Arc::new(setup.map_err(|error| error.to_string())?);
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no thread for the checks: {error}"))?;
        let diagnosis = runtime.block_on(diagnose(setup.clone(), &of_server(), deadline));
        let diagnosis = diagnosis.redacted(&setup.redaction);
        // A file system that does not answer must not hold the report back.
        runtime.shutdown_background();
        let (json, text) =
            (json_report(&diagnosis, WithHints::No), text_report(&diagnosis, Paint::Plain));
        Ok(ChecksReport { json, text })
    }
}
