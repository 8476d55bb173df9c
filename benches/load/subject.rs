//! The processes that are measured: this server, two nodes and their Redis, the bare loop, a peer
//! that runs already.
//!
//! Owns how each is started and ended. What is measured is left to the scenarios.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use resound_load::{Credentials, Target, TlsTrust};

use crate::options::Peer;
use crate::process::{Folder, Process};
use crate::redis::Redis;

const ID: &str = "load";
const KEY: &str = "load-key";
const SECRET: &str = "load-secret";

/// Which of them it is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// This server, as the binary at that path.
    Server(PathBuf),
    /// The same, beside two of it.
    OneNode(PathBuf),
    /// Two of it and one Redis.
    TwoNodes(PathBuf, Wire),
    /// What the kernel allows.
    BareLoop,
    /// Another server.
    Peer(Box<Peer>),
}

/// How events travel between nodes: a value of `cluster.transport`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Pubsub,
    Streams,
}

/// One process under load, or the first of two.
pub(crate) struct Subject {
    pub(crate) pid: u32,
    pub(crate) target: Target,
    pub(crate) credentials: Credentials,
    /// Killed when this is dropped; a peer is left alone.
    _process: Option<Process>,
    /// Only of two nodes. Below the process, so that Redis outlives both.
    other: Option<Box<OtherNode>>,
}

/// The second node, and the Redis of both.
struct OtherNode {
    node: Subject,
    redis: Redis,
}

impl Subject {
    /// The node where the subscribers of an event are: another one than this, if there is one.
    pub(crate) fn far(&self) -> &Self {
        self.other.as_ref().map_or(self, |other| &other.node)
    }

    /// The Redis of the nodes.
    pub(crate) fn redis(&self) -> Option<&Redis> {
        self.other.as_ref().map(|other| &other.redis)
    }
}

impl Wire {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pubsub => "pubsub",
            Self::Streams => "streams",
        }
    }
}

impl Kind {
    /// The heading of its column.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Server(_) => "Resound",
            Self::OneNode(_) => "one node",
            Self::TwoNodes(_, wire) => wire.name(),
            Self::BareLoop => "bare loop",
            Self::Peer(peer) => &peer.name,
        }
    }

    /// Starts it, unless it runs. `settings` are keys of the server's file, those of `[app]` first.
    pub(crate) fn start(&self, settings: &str) -> anyhow::Result<Subject> {
        match self {
            Self::Server(program) | Self::OneNode(program) => server(program, settings),
            Self::TwoNodes(program, wire) => two_nodes(program, settings, *wire),
            Self::BareLoop => bare_loop(),
            Self::Peer(peer) => Ok(Subject {
                pid: peer.pid,
                target: peer.target.clone(),
                credentials: peer.credentials.clone(),
                _process: None,
                other: None,
            }),
        }
    }
}

fn server(program: &Path, settings: &str) -> anyhow::Result<Subject> {
    let folder = Folder::new()?;
    let file = folder.path().join("load.toml");
    let text = format!(
        "[[apps]]\nid = \"{ID}\"\nkey = \"{KEY}\"\nsecret = \"{SECRET}\"\n{settings}\n\
         [log]\nformat = \"json\"\n"
    );
    fs::write(&file, text)?;
    let mut command = Command::new(program);
    command.args(["serve", "--host", "127.0.0.1", "--port", "0", "--config"]).arg(&file);
    // Variables of the shell must not configure the server under test.
    command.env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {program:?}"))?;
    let stderr = child.stderr.take().context("the server's log")?;
    let process = Process::new(child, Some(folder));
    let mut lines = BufReader::new(stderr).lines();
    let mut last_line = String::new();
    let address = lines.find_map(|line| {
        let line = line.ok()?;
        let json: Option<serde_json::Value> = serde_json::from_str(&line).ok();
        last_line = line;
        json?.get("address")?.as_str().map(str::to_owned)
    });
    let address = address.with_context(|| format!("the server did not start: {last_line}"))?;
    // A full pipe would stop the server.
    std::thread::spawn(move || lines.for_each(drop));
    subject(process, &address)
}

/// Two nodes of one thread each: more would take from each other what cores there are. A process
/// that builds at the same time must not look like a Redis that is gone.
fn two_nodes(program: &Path, settings: &str, wire: Wire) -> anyhow::Result<Subject> {
    let redis = Redis::start()?;
    let (url, wire) = (redis.url(), wire.name());
    let settings = format!(
        "{settings}\n[server]\nworkers = 1\n[cluster]\nenabled = true\nrequired = true\n\
         url = \"{url}\"\ntransport = \"{wire}\"\ntimeout_ms = 4000\nlocal_delivery_after_ms = 2000"
    );
    let (first, node) = (server(program, &settings)?, server(program, &settings)?);
    Ok(Subject { other: Some(Box::new(OtherNode { node, redis })), ..first })
}

fn bare_loop() -> anyhow::Result<Subject> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--bare-loop", "0"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot start the bare loop")?;
    let stdout = child.stdout.take().context("the bare loop's address")?;
    let process = Process::new(child, None);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    subject(process, line.trim())
}

fn subject(process: Process, address: &str) -> anyhow::Result<Subject> {
    Ok(Subject {
        pid: process.id(),
        target: Target::parse(&format!("http://{address}"), &TlsTrust::System)?,
        credentials: Credentials::new(ID, KEY, SECRET),
        _process: Some(process),
        other: None,
    })
}
