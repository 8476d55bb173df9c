//! `resound trigger`: one event, signed and sent as a back end does it.
//!
//! Owns a minimal HTTP client, without TLS: it is for the address the server itself listens on.
//! Knows nothing of what the server does with the event.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use clap::Args;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;

use super::{Failure, print};
use crate::app::App;
use crate::config::{Config, Problem};
use crate::protocol::signature::signed_query;

/// A server that takes longer for one event is not there.
const PATIENCE: Duration = Duration::from_secs(10);
/// Answers have a few bytes; whatever sends more is no Resound.
const ANSWER_BYTES: usize = 64 * 1024;

#[derive(Debug, Args)]
pub(super) struct Trigger {
    /// The channel to publish on.
    channel: String,
    /// The name of the event.
    event: String,
    /// Its data, sent as it stands: usually JSON.
    data: String,
    /// The file that has the app; a bare name is looked for here and in ./config.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the server is [default: where the configuration says it listens].
    #[arg(long)]
    url: Option<String>,
    /// The id of the app; needed if there are several.
    #[arg(long, value_name = "ID")]
    app: Option<String>,
}

/// Where the server is: the parts of `http://host:port/prefix`.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    host: String,
    port: u16,
    prefix: String,
}

impl Trigger {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = Config::load(self.config.as_deref(), Vec::new())?;
        let app = choose(&config, self.app.as_deref())?;
        let target = match &self.url {
            Some(url) => Target::parse(url)?,
            None => Target::of(&config),
        };
        let body = body(&self.channel, &self.event, &self.data);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start a thread")?;
        let (status, answer) = runtime.block_on(async {
            let answer = tokio::time::timeout(PATIENCE, send(app, &target, body)).await;
            answer.with_context(|| format!("{target} did not answer within {PATIENCE:?}"))?
        })?;
        if status != StatusCode::OK {
            return Err(Failure::Running(anyhow::anyhow!("{target} answered {status}: {answer}")));
        }
        print(&format!("{answer}\n"))?;
        Ok(())
    }
}

/// The body of a trigger, in the order of Pusher's own libraries.
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

/// The named app, or the only one.
fn choose<'a>(config: &'a Config, id: Option<&str>) -> Result<&'a App, Problem> {
    let mut ids: Vec<&str> = config.apps.iter().map(|app| app.id.as_str()).collect();
    ids.sort_unstable();
    let id = match (id, ids.as_slice()) {
        (Some(id), _) => id,
        (None, [only]) => only,
        (None, _) => {
            let ids = ids.join(", ");
            return Err(Problem::new(format!("flag --app is missing; the apps are {ids}")));
        }
    };
    let app = config.apps.by_id(id).map(|app| &**app);
    app.ok_or_else(|| {
        Problem::new(format!("flag --app is {id:?}; the apps are {}", ids.join(", ")))
    })
}

impl Target {
    /// Where the configuration says the server listens; "everywhere" is reached through loopback.
    fn of(config: &Config) -> Self {
        let ip = match config.server.host {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let prefix = config.server.path.clone();
        Self { host: ip.to_string(), port: config.server.port, prefix }
    }

    fn parse(url: &str) -> Result<Self, Problem> {
        let refuse = |reason: &str| Problem::new(format!("flag --url is {url:?}; {reason}"));
        if url.starts_with("https://") {
            return Err(refuse(
                "this command speaks http:// only: give the address the server itself listens \
                 on, such as http://127.0.0.1:8080",
            ));
        }
        let form = "it must be like http://127.0.0.1:8080";
        let uri: Uri = url.parse().map_err(|_| refuse(form))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(host)) if uri.query().is_none() => Ok(Self {
                host: host.trim_matches(['[', ']']).to_owned(),
                port: uri.port_u16().unwrap_or(80),
                prefix: uri.path().trim_end_matches('/').to_owned(),
            }),
            _ => Err(refuse(form)),
        }
    }

    /// `host:port`, with the brackets IPv6 needs.
    fn authority(&self) -> String {
        match self.host.parse() {
            Ok(ip) => SocketAddr::new(ip, self.port).to_string(),
            Err(_) => format!("{}:{}", self.host, self.port),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.prefix)
    }
}

async fn send(app: &App, target: &Target, body: String) -> anyhow::Result<(StatusCode, String)> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    // The prefix is no part of what is signed: Reverb takes it off first.
    let route = format!("/apps/{}/events", app.id);
    let query = signed_query(app, "POST", &route, body.as_bytes(), now);
    let request = Request::post(format!("{}{route}?{query}", target.prefix))
        .header(HOST, target.authority())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;

    let stream = TcpStream::connect((target.host.as_str(), target.port)).await;
    let stream = stream.with_context(|| format!("no server answers at {target}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        match Limited::new(response.into_body(), ANSWER_BYTES).collect().await {
            Ok(answer) => Ok((status, String::from_utf8_lossy(&answer.to_bytes()).into_owned())),
            Err(error) => bail!("the answer cannot be read: {error}"),
        }
    };
    let mut exchange = std::pin::pin!(exchange);
    // The connection does the reading and writing; it may end before the answer is looked at.
    tokio::select! {
        answer = &mut exchange => return answer,
        ended = connection => ended.with_context(|| format!("{target} cut the connection"))?,
    }
    exchange.await
}

#[cfg(test)]
mod tests {
    use super::Target;

    fn check(url: &str, shown: &str) {
        assert_eq!(Target::parse(url).unwrap().to_string(), shown, "{url}");
    }

    fn check_refused(url: &str, reason: &str) {
        let problem = Target::parse(url).unwrap_err().to_string();
        assert_eq!(problem, format!("flag --url is {url:?}; {reason}"));
    }

    #[test]
    fn urls_are_plain_http() {
        check("http://127.0.0.1:8080", "http://127.0.0.1:8080");
        check("http://127.0.0.1:8080/", "http://127.0.0.1:8080");
        check("http://localhost/ws/", "http://localhost:80/ws");
        check("http://[::1]:9000/ws", "http://[::1]:9000/ws");
        for url in ["", "127.0.0.1:8080", "ws://127.0.0.1", "http://", "http://a/?b=c"] {
            check_refused(url, "it must be like http://127.0.0.1:8080");
        }
        check_refused(
            "https://example.com",
            "this command speaks http:// only: give the address the server itself listens on, \
             such as http://127.0.0.1:8080",
        );
    }
}
