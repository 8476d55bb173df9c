//! `resound doctor`: what is wrong with a set-up, and which line to change.
//!
//! Owns the flags, the exit code and where each form of the report goes. The checks are the library's.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use resound::config::Terminal;
use resound::doctor::{
    Diagnosis, DoctorReach, Paint, Setup, SetupOptions, TIME_LIMIT, WithHints, all, bundle,
    diagnose, fix_hints, json_report, text_report,
};
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::time::{Instant, timeout};

use super::failure::Failure;
use super::internal_server::{InternalClient, InternalServer};
use super::stdout::{print_data, print_styled};

/// For what the running server adds to a bundle, behind the time of the checks.
const SERVER_TIMEOUT: Duration = Duration::from_secs(2);

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
    /// Write what a bug report needs to a new file: this report, the names in .env, the configuration, the machine and
    /// the last refusals of the running server, with fingerprints in the place of secrets.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
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
        let diagnosis = diagnosis.redacted(&setup.redaction);
        let bundle = self.bundle.as_deref().map(|file| {
            let server = runtime.block_on(self.server());
            (file, bundle(&setup, &diagnosis, &server))
        });
        // A file system that does not answer must not hold the report back.
        runtime.shutdown_background();
        self.print(&diagnosis)?;
        if let Some((file, text)) = bundle {
            write_new(file, &text)?;
        }
        match diagnosis.headline() {
            None => Ok(()),
            Some(_) => Err(Failure::Diagnosed),
        }
    }

    /// What the running server says of itself and of what it refused of late, or why it says nothing.
    async fn server(&self) -> Value {
        if self.offline {
            return Value::Null;
        }
        let found = InternalServer::of(self.config.clone(), self.internal.clone()).find();
        let answers = async {
            let client = found?;
            let about: Value = answer(&client, "").await?;
            let refusals: Value = answer(&client, "/refusals").await?;
            Ok::<_, Failure>(json!({ "about": about, "refusals": refusals }))
        };
        match timeout(SERVER_TIMEOUT, answers).await {
            Ok(Ok(answers)) => answers,
            Ok(Err(failure)) => json!({ "unreachable": failure.message() }),
            Err(_) => json!({ "unreachable": "no answer within 2 seconds" }),
        }
    }

    /// The texts of a redacted diagnosis command no terminal.
    fn print(&self, diagnosis: &Diagnosis) -> anyhow::Result<()> {
        if self.json {
            let hints = if self.fix_hints { WithHints::Yes } else { WithHints::No };
            return print_data(&json_report(diagnosis, hints));
        }
        let colours = Terminal::of_this_process().colours(&io::stdout());
        let paint = if colours { Paint::Colours } else { Paint::Plain };
        let report = text_report(diagnosis, paint);
        let report = if self.fix_hints { fix_hints(diagnosis) + &report } else { report };
        print_styled(&report).map(drop)
    }
}

async fn answer(client: &InternalClient, resource: &str) -> Result<Value, Failure> {
    let response = client.get(resource, &[]).await?;
    let text = response.text().await.context("the internal listener broke off its answer")?;
    Ok(serde_json::from_str(&text).context("an answer of the internal listener is not JSON")?)
}

/// Readable by its owner alone: names of hosts and apps are in it.
fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let written = opened.and_then(|mut opened| opened.write_all(text.as_bytes()));
    written.with_context(|| format!("cannot write the bundle to {file:?}"))?;
    Ok(())
}
