//! A relay in front of a Redis: it passes octets on, delays them, or holds them while every connection stays open.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

/// What it does to octets, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    Open,
    /// Each octet is so late; the order stays.
    Delayed(Duration),
    /// None passes, and none is lost.
    Held,
}

/// A relay, until it is dropped.
pub(crate) struct Relay {
    address: SocketAddr,
    passage: watch::Sender<Passage>,
    serving: AbortHandle,
}

impl Relay {
    pub(crate) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (passage, watched) = watch::channel(Passage::Open);
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                connections.spawn(relay(near, port, watched.clone()));
            }
        });
        Self { address, passage, serving: serving.abort_handle() }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub(crate) fn set(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn relay(near: TcpStream, port: u16, passage: watch::Receiver<Passage>) {
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let there = carry(near_in, far_out, passage.clone());
    let back = carry(far_in, near_out, passage);
    tokio::join!(there, back);
}

/// Reads at once and writes when it is time: what a peer sends meanwhile is under way, as on a long line.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, passage: watch::Receiver<Passage>) {
    let (under_way, mut due) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let mut at_exit = passage.clone();
    let depart = async move {
        let mut chunk = vec![0; 65536];
        while let Ok(bytes @ 1..) = from.read(&mut chunk).await {
            let delay = match *passage.borrow() {
                Passage::Delayed(delay) => delay,
                Passage::Open | Passage::Held => Duration::ZERO,
            };
            let _ = under_way.send((Instant::now() + delay, chunk[..bytes].to_vec()));
        }
    };
    let arrive = async move {
        while let Some((time, chunk)) = due.recv().await {
            tokio::time::sleep_until(time).await;
            let is_open = at_exit.wait_for(|passage| *passage != Passage::Held).await.is_ok();
            if !is_open || to.write_all(&chunk).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(depart, arrive);
}
