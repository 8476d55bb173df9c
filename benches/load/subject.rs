//! The processes that are measured: this server, the bare loop, a peer that runs already.
//!
//! Owns how each is started and that it ends. Refuses to know what is done to it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use resound::app::Secret;
use resound::load::{Credentials, Target};

use crate::options::Peer;

const ID: &str = "load";
const KEY: &str = "load-key";
const SECRET: &str = "load-secret";

/// Which of them it is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// This server, as the binary at that path.
    Server(PathBuf),
    /// What the kernel allows.
    BareLoop,
    /// Another server.
    Peer(Box<Peer>),
}

/// One process under load.
pub(crate) struct Subject {
    pub(crate) pid: u32,
    pub(crate) target: Target,
    pub(crate) credentials: Credentials,
    /// Killed when this is dropped; a peer is left alone.
    _process: Option<Process>,
}

impl Kind {
    /// The heading of its column.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Server(_) => "Resound",
            Self::BareLoop => "bare loop",
            Self::Peer(peer) => &peer.name,
        }
    }

    /// Starts it, unless it runs. `settings` are keys of the server's file, those of `[app]` first.
    pub(crate) fn start(&self, settings: &str) -> anyhow::Result<Subject> {
        match self {
            Self::Server(program) => server(program, settings),
            Self::BareLoop => bare_loop(),
            Self::Peer(peer) => Ok(Subject {
                pid: peer.pid,
                target: peer.target.clone(),
                credentials: peer.credentials.clone(),
                _process: None,
            }),
        }
    }
}

fn server(program: &Path, settings: &str) -> anyhow::Result<Subject> {
    let folder = Folder::new()?;
    let file = folder.0.join("load.toml");
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
    let process = Process { child, _folder: Some(folder) };
    let mut lines = BufReader::new(stderr).lines();
    let mut said = String::new();
    let address = lines.find_map(|line| {
        let line = line.ok()?;
        let json: Option<serde_json::Value> = serde_json::from_str(&line).ok();
        said = line;
        json?.get("address")?.as_str().map(str::to_owned)
    });
    let address = address.with_context(|| format!("the server did not start: {said}"))?;
    // A full pipe would stop the server.
    std::thread::spawn(move || lines.for_each(drop));
    process.at(&address)
}

fn bare_loop() -> anyhow::Result<Subject> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--bare-loop", "0"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot start the bare loop")?;
    let stdout = child.stdout.take().context("the bare loop's address")?;
    let process = Process { child, _folder: None };
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    process.at(line.trim())
}

struct Process {
    child: Child,
    _folder: Option<Folder>,
}

impl Process {
    fn at(self, address: &str) -> anyhow::Result<Subject> {
        let secret = Secret::new(SECRET);
        Ok(Subject {
            pid: self.child.id(),
            target: Target::parse(&format!("http://{address}"))?,
            credentials: Credentials { app_id: ID.to_owned(), key: KEY.to_owned(), secret },
            _process: Some(self),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("resound-load-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {path:?}"))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
