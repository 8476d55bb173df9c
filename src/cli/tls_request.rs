//! One signed request over TLS, to the address at which a proxy or the server itself ends it.
//!
//! Owns whom the client trusts, and what to change where it does not. The load generator's client, which sends all other
//! requests of `resound trigger`, has no TLS; both sign with the same code.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use clap::Args;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, ClientBuilder, Url};
use resound::http_client::http_client;
use resound::network_fault::NetworkFault;
use resound_load::Credentials;

use super::failure::Failure;

/// The times of the load generator's client.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Whose certificates are accepted.
#[derive(Debug, Args)]
pub(super) struct TlsTrust {
    /// The certificates of the authority to trust in place of the system's, in PEM form.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Accept any certificate, even that of a server in between, which can then read and change the event.
    #[arg(long, conflicts_with = "ca_file")]
    insecure: bool,
}

impl TlsTrust {
    /// The flag that is given, which has no effect without TLS.
    pub(super) fn flag(&self) -> Option<&'static str> {
        match (&self.ca_file, self.insecure) {
            (Some(_), _) => Some("--ca-file"),
            (None, true) => Some("--insecure"),
            (None, false) => None,
        }
    }

    fn of(&self, builder: ClientBuilder) -> Result<ClientBuilder, Failure> {
        Ok(match &self.ca_file {
            Some(file) => builder.tls_certs_only(authorities(file)?),
            None if self.insecure => builder.tls_danger_accept_invalid_certs(true),
            None => builder,
        })
    }
}

fn authorities(file: &Path) -> Result<Vec<Certificate>, Failure> {
    let refuse = |why: String| Failure::Flag(format!("--ca-file is {file:?}; {why}"));
    let pem = fs::read(file).map_err(|error| refuse(format!("it cannot be read: {error}")))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(refuse("it must have certificates in PEM form".to_owned())),
    }
}

/// An answer.
pub(super) struct TlsAnswer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Whether a URL is one with TLS; `wss:` and `https:` mean the same.
pub(super) fn has_tls(url: &str) -> bool {
    ["https://", "wss://"].iter().any(|scheme| url.starts_with(scheme))
}

/// Posts to `/apps/{id}/{route}` below a URL with TLS.
pub(super) fn post(
    url: &str,
    credentials: &Credentials,
    trust: &TlsTrust,
    route: &str,
    body: String,
) -> Result<TlsAnswer, Failure> {
    let base = parse(url)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // The prefix is no part of the signed path: servers remove it first.
    let path = format!("/apps/{}/{route}", credentials.app_id);
    let query = credentials.signed_query(&path, body.as_bytes(), now.as_secs());
    let mut full = base.clone();
    full.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    full.set_query(Some(&query));
    let client = trust.of(http_client(&base, TIMEOUT, TIMEOUT))?;
    let client = client.build().context("cannot prepare the request")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime of a command")?;
    runtime.block_on(exchange(client, full, body)).map_err(|error| unanswered(url, &error))
}

async fn exchange(client: Client, url: Url, body: String) -> reqwest::Result<TlsAnswer> {
    let request = client.post(url).header(CONTENT_TYPE, "application/json").body(body);
    let answer = request.send().await.map_err(reqwest::Error::without_url)?;
    let status = answer.status().as_u16();
    let body = answer.text().await.map_err(reqwest::Error::without_url)?;
    Ok(TlsAnswer { status, body })
}

fn parse(url: &str) -> Result<Url, Failure> {
    let as_https = url.replacen("wss://", "https://", 1);
    let parsed = Url::parse(&as_https).ok().filter(|url| url.has_host() && url.query().is_none());
    parsed.ok_or_else(|| {
        Failure::Flag(format!(
            "--url is {url:?}; it must be like https://ws.example.com or wss://ws.example.com/prefix"
        ))
    })
}

fn unanswered(url: &str, error: &reqwest::Error) -> Failure {
    let Some(fault) = NetworkFault::of(error) else {
        return Failure::Running(anyhow!("{url} did not confirm the event: {error}"));
    };
    let advice = match fault {
        NetworkFault::Refused => "; start the proxy, or give the address it listens on",
        NetworkFault::UnknownHost => "; check its spelling",
        NetworkFault::TimedOut => "; check the address, and the firewalls on the way",
        NetworkFault::NotTls => "; give it as http://",
        NetworkFault::UnknownIssuer | NetworkFault::CaCertificate => {
            "; name its authority with --ca-file, or accept it with --insecure"
        }
        NetworkFault::WrongName => "; give one of its names, or accept it with --insecure",
        NetworkFault::Expired => "; renew it, or accept it with --insecure",
        _ => "",
    };
    Failure::Running(anyhow!("{url} cannot be reached: {fault}{advice}"))
}
