//! The echo server as a program, for any suite that tests servers: `cargo run --release --example echo -- 127.0.0.1:9001`.

#![allow(clippy::print_stdout, reason = "its output is its address")]

mod echo;

use std::io;

use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("echoes at ws://{}", listener.local_addr()?);
    match echo::serve(listener).await? {}
}
