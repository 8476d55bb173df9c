//! Bombs of compression from many sockets at once.

use std::io::Write;
use std::net::SocketAddr;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use tokio::task::JoinSet;

use crate::canary::Canary;
use crate::harness::Program;
use crate::wire::{GOES_ON_LAST, TEXT, TEXT_BEGINS, Wire, frame, handshake};

/// RSV1, which marks the first frame of a deflated message.
const DEFLATED: u8 = 0x40;

/// 9 KB that stand for 9 MB, below the limit of a message as they are.
fn bomb() -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b' '; 9 << 20]).unwrap();
    encoder.flush().unwrap();
    let mut deflated = encoder.get_ref().clone();
    deflated.truncate(deflated.len() - 4);
    assert!(deflated.len() < 10_000);
    deflated
}

async fn deflating(address: SocketAddr) -> Wire {
    let mut wire = Wire::open(address).await;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    let shake = handshake();
    wire.send(format!("{}{offer}", shake.strip_suffix("\r\n").unwrap())).await;
    assert!(wire.head().await.contains("permessage-deflate"));
    assert!(wire.text().await.contains("connection_established"));
    wire
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_bombs_are_inflated_up_to_the_limit_of_a_message() {
    const BOMBS: usize = 300;
    let program = Program::start(&[]).await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let before = program.resident();
    let flood = async move {
        let bomb = bomb();
        let (begin, end) = bomb.split_at(bomb.len() / 2);
        let whole = frame(TEXT | DEFLATED, &bomb);
        let pieces = [frame(TEXT_BEGINS | DEFLATED, begin), frame(GOES_ON_LAST, end)].concat();
        let mut peers = JoinSet::new();
        for number in 0..BOMBS {
            let bytes = if number % 2 == 0 { whole.clone() } else { pieces.clone() };
            peers.spawn(async move {
                let mut wire = deflating(address).await;
                wire.send(bytes).await;
                wire.farewell().await.code
            });
        }
        peers.join_all().await
    };
    let codes = canary.beside("300 bombs of 9 MB", "app.max_message_size = 10000", flood).await;
    assert!(codes.iter().all(|code| *code == Some(1009)), "{codes:?}");
    let grown = program.resident().saturating_sub(before);
    println!("300 bombs that stand for 2.8 GB: {} KiB more resident", grown >> 10);
    assert!(grown < 32 << 20, "{grown} bytes");
}
