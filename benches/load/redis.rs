//! A real Redis of the bench's own, on a free port, which keeps nothing.
//!
//! Owns its start and its end.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::process::{Folder, Process};

/// Another process may take the port before Redis does.
const TRIES: usize = 5;

/// A running `redis-server`.
pub(crate) struct Redis {
    port: u16,
    process: Process,
}

impl Redis {
    /// With further options; `$free` in one of them is a port without a listener.
    pub(crate) fn start(options: &[&str]) -> anyhow::Result<Self> {
        for _ in 0..TRIES {
            if let Some(redis) = Self::at(free_port()?, options)? {
                return Ok(redis);
            }
        }
        bail!("redis-server ends at once")
    }

    /// `None` if it ends at once.
    fn at(port: u16, options: &[&str]) -> anyhow::Result<Option<Self>> {
        let folder = Folder::new()?;
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.arg("--port").arg(port.to_string()).arg("--dir").arg(folder.path());
        for option in options {
            command.arg(option.replace("$free", &free_port()?.to_string()));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let missing = "redis-server cannot be started: install the package redis-server";
        let mut child = command.spawn().context(missing)?;
        let stdout = child.stdout.take().context("the log of Redis")?;
        let process = Process::new(child, Some(folder));
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let is_ready = lines.any(|line| line.contains("eady to accept connections"));
        // A full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(is_ready.then_some(Self { port, process }))
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
