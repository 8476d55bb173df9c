//! `resound doctor`: what is wrong with a set-up, and which line to change.
//!
//! Owns the flags, the exit code and where each form of the report goes. The checks are the library's.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use resound::config::Terminal;
use resound::doctor::{
    Diagnosis, DoctorReach, Paint, Setup, SetupOptions, TIME_LIMIT, WithHints, all, diagnose,
    fix_hints, json_report, text_report,
};
use tokio::runtime::Builder;
use tokio::time::Instant;

use super::failure::Failure;
use super::stdout::print;

/// Look at a Laravel application, at the configuration of Resound, or at both, and name what keeps events from
/// arriving: exit code 0 if nothing does, 1 if something does, 2 if it could not look.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// The folder of the Laravel application.
    #[arg(long, value_name = "FOLDER")]
    app: Option<PathBuf>,
    /// The application's .env, if it is not in its folder.
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// The configuration file of Resound; a bare name is looked for here and in ./config.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The URL at which browsers reach the server, such as https://ws.example.com.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The address of the internal listener [default: that of the configuration].
    #[arg(long, value_name = "URL")]
    internal: Option<String>,
    /// The origin of the application's pages [default: that of APP_URL].
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// The main configuration file of Nginx [default: /etc/nginx/nginx.conf, if it can be read].
    #[arg(long, value_name = "FILE")]
    nginx: Option<PathBuf>,
    /// Connect to nothing: look at files only.
    #[arg(long, conflicts_with_all = ["url", "internal"])]
    offline: bool,
    /// Print one JSON object, and nothing else.
    #[arg(long)]
    json: bool,
    /// Add the lines to change, file by file, in the form of a diff.
    #[arg(long)]
    fix_hints: bool,
}

impl Doctor {
    pub(super) fn run(self) -> Result<(), Failure> {
        let deadline = Instant::now() + TIME_LIMIT;
        let options = SetupOptions {
            app: self.app.clone(),
            env_file: self.env_file.clone(),
            config: self.config.clone(),
            url: self.url.clone(),
            internal: self.internal.clone(),
            origin: self.origin.clone(),
            nginx: self.nginx.clone(),
            reach: if self.offline { DoctorReach::Files } else { DoctorReach::Network },
        };
        let setup = Setup::read(&options).map_err(|error| Failure::Refused(error.to_string()))?;
        let setup = Arc::new(setup);
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.context("cannot start the runtime of a command")?;
        let diagnosis = runtime.block_on(diagnose(Arc::clone(&setup), &all(), deadline));
        // A file system that does not answer must not hold the report back.
        runtime.shutdown_background();
        let diagnosis = diagnosis.redacted(&setup.redaction);
        print(&self.report(&diagnosis))?;
        match diagnosis.headline() {
            None => Ok(()),
            Some(_) => Err(Failure::Diagnosed),
        }
    }

    fn report(&self, diagnosis: &Diagnosis) -> String {
        if self.json {
            let hints = if self.fix_hints { WithHints::Yes } else { WithHints::No };
            return json_report(diagnosis, hints);
        }
        let colours = Terminal::of_this_process().colours(&io::stdout());
        let paint = if colours { Paint::Colours } else { Paint::Plain };
        let report = text_report(diagnosis, paint);
        if self.fix_hints { fix_hints(diagnosis) + &report } else { report }
    }
}
