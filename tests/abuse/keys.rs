//! Thousands of unknown keys: each is answered, and nothing of them is kept.

use tokio::task::JoinSet;

use crate::canary::Canary;
use crate::harness::{Backend, Program};
use crate::wire::{Wire, handshake};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_unknown_keys_leave_nothing_behind() {
    const KEYS: usize = 4000;
    const AT_ONCE: usize = 50;
    let program = Program::start(&[]).await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let guess = move |number: usize| async move {
        let mut wire = Wire::open(address).await;
        socket2::SockRef::from(&wire.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        wire.send(handshake().replace("reverb-key", &format!("guess-{number}"))).await;
        assert_eq!(wire.reply().await.status, 101);
        wire.farewell().await.code
    };
    let guesses = move |keys: std::ops::Range<usize>| async move {
        let mut clients = JoinSet::new();
        for first in 0..AT_ONCE {
            let keys = keys.clone().skip(first).step_by(AT_ONCE);
            clients.spawn(async move {
                for number in keys {
                    assert_eq!(guess(number).await, Some(4001), "an unknown key");
                }
            });
        }
        clients.join_all().await;
    };
    // The first ones bring tables and allocator to their size.
    guesses(0..KEYS / 4).await;
    let before = program.resident();
    let what = "4 000 unknown keys";
    canary.beside(what, "no key: nothing is kept", guesses(KEYS..2 * KEYS)).await;
    let grown = program.resident().saturating_sub(before);
    println!("{what}: {} KiB more resident", grown >> 10);
    assert!(grown < 8 << 20, "{grown} bytes for {KEYS} unknown keys");
    let mut backend = Backend::new(address, "123456", "reverb-key", "reverb-secret");
    assert_eq!(backend.get("/connections", &[]).await.body, r#"{"connections":1}"#);
}
