//! Those who look at the server: viewers of the live stream, who read everything and throw it away, and pages that ask
//! for lists again and again.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};

/// How a row begins.
const ROW: &[u8] = b"{\"at_ms\":";

/// A viewer that is open until the server ends.
pub(crate) struct Viewer {
    rows: Arc<AtomicUsize>,
}

impl Viewer {
    /// Opens the stream of the internal listener at this address, with this query.
    pub(crate) fn open(address: &str, query: &str) -> anyhow::Result<Self> {
        let mut stream =
            TcpStream::connect(address).with_context(|| format!("no answer at {address}"))?;
        let request =
            format!("GET /internal/v1/stream?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut bytes = vec![0; 65536];
        // The head of the answer: the tap is open.
        ensure!(stream.read(&mut bytes)? > 0, "{address} closed the connection");
        let rows = Arc::new(AtomicUsize::new(0));
        let counted = rows.clone();
        std::thread::spawn(move || {
            while let Ok(read @ 1..) = stream.read(&mut bytes) {
                // Neither lines that count others, nor those of the transfer coding.
                let rows = memchr::memmem::find_iter(&bytes[..read], ROW).count();
                counted.fetch_add(rows, Ordering::Relaxed);
            }
        });
        Ok(Self { rows })
    }

    /// The rows that came so far.
    pub(crate) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }
}

/// A page that asks for the same resources in turn, until it ends.
pub(crate) struct Page {
    end: Sender<()>,
    thread: JoinHandle<anyhow::Result<usize>>,
}

impl Page {
    /// Asks the internal listener at this address, with a pause behind each round.
    pub(crate) fn open(
        address: &'static str,
        resources: &'static [&'static str],
        pause: Duration,
    ) -> Self {
        let (end, ends) = mpsc::channel();
        let ask_all = move || {
            for rounds in 1.. {
                for resource in resources {
                    ask(address, resource)?;
                }
                if ends.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                    return Ok(rounds);
                }
            }
            unreachable!("the numbers do not end")
        };
        Self { end, thread: std::thread::spawn(ask_all) }
    }

    /// Closes it; returns how many rounds were answered.
    pub(crate) fn close(self) -> anyhow::Result<usize> {
        drop(self.end);
        self.thread.join().map_err(|_| anyhow!("the page's thread panicked"))?
    }
}

/// One answer, on a connection of its own.
fn ask(address: &str, resource: &str) -> anyhow::Result<()> {
    let failed = || format!("no answer to /internal/v1/{resource} at {address}");
    let mut stream = TcpStream::connect(address).with_context(failed)?;
    let request = format!(
        "GET /internal/v1/{resource} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(failed)?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}: {}", failed(), answer.escape_ascii());
    Ok(())
}
