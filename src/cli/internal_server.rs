//! The internal listener of a running server, as commands find it and ask it.
//!
//! Owns which server is meant: the one of `--url`, of `--pid`, of the configuration, or the only one that runs
//! here. What is asked is left to the commands.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use reqwest::{Client, ClientBuilder, Response, StatusCode, Url};

use super::env_file::EnvFileFlags;
use super::failure::Failure;
use super::healthcheck::reachable;
use super::pid_file::PidFile;
use super::target::only_one;
use resound::config::{Config, ListenAddress};
use resound::supervision;

/// A server that runs answers within milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Args)]
pub(super) struct InternalServer {
    /// The configuration of the server, for internal.listen, internal.token and server.pid_file; a bare name is looked
    /// for here and in ./config.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) env_file: EnvFileFlags,
    /// The process id of the server [default: the only one that runs here].
    #[arg(long, value_name = "PID", conflicts_with = "url")]
    pid: Option<u32>,
    /// The URL of its internal listener, such as http://127.0.0.1:9600.
    #[arg(long)]
    url: Option<String>,
    /// The token of that listener [default: internal.token, or RESOUND_INTERNAL_TOKEN].
    #[arg(long)]
    token: Option<String>,
}

/// Asks one server.
#[derive(Debug)]
pub(super) struct InternalClient {
    base: Url,
    client: Client,
    token: Option<String>,
    /// The server, for messages.
    pub(super) server: String,
    /// By the socket that every process has for its own user.
    is_of_process: bool,
}

impl InternalServer {
    /// The server of a configuration, or at a URL.
    pub(super) fn of(config: Option<PathBuf>, url: Option<String>) -> Self {
        Self { config, env_file: EnvFileFlags::default(), pid: None, url, token: None }
    }

    /// The server as it runs now: another process after a restart.
    pub(super) fn find(&self) -> Result<InternalClient, Failure> {
        let config = Config::load_from(&self.env_file.with(self.config.as_deref()))?;
        let token = self.token.clone();
        let token = token.or_else(|| Some(config.internal.token.as_ref()?.reveal().to_owned()));
        if let Some(url) = &self.url {
            let base = Url::parse(url)
                .ok()
                .filter(|url| url.scheme() == "http" || url.scheme() == "https");
            let base = base.ok_or_else(|| {
                Failure::Flag(format!("--url is {url:?}; it must be http://host:port"))
            })?;
            return InternalClient::new(base, Client::builder(), token, url.clone());
        }
        let pid = match (self.pid, config.internal.listen.first()) {
            (Some(pid), _) => pid,
            (None, Some(address)) => return at(address, token),
            (None, None) => match config.server.pid_file.map(PidFile::new) {
                Some(file) => file.read()?,
                None => only_one(&running()?)?,
            },
        };
        let name =
            supervision::owner_socket_name(pid).context("this machine has no such sockets")?;
        let client = Client::builder().unix_socket(format!("\0{name}"));
        let client = InternalClient::new(local()?, client, None, format!("process {pid}"))?;
        Ok(InternalClient { is_of_process: true, ..client })
    }
}

fn running() -> anyhow::Result<Vec<u32>> {
    supervision::running().context("cannot look for running servers")
}

fn at(address: &ListenAddress, token: Option<String>) -> Result<InternalClient, Failure> {
    let shown = address.to_string();
    match address {
        ListenAddress::Ip(address) => {
            let base = Url::parse(&format!("http://{}", reachable(*address)));
            let base = base.context("an address is the host of a URL")?;
            InternalClient::new(base, Client::builder(), token, shown)
        }
        ListenAddress::Unix { path, .. } => {
            let client = Client::builder().unix_socket(path.clone());
            InternalClient::new(local()?, client, None, shown)
        }
    }
}

/// The URL over a unix socket, whose host is not looked at.
fn local() -> anyhow::Result<Url> {
    Url::parse("http://localhost").context("a constant is a URL")
}

impl InternalClient {
    fn new(
        base: Url,
        client: ClientBuilder,
        token: Option<String>,
        server: String,
    ) -> Result<Self, Failure> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = client.no_proxy().connect_timeout(CONNECT_TIMEOUT);
        if base.scheme() == "http" {
            // Not even those of the machine, of which a small image may have none.
            client = client.tls_certs_only([]);
        }
        let client = client.build().context("cannot prepare the request")?;
        Ok(Self { base, client, token, server, is_of_process: false })
    }

    /// Asks for a resource below `/internal/v1`. What the server refuses is a failure of the arguments, and no
    /// answer one of the attempt.
    pub(super) async fn get(
        &self,
        resource: &str,
        query: &[(&str, String)],
    ) -> Result<Response, Failure> {
        let mut url = self.base.clone();
        url.set_path(&format!("/internal/v1{resource}"));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.client.get(url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response);
        }
        let body = response.text().await.unwrap_or_default();
        Err(Failure::Refused(format!("{} answered {status}: {}", self.server, error_text(&body))))
    }

    fn unreachable(&self, error: reqwest::Error) -> Failure {
        let cause = anyhow::Error::new(error.without_url());
        let is_one_of = |kinds: &[io::ErrorKind]| {
            let mut errors = cause.chain().filter_map(|it| it.downcast_ref::<io::Error>());
            errors.any(|it| kinds.contains(&it.kind()))
        };
        let server = &self.server;
        if is_one_of(&[io::ErrorKind::ConnectionRefused, io::ErrorKind::NotFound]) {
            return Failure::Running(anyhow!(
                "{server} has no internal listener; is the server running, and as your user? Else set \
                 internal.listen, and give --url and --token"
            ));
        }
        // Its socket closes the connections of other users without reading from them.
        let mut answers = cause.chain().filter_map(|it| it.downcast_ref::<hyper::Error>());
        let is_closed = answers.any(hyper::Error::is_incomplete_message)
            || is_one_of(&[io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe]);
        if is_closed && self.is_of_process {
            return Failure::Running(anyhow!(
                "{server} closed the connection: it answers its own user and root alone. Run this as one of \
                 them, or set internal.listen, and give --url and --token"
            ));
        }
        Failure::Running(cause.context(format!("{server} does not answer")))
    }
}

/// The `error` of an answer, or the answer as it is.
fn error_text(body: &str) -> String {
    let parsed = serde_json::from_str::<serde_json::Value>(body).ok();
    let text = parsed.as_ref().and_then(|value| value.get("error")?.as_str());
    text.unwrap_or(body.trim()).chars().take(1000).collect()
}
