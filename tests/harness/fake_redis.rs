//! A server that speaks as much of the Redis protocol as a node needs to be refused: for versions and states
//! that cannot be had from a real Redis in a test.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Answers each command with what `answer` makes of its name, until it is dropped.
pub struct FakeRedis {
    pub address: SocketAddr,
    serving: JoinHandle<()>,
}

/// The answer to `HELLO 3`.
pub const HELLO: &str = "%1\r\n$5\r\nproto\r\n:3\r\n";

impl FakeRedis {
    pub async fn start(answer: fn(&str) -> String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            while let Ok((peer, _)) = listener.accept().await {
                tokio::spawn(serve(peer, answer));
            }
        });
        Self { address, serving }
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }
}

impl Drop for FakeRedis {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(peer: TcpStream, answer: fn(&str) -> String) {
    let mut peer = BufReader::new(peer);
    while let Some(name) = read_command(&mut peer).await {
        if peer.write_all(answer(&name).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The name of the next command, in capitals, with its subcommand: `CLIENT ID`.
async fn read_command(peer: &mut BufReader<TcpStream>) -> Option<String> {
    let words = read_number(peer, '*').await?;
    let mut name = Vec::new();
    for _ in 0..words {
        let length = read_number(peer, '$').await?;
        let mut word = vec![0; length + 2];
        peer.read_exact(&mut word).await.ok()?;
        name.push(String::from_utf8_lossy(&word[..length]).to_uppercase());
    }
    name.truncate(2);
    Some(name.join(" "))
}

async fn read_number(peer: &mut BufReader<TcpStream>, sign: char) -> Option<usize> {
    let mut line = String::new();
    peer.read_line(&mut line).await.ok()?;
    line.strip_prefix(sign)?.trim_end().parse().ok()
}
