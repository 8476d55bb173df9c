//! A reader that is slow, and one that takes nothing.

use std::time::{Duration, Instant};

use crate::harness::wire::{TEXT, Wire, frame};
use crate::harness::{Backend, Program, eventually};
use crate::host::Host;
use crate::switch::Switch;

const CHANNELS: usize = 20;
const EVENT_BYTES: usize = 100_000;

/// Between two messages that the slow reader takes: 500 KB a second, for 4 s.
const PAUSE: Duration = Duration::from_millis(200);

/// For a peer to take something; half of what the slow reader needs for all.
const WRITE_TIMEOUT: [(&str, &str); 1] = [("RESOUND_WEBSOCKET_WRITE_TIMEOUT_SECONDS", "2")];

/// So little that the server cannot get rid of what the reader does not take.
const RECEIVE_BYTES: Option<u32> = Some(16_384);

fn channel(number: usize) -> String {
    format!("cache-{number:02}")
}

fn data(number: usize) -> String {
    format!("{number:02}{}", "c".repeat(EVENT_BYTES - 2))
}

/// A server whose cache channels hold 2 MB, its back end, and a reader that requested all of them at
/// once: more than its outbox and the buffers of the kernel hold.
async fn asked(server: &Host, client: &Host) -> (Program, Backend, Wire) {
    let program = server.serve(&WRITE_TIMEOUT).await;
    let mut backend = client.backend(&program).await;
    for number in 0..CHANNELS {
        backend.trigger(&channel(number), "event", &data(number)).await;
    }
    let mut wire = client.wire(&program, RECEIVE_BYTES).await;
    let subscribe = |number| {
        let channel = channel(number);
        let text = format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}"}}}}"#);
        frame(TEXT, text)
    };
    wire.send((0..CHANNELS).flat_map(subscribe).collect::<Vec<u8>>()).await;
    (program, backend, wire)
}

pub(crate) async fn one_that_reads_slowly_but_steadily_is_never_closed() {
    let switch = Switch::new();
    let (server, client) = (switch.host(), switch.host());
    let (_program, _backend, mut wire) = asked(&server, &client).await;
    let mut pace = tokio::time::interval(PAUSE);
    for number in 0..CHANNELS {
        pace.tick().await;
        assert!(wire.text().await.contains("subscription_succeeded"), "of channel {number}");
        let expected = format!(
            r#"{{"event":"event","data":"{}","channel":"{}"}}"#,
            data(number),
            channel(number)
        );
        assert!(wire.text().await == expected, "the last event of channel {number}");
    }
}

pub(crate) async fn one_that_takes_nothing_is_closed_when_its_time_is_over() {
    let switch = Switch::new();
    let (server, client) = (switch.host(), switch.host());
    let (_program, mut backend, mut wire) = asked(&server, &client).await;
    let begin = Instant::now();
    let path = format!("/channels/{}", channel(0));
    let count = [("info", "subscription_count")];
    let has = async |backend: &mut Backend, expected: u32| {
        backend.get(&path, &count).await.json()["subscription_count"] == expected
    };
    eventually("the reader to subscribe", async || has(&mut backend, 1).await).await;
    eventually("the reader to be closed", async || has(&mut backend, 0).await).await;
    let took = begin.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(40), "{took:?}");
    wire.is_cut_off().await;
}
