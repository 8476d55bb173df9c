//! The process that takes over from this one: the program as it is on disk now, with the same arguments and
//! the listening sockets of this process.
//!
//! Owns its start, and the connection on which it reports that it accepts connections. Until then it is a
//! second process that waits, and ending it changes nothing.

use std::env;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, bail};
use command_fds::{CommandFdExt, FdMapping};
use tokio::process::Child;
use tokio::time::Instant;

use super::inheritance::PassedSocket;
use super::predecessor::{NAME, READY, TAKE_OVER};

/// The first descriptor that is passed on, as systemd numbers them.
const FIRST_DESCRIPTOR: i32 = 3;

/// A process that was started to take over.
#[derive(Debug)]
pub struct Successor {
    child: Child,
    link: tokio::net::UnixDatagram,
    timeout: Duration,
    deadline: Instant,
}

impl Successor {
    /// Starts it; it has `timeout` until it must accept connections.
    pub fn start(sockets: Vec<PassedSocket>, timeout: Duration) -> anyhow::Result<Self> {
        if std::process::id() == 1 {
            bail!("the first process of a container cannot be replaced: start another container");
        }
        let (ours, theirs) = UnixDatagram::pair()?;
        ours.set_nonblocking(true)?;
        let mut passed: Vec<_> = sockets.into_iter().map(PassedSocket::into_descriptor).collect();
        passed.push((NAME.to_owned(), theirs.into()));
        let mut arguments = env::args_os();
        let program = arguments.next().context("this process has no name")?;
        let (names, descriptors): (Vec<_>, Vec<_>) = passed.into_iter().unzip();
        let mut command = Command::new(&program);
        command.args(arguments);
        // Without LISTEN_PID, which nothing knows before the start. The watchdog is that of the main process,
        // whose number changes.
        command.env_remove("LISTEN_PID").env_remove("WATCHDOG_PID");
        command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        let mappings = descriptors.into_iter().zip(FIRST_DESCRIPTOR..);
        let mappings = mappings.map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd });
        command.fd_mappings(mappings.collect())?;
        // Dropped at the end, so that its ends of the descriptors are closed here.
        let mut command = tokio::process::Command::from(command);
        let child = command.spawn();
        let child = child.with_context(|| format!("cannot start {}", program.display()))?;
        let link = tokio::net::UnixDatagram::from_std(ours)?;
        Ok(Self { child, link, timeout, deadline: Instant::now() + timeout })
    }

    /// Its process id; `None` once it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it accepts connections. An error is the reason why it does not; it is to be ended then.
    /// Nothing is lost if the wait is given up and begun again.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let mut report = [0; READY.len()];
        tokio::select! {
            received = self.link.recv(&mut report) => match received {
                Ok(length) if &report[..length] == READY => Ok(()),
                _ => bail!("it sent no report that can be read"),
            },
            ended = self.child.wait() => bail!("it ended with {}; its log says why", in_words(ended?)),
            () = tokio::time::sleep_until(self.deadline) => bail!(
                "it did not accept connections within {:?} (server.upgrade_timeout_seconds)",
                self.timeout
            ),
        }
    }

    /// Ends it, whatever it does.
    pub async fn end(mut self) {
        // It may be gone already.
        let _ = self.child.kill().await;
    }

    /// Makes it the main process. An error is that process gone: this one has to go on.
    pub async fn take_over(&mut self) -> anyhow::Result<()> {
        self.link.send(TAKE_OVER).await.context("it has ended")?;
        Ok(())
    }
}

fn in_words(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}
