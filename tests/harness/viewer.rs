//! A viewer of a server's live stream: its rows, one after the other.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

use super::{TestServer, within};

/// An open stream of `GET /internal/v1/stream`.
pub struct Viewer {
    lines: Lines<BufReader<TcpStream>>,
}

impl Viewer {
    /// Looks at a server with `internal.listen`; what happens from now on is shown. `query` begins with `?`.
    pub async fn open(server: &TestServer, query: &str) -> Self {
        let address: SocketAddr = server.internal_address.expect("an address in internal.listen");
        let mut stream = within("a connection", TcpStream::connect(address)).await.unwrap();
        let request = format!("GET /internal/v1/stream{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut viewer = Self { lines: BufReader::new(stream).lines() };
        viewer.row("open").await;
        viewer
    }

    /// The next row of this kind.
    pub async fn row(&mut self, kind: &str) -> Value {
        within(kind, async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("the stream goes on");
                // Other lines are those of the answer and of its chunks.
                let Ok(row) = serde_json::from_str::<Value>(&line) else { continue };
                if row["kind"] == kind {
                    return row;
                }
            }
        })
        .await
    }
}
