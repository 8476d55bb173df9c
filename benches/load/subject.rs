//! The processes that are measured: this server, two nodes and their Redis servers, the bare loop, a peer
//! that runs already.
//!
//! Owns how each is started and ended. What is measured is left to the scenarios.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use resound_load::{Credentials, Target, TlsTrust};

use crate::callgrind::Callgrind;
use crate::options::Peer;
use crate::process::{Folder, Process};
use crate::redis::Redis;
use crate::redis_servers::Layout;

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
    /// Two of it and several Redis servers, or several partitions.
    Spread(Box<Spread>),
    /// This server with one worker, under Callgrind.
    Counted(PathBuf),
    /// Two of these and one Redis.
    TwoCounted(PathBuf),
    /// What the kernel allows.
    BareLoop,
    /// Another server.
    Peer(Box<Peer>),
}

/// Two nodes with channels that may be spread over partitions, and those over servers.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    pub(crate) program: PathBuf,
    pub(crate) heading: &'static str,
    pub(crate) layout: Layout,
    pub(crate) wire: Wire,
    pub(crate) partitions: u32,
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
    callgrind: Option<Callgrind>,
    /// Killed when this is dropped; a peer is left alone.
    _process: Option<Process>,
    /// Only of two nodes. Below the process, so that Redis outlives both.
    other: Option<Box<OtherNode>>,
}

/// The second node, and the Redis servers of both.
struct OtherNode {
    node: Subject,
    servers: Vec<Redis>,
}

impl Subject {
    /// The node where the subscribers of an event are: another one than this, if there is one.
    pub(crate) fn far(&self) -> &Self {
        self.other.as_ref().map_or(self, |other| &other.node)
    }

    /// What it has executed since this was called last.
    pub(crate) fn instructions(&self) -> anyhow::Result<u64> {
        self.callgrind.as_ref().context("not under Callgrind")?.take(self.pid)
    }

    /// Whether this node has all its links to Redis.
    pub(crate) fn is_linked(&self) -> anyhow::Result<bool> {
        let mut stream = TcpStream::connect(self.target.resolve()?)?;
        stream.write_all(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.contains(r#""cluster":"connected""#))
    }

    /// The Redis servers of the nodes; none of one node.
    pub(crate) fn servers(&self) -> &[Redis] {
        self.other.as_ref().map_or(&[], |other| &other.servers)
    }

    /// The first of them.
    pub(crate) fn redis(&self) -> Option<&Redis> {
        self.servers().first()
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
            Self::Spread(spread) => spread.heading,
            Self::Counted(_) | Self::TwoCounted(_) => "instructions",
            Self::BareLoop => "bare loop",
            Self::Peer(peer) => &peer.name,
        }
    }

    /// Starts it, unless it runs. `settings` are keys of the server's file, those of `[app]` first.
    pub(crate) fn start(&self, settings: &str) -> anyhow::Result<Subject> {
        match self {
            Self::Server(program) | Self::OneNode(program) => Run::Plain(program).start(settings),
            Self::Counted(program) => {
                Run::Counted(program).start(&format!("{settings}\n[server]\nworkers = 1"))
            }
            Self::TwoNodes(program, wire) => {
                two_nodes(Run::Plain(program), settings, Layout::One, *wire, 1)
            }
            Self::TwoCounted(program) => {
                two_nodes(Run::Counted(program), settings, Layout::One, Wire::Pubsub, 1)
            }
            Self::Spread(spread) => {
                let Spread { program, layout, wire, partitions, .. } = &**spread;
                two_nodes(Run::Plain(program), settings, *layout, *wire, *partitions)
            }
            Self::BareLoop => bare_loop(),
            Self::Peer(peer) => Ok(Subject {
                pid: peer.pid,
                target: peer.target.clone(),
                credentials: peer.credentials.clone(),
                callgrind: None,
                _process: None,
                other: None,
            }),
        }
    }
}

/// A binary of this server, and how it is run.
#[derive(Debug, Clone, Copy)]
enum Run<'a> {
    Plain(&'a Path),
    Counted(&'a Path),
}

impl Run<'_> {
    fn start(self, settings: &str) -> anyhow::Result<Subject> {
        let folder = Folder::new()?;
        let file = folder.path().join("load.toml");
        let text = format!(
            "[[apps]]\nid = \"{ID}\"\nkey = \"{KEY}\"\nsecret = \"{SECRET}\"\n{settings}\n\
             [log]\nformat = \"json\"\n"
        );
        fs::write(&file, text)?;
        let (program, callgrind) = match self {
            Self::Plain(program) => (program, None),
            Self::Counted(program) => (program, Some(Callgrind::new(folder.path()))),
        };
        let plain = || Command::new(program);
        let command = callgrind.as_ref().map_or_else(plain, |counts| counts.command(program));
        Ok(Subject { callgrind, ..server(command, folder, &file)? })
    }
}

fn server(mut command: Command, folder: Folder, file: &Path) -> anyhow::Result<Subject> {
    command.args(["serve", "--host", "127.0.0.1", "--port", "0", "--config"]).arg(file);
    // Variables of the shell must not configure the server under test.
    command.env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let stderr = child.stderr.take().context("the server's log")?;
    let process = Process::new(child, Some(folder));
    let mut lines = BufReader::new(stderr).lines();
    let mut last_line = String::new();
    let address = lines.find_map(|line| {
        let line = line.ok()?;
        let json: Option<serde_json::Value> = serde_json::from_str(&line).ok();
        last_line = line;
        // A line about a Redis that is not there yet may name an address, too.
        let started = json.filter(|json| json["message"] == "server started")?;
        started["address"].as_str().map(str::to_owned)
    });
    let address = address.with_context(|| format!("the server did not start: {last_line}"))?;
    // A full pipe would stop the server.
    std::thread::spawn(move || lines.for_each(drop));
    subject(process, &address)
}

/// Two nodes of one thread each: more would take from each other what cores there are. A process
/// that builds at the same time must not look like a Redis that is gone.
fn two_nodes(
    run: Run<'_>,
    settings: &str,
    layout: Layout,
    wire: Wire,
    partitions: u32,
) -> anyhow::Result<Subject> {
    let servers = layout.start()?;
    let (addresses, wire) = (layout.addresses(&servers), wire.name());
    let settings = format!(
        "{settings}\n[server]\nworkers = 1\n[cluster]\nenabled = true\nrequired = true\n\
         {addresses}\npartitions = {partitions}\ntransport = \"{wire}\"\ntimeout_ms = 4000\n\
         local_delivery_after_ms = 2000"
    );
    let (first, node) = (run.start(&settings)?, run.start(&settings)?);
    Ok(Subject { other: Some(Box::new(OtherNode { node, servers })), ..first })
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
        callgrind: None,
        _process: Some(process),
        other: None,
    })
}
