//! Viewers of the live stream: they read everything and throw it away.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};

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
                let lines = memchr::memchr_iter(b'\n', &bytes[..read]).count();
                counted.fetch_add(lines, Ordering::Relaxed);
            }
        });
        Ok(Self { rows })
    }

    /// The rows that came so far.
    pub(crate) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }
}
