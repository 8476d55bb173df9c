//! A drain whose sockets are far away.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};

use crate::harness::wire::Wire;
use crate::harness::{Program, within};
use crate::host::Host;
use crate::line::Shape;
use crate::switch::Switch;

const SOCKETS: usize = 200;
const AWAY: &str = r#"{"event":"pusher:error","data":{"code":4200,"message":"Server is shutting down, reconnect now"}}"#;

/// Publishes over a connection of its own each time, until the first socket is gone; how often. The
/// others are on their way for another 100 ms, so the server cannot have ended.
async fn publishes(host: &Host, server: &Program, one_is_gone: &Cell<bool>) -> usize {
    let mut count = 0;
    while !one_is_gone.get() {
        let mut backend = host.backend(server).await;
        backend.trigger("elsewhere", "event", "during the drain").await;
        count += 1;
    }
    count
}

/// Reads everything up to the close frame.
async fn is_sent_away(wire: &mut Wire) {
    let farewell = wire.farewell().await;
    assert_eq!(farewell.texts.last().map(String::as_str), Some(AWAY));
    assert_eq!(farewell.code, Some(4200));
}

pub(crate) async fn every_socket_100_ms_away_is_sent_away_and_no_publish_is_refused() {
    let switch = Switch::new();
    let (server, near) = (switch.host(), switch.host());
    let far = switch.host_behind(Shape::far(200));
    let program = server.serve(&[("RESOUND_SERVER_DRAIN_SECONDS", "5")]).await;
    let connecting = (0..SOCKETS).map(async |_| {
        let mut wire = far.wire(&program, None).await;
        wire.subscribe("room").await;
        wire
    });
    let mut wires = join_all(connecting).await;
    let one_is_gone = Cell::new(false);
    let begin = Instant::now();
    program.terminate();
    let reading = async {
        join_all(wires.iter_mut().map(async |wire| {
            is_sent_away(wire).await;
            one_is_gone.set(true);
        }))
        .await;
    };
    let (count, ()) =
        within("the drain", join(publishes(&near, &program, &one_is_gone), reading)).await;
    assert!(count > 0, "nothing was published during the drain");
    drop(wires);
    assert_eq!(program.exit_code().await, Some(0));
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(40), "the drain took {took:?}");
}

/// Packets of a client vanish: it answers no close frame, and the drain lasts its time and no longer.
pub(crate) async fn a_client_whose_link_is_cut_does_not_prolong_the_drain() {
    let switch = Switch::new();
    let (server, near, vanished) = (switch.host(), switch.host(), switch.host());
    let drain = ("RESOUND_SERVER_DRAIN_SECONDS", "2");
    let program = server.serve(&[drain, ("RESOUND_WEBSOCKET_CLOSE_TIMEOUT_SECONDS", "600")]).await;
    let mut wire = near.wire(&program, None).await;
    let _unreachable = vanished.wire(&program, None).await;
    vanished.link.cut();
    let begin = Instant::now();
    program.terminate();
    is_sent_away(&mut wire).await;
    drop(wire);
    assert_eq!(program.exit_code().await, Some(0));
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(40), "the drain took {took:?}");
}
