//! The control socket of a server process: how a command of the same machine requests something from it and
//! waits for the result, which a signal cannot carry.
//!
//! Owns its protocol (a word there, a line back). What is requested is done by the receiver.

use std::io;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::abstract_socket::{connect, is_of_owner, listen, name_of};

/// How long a client may take to send its word.
const WORD_TIMEOUT: Duration = Duration::from_secs(1);

/// Longer than any word.
const WORD_BYTES_MAX: usize = 32;

/// Before the text of an answer.
const DONE: &str = "done ";
const FAILED: &str = "failed ";

/// Requests that wait for this process to receive them; further clients wait in the backlog.
const REQUESTS_MAX: usize = 4;

/// Receives requests for this process.
#[derive(Debug)]
pub struct ControlSocket {
    requests: mpsc::Receiver<ControlRequest>,
    /// Ends with the socket.
    _accepting: JoinSet<()>,
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct ControlRequest {
    /// What is requested.
    pub word: String,
    stream: UnixStream,
}

impl ControlSocket {
    /// Listens for requests. Signals do the same work, so a socket that cannot be had is a line in the log.
    pub fn listen() -> Self {
        let (received, requests) = mpsc::channel(REQUESTS_MAX);
        let mut accepting = JoinSet::new();
        match name_of(std::process::id()).and_then(|name| listen(&name)) {
            Ok(listener) => drop(accepting.spawn(accept(listener, received))),
            Err(error) => {
                tracing::info!(%error, "no control socket: commands cannot reach this process")
            }
        }
        Self { requests, _accepting: accepting }
    }

    /// Waits for the next request; never returns without a socket. Nothing is lost if the wait is given up.
    pub async fn next(&mut self) -> ControlRequest {
        match self.requests.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }
}

/// Reads one request after the other: each client has a second.
async fn accept(listener: UnixListener, received: mpsc::Sender<ControlRequest>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Some(request) = ControlRequest::read(stream).await else { continue };
                if received.send(request).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the control socket accepts nothing");
                tokio::time::sleep(WORD_TIMEOUT).await;
            }
        }
    }
}

impl ControlRequest {
    async fn read(mut stream: UnixStream) -> Option<Self> {
        if !is_of_owner(&stream) {
            let user = stream.peer_cred().ok()?.uid();
            tracing::warn!(
                user,
                "a request of another user on the control socket is refused: run the command as the user of the server, or as root"
            );
            let _ = stream.write_all(format!("{FAILED}it runs as another user: run the command as that user, or as root\n").as_bytes()).await;
            return None;
        }
        let mut word = Vec::new();
        let mut bounded = (&mut stream).take(WORD_BYTES_MAX as u64);
        tokio::time::timeout(WORD_TIMEOUT, bounded.read_to_end(&mut word)).await.ok()?.ok()?;
        let word = String::from_utf8(word).ok()?.trim().to_owned();
        Some(Self { word, stream })
    }

    /// Answers, with what was done or why it was not. A client that is gone gets none.
    pub async fn answer(mut self, result: Result<String, String>) {
        let line = match result {
            Ok(done) => format!("{DONE}{done}\n"),
            Err(reason) => format!("{FAILED}{reason}\n"),
        };
        let _ = tokio::time::timeout(WORD_TIMEOUT, self.stream.write_all(line.as_bytes())).await;
    }
}

/// Requests something from the process `pid`; returns what it did. An error is the reason that it gave, or
/// why it could not be asked.
pub async fn request(pid: u32, word: &str) -> anyhow::Result<String> {
    let connected = name_of(pid).and_then(|name| connect(&name));
    let mut stream = connected
        .with_context(|| format!("process {pid} is no server of this program that runs here"))?;
    stream.write_all(word.as_bytes()).await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    match (answer.trim_end().strip_prefix(DONE), answer.trim_end().strip_prefix(FAILED)) {
        (Some(done), _) => Ok(done.to_owned()),
        (_, Some(reason)) => bail!("{reason}"),
        _ => bail!("process {pid} ended before it answered; its log has why"),
    }
}

/// The servers of this machine that can be asked, by their process ids. Other users' are among them.
pub fn running() -> io::Result<Vec<u32>> {
    let prefix = format!("@{}", name_of(0)?.trim_end_matches('0'));
    let sockets = std::fs::read_to_string("/proc/net/unix")?;
    let names = sockets.lines().filter_map(|line| line.split_whitespace().last());
    let mut running: Vec<u32> =
        names.filter_map(|name| name.strip_prefix(&prefix)?.parse().ok()).collect();
    // A connection has the name of its listener.
    running.sort_unstable();
    running.dedup();
    Ok(running)
}

#[cfg(test)]
mod tests {
    use super::{ControlSocket, request, running};

    #[tokio::test]
    async fn a_request_is_answered_with_what_was_done_or_why_it_was_not() {
        let pid = std::process::id();
        let unreachable = format!("process {pid} is no server of this program that runs here");
        assert_eq!(request(pid, "upgrade").await.unwrap_err().to_string(), unreachable);
        let mut socket = ControlSocket::listen();
        assert!(running().unwrap().contains(&pid));
        let serve = async {
            for result in [Ok("process 7 serves".to_owned()), Err("no such file".to_owned())] {
                let request = socket.next().await;
                assert_eq!(request.word, "upgrade");
                request.answer(result).await;
            }
            drop(socket.next().await);
        };
        let ask = async {
            assert_eq!(request(pid, "upgrade").await.unwrap(), "process 7 serves");
            assert_eq!(request(pid, "upgrade").await.unwrap_err().to_string(), "no such file");
            let ended = format!("process {pid} ended before it answered; its log has why");
            assert_eq!(request(pid, "upgrade").await.unwrap_err().to_string(), ended);
        };
        tokio::join!(serve, ask);
    }
}
