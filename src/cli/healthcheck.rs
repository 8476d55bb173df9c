//! `resound healthcheck`: asks a running server whether it is ready, for `HEALTHCHECK` of an image without curl.
//!
//! Owns the choice of the address and the time that an answer may take. What the conditions mean is in
//! docker/README.md.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::{Client, ClientBuilder, StatusCode};
use resound::config::{Config, ListenAddress};

use super::env_file::EnvFileFlags;
use super::failure::Failure;
use super::stdout::print;

/// Below the 3 s after which Docker and Kubernetes users commonly give up a probe.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Ask a running server whether it is ready: exit code 0 if it is, 1 if not or without an answer, 2 if the
/// configuration or an argument is wrong.
#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    /// The configuration file of the server; a bare name is looked for here and in ./config.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    config: Option<PathBuf>,
    #[command(flatten)]
    env_file: EnvFileFlags,
    /// The URL to ask [default: /ready at the metrics listener, else at the server's own address].
    #[arg(long)]
    url: Option<String>,
}

/// Where to ask.
struct Question {
    url: String,
    client: ClientBuilder,
}

impl Healthcheck {
    pub(super) fn run(self) -> Result<(), Failure> {
        let question = match self.url {
            Some(url) => Question { url, client: Client::builder() },
            None => of_config(&Config::load_from(&self.env_file.with(self.config.as_deref()))?),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start a thread for the request")?;
        let body = runtime.block_on(ask(question))?;
        print(&format!("{body}\n"))?;
        Ok(())
    }
}

/// The metrics listener answers while the server starts, and without TLS.
fn of_config(config: &Config) -> Question {
    let (address, prefix) = match config.metrics.listen {
        Some(address) => (ListenAddress::Ip(address), ""),
        None => (config.listen.server[0].clone(), config.server.path.as_str()),
    };
    let is_plain =
        config.metrics.listen.is_some() || config.tls.as_ref().is_none_or(|tls| !tls.required);
    let scheme = if is_plain { "http" } else { "https" };
    match address {
        ListenAddress::Ip(address) => {
            let url = format!("{scheme}://{}{prefix}/ready", reachable(address));
            Question { url, client: Client::builder() }
        }
        ListenAddress::Unix { path, .. } => {
            // Unix sockets are without TLS, whatever is required of others.
            let url = format!("http://localhost{prefix}/ready");
            Question { url, client: Client::builder().unix_socket(path) }
        }
    }
}

/// An unspecified address is reached through loopback.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The body of the answer, which is 200.
async fn ask(Question { url, client }: Question) -> anyhow::Result<String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The question is whether this server answers, and its certificate names no loopback address.
    let client = client.no_proxy().tls_danger_accept_invalid_certs(true).timeout(TIMEOUT).build();
    let client = client.context("cannot prepare the request")?;
    let answered = client.get(&url).send().await;
    let answer = answered.map_err(reqwest::Error::without_url).with_context(|| url.clone())?;
    let status = answer.status();
    let body = answer.text().await.map_err(reqwest::Error::without_url)?;
    if status != StatusCode::OK {
        bail!("{url} answered {status}: {body}");
    }
    Ok(body)
}
