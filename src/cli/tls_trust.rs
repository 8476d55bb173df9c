//! Whose certificates `trigger` and `bench` accept where a URL has TLS.
//!
//! Owns the flags and the file they name. The load generator verifies.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use resound_load::{Target, TlsTrust};

use super::failure::Failure;

/// The flags of a command that connects over TLS.
#[derive(Debug, Args)]
pub(super) struct TrustFlags {
    /// The certificates of the authority to trust in place of the system's, in PEM form.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Accept any certificate, even that of a server in between, which can then read and change the events.
    #[arg(long, conflicts_with = "ca_file")]
    insecure: bool,
}

impl TrustFlags {
    /// The targets of `--url`, which trust as the flags name it. The flags are refused where no target has TLS.
    pub(super) fn targets(&self, urls: &[String]) -> Result<Vec<Target>, Failure> {
        if let Some(flag) = self.flag().filter(|_| !urls.iter().any(|url| has_tls(url))) {
            return Err(Failure::Flag(format!("{flag} is for a --url with https:// or wss://")));
        }
        let trust = self.trust()?;
        let read = |url: &String| {
            Target::parse(url, &trust)
                .map_err(|reason| Failure::Flag(format!("--url is {url:?}; {reason}")))
        };
        urls.iter().map(read).collect()
    }

    /// The flag that is given.
    fn flag(&self) -> Option<&'static str> {
        match (&self.ca_file, self.insecure) {
            (Some(_), _) => Some("--ca-file"),
            (None, true) => Some("--insecure"),
            (None, false) => None,
        }
    }

    fn trust(&self) -> Result<TlsTrust, Failure> {
        let Some(file) = &self.ca_file else {
            return Ok(if self.insecure { TlsTrust::Any } else { TlsTrust::System });
        };
        let refuse = |why: String| Failure::Flag(format!("--ca-file is {file:?}; {why}"));
        let pem = fs::read(file).map_err(|error| refuse(format!("it cannot be read: {error}")))?;
        let authorities = TlsTrust::authorities(&pem);
        authorities.ok_or_else(|| refuse("it must have certificates in PEM form".to_owned()))
    }
}

fn has_tls(url: &str) -> bool {
    ["https://", "wss://"].iter().any(|scheme| url.starts_with(scheme))
}
