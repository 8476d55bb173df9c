//! `resound trigger`: one event, signed and sent as a back end does it.
//!
//! Owns a minimal HTTP client, without TLS: it is for the address the server itself listens on.
//! Knows nothing of what the server does with the event.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::Args;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;

use super::destination::{at, choose, listening};
use super::{Failure, print};
use crate::app::App;
use crate::config::Config;
use crate::load::{Refusal, Target};
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

impl Trigger {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = Config::load(self.config.as_deref(), Vec::new())?;
        let app = choose(&config, "--app", self.app.as_deref())?;
        let target = match &self.url {
            Some(url) => at(url)?,
            None => listening(&config),
        };
        let body = body(&self.channel, &self.event, &self.data);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start a thread")?;
        let (status, answer) = runtime.block_on(async {
            let answer = tokio::time::timeout(PATIENCE, send(app, &target, body)).await;
            answer.unwrap_or_else(|_| {
                Err(unanswered(&target, io::Error::from(io::ErrorKind::TimedOut)))
            })
        })?;
        if status != StatusCode::OK {
            let refusal = Refusal::Unconfirmed { target, status: status.as_u16(), answer };
            return Err(Failure::Running(refusal.into()));
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
    let stream = stream.map_err(|cause| Refusal::Unreachable { target: target.clone(), cause })?;
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|cause| unanswered(target, cause))?;
    let exchange = async {
        let response = sender.send_request(request).await;
        let response = response.map_err(|cause| unanswered(target, cause))?;
        let status = response.status();
        match Limited::new(response.into_body(), ANSWER_BYTES).collect().await {
            Ok(answer) => Ok((status, String::from_utf8_lossy(&answer.to_bytes()).into_owned())),
            Err(cause) => Err(unanswered(target, cause)),
        }
    };
    let mut exchange = std::pin::pin!(exchange);
    // The connection does the reading and writing; it may end before the answer is looked at.
    tokio::select! {
        biased;
        answer = &mut exchange => return answer,
        ended = connection => ended.map_err(|cause| unanswered(target, cause))?,
    }
    exchange.await
}

fn unanswered(
    target: &Target,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> anyhow::Error {
    Refusal::Unanswered { target: target.clone(), cause: cause.into() }.into()
}
