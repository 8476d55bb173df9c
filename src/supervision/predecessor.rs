//! The connection between a process and the one that takes over from it, and its end in the latter.
//!
//! Owns what the two send each other. When they do is left to `cli`.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use anyhow::Context;

/// The name under which the connection is passed on among the listening sockets.
pub(super) const NAME: &str = "predecessor";

/// From the successor: it accepts connections.
pub(super) const READY: &[u8] = b"READY=1";

/// The answer: it is the main process of the service from now on.
pub(super) const TAKE_OVER: &[u8] = b"MAINPID=1";

/// How long a successor waits for that answer before it counts the process before it as gone.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The process that this one takes over from.
#[derive(Debug)]
pub struct Predecessor(pub(super) UnixDatagram);

impl Predecessor {
    /// Reports that this process accepts connections, and returns when it is the main process of the service.
    pub async fn relieve(self) -> anyhow::Result<()> {
        self.0.set_nonblocking(true)?;
        let link = tokio::net::UnixDatagram::from_std(self.0)?;
        link.send(READY).await.context("it has ended")?;
        let mut answer = [0; TAKE_OVER.len()];
        let answered = tokio::time::timeout(ANSWER_TIMEOUT, link.recv(&mut answer)).await;
        answered.context("it does not answer")??;
        Ok(())
    }
}
