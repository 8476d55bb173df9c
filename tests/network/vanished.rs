//! Clients whose packets vanish: the server gets neither a reset nor an end.

use std::time::{Duration, Instant};

use crate::harness::{TestSocket, eventually};
use crate::switch::Switch;

const PINGS: [(&str, &str); 2] =
    [("RESOUND_APP_PING_INTERVAL", "1"), ("RESOUND_APP_PONG_TIMEOUT_SECONDS", "1")];

async fn join(socket: &mut TestSocket, user: &str) {
    let data = format!(r#"{{"user_id":"{user}"}}"#);
    socket.subscribe_signed("presence-room", Some(&data)).await;
}

/// The next message but pings, which it answers.
async fn receives(socket: &mut TestSocket) -> String {
    loop {
        let text = socket.receive().await;
        if !text.contains("pusher:ping") {
            return text;
        }
        socket.send_text(r#"{"event":"pusher:pong","data":{}}"#).await;
    }
}

/// It was sent nothing but pings of a server that had to wait for it.
async fn receives_nothing(socket: &mut TestSocket) {
    let mut received = socket.receive_all().await;
    received.retain(|text| !text.contains("pusher:ping"));
    assert_eq!(received, [""; 0]);
}

pub(crate) async fn a_client_whose_link_is_cut_leaves_its_channels_when_pings_end_it() {
    let switch = Switch::new();
    let (server, stays, vanishes) = (switch.host(), switch.host(), switch.host());
    let program = server.serve(&PINGS).await;
    let mut staying = stays.socket(&program).await;
    join(&mut staying, "stays").await;
    let mut vanishing = vanishes.socket(&program).await;
    join(&mut vanishing, "vanishes").await;
    assert!(receives(&mut staying).await.contains("member_added"));

    vanishes.link.cut();
    let begin = Instant::now();
    let left = receives(&mut staying).await;
    let took = begin.elapsed();
    assert_eq!(
        left,
        r#"{"event":"pusher_internal:member_removed","data":"{\"user_id\":\"vanishes\"}","channel":"presence-room"}"#
    );
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(40), "{took:?}");

    // The kernel of the server sends again what it holds: the reason and the close frame.
    vanishes.link.heal();
    let (texts, close) = vanishing.receive_close().await;
    let code = close.map(|close| u16::from(close.code));
    assert_eq!(code, Some(4201), "{texts:?}");
}

/// A telephone that leaves the building: its old connection is dead and not yet ended when the user
/// comes back over another network.
pub(crate) async fn a_user_that_changes_networks_stays_a_member() {
    let switch = Switch::new();
    let (server, stays) = (switch.host(), switch.host());
    let (first_network, second_network) = (switch.host(), switch.host());
    let program = server.serve(&PINGS).await;
    let mut staying = stays.socket(&program).await;
    join(&mut staying, "stays").await;
    let mut old = first_network.socket(&program).await;
    join(&mut old, "moves").await;
    assert!(receives(&mut staying).await.contains("member_added"));
    first_network.link.cut();
    let mut new = second_network.socket(&program).await;
    join(&mut new, "moves").await;

    let mut backend = stays.backend(&program).await;
    let path = "/channels/presence-room";
    eventually("the old connection to be ended", async || {
        for socket in [&mut staying, &mut new] {
            receives_nothing(socket).await;
        }
        let answer = backend.get(path, &[("info", "user_count,subscription_count")]).await.json();
        assert_eq!(answer["user_count"], 2, "{answer}");
        answer["subscription_count"] == 2
    })
    .await;
    receives_nothing(&mut staying).await;
    drop(new);
    assert!(receives(&mut staying).await.contains("member_removed"));
}

/// For less time than the pings take: TCP sends again what vanished.
pub(crate) async fn a_client_whose_link_is_cut_and_healed_misses_nothing() {
    let switch = Switch::new();
    let (server, near, shaky) = (switch.host(), switch.host(), switch.host());
    let program = server.serve(&[]).await;
    let mut socket = shaky.socket(&program).await;
    socket.subscribe("room").await;
    let mut backend = near.backend(&program).await;
    shaky.link.cut();
    for count in 0..100 {
        backend.trigger("room", "event", &count.to_string()).await;
    }
    shaky.link.heal();
    for count in 0..100 {
        assert_eq!(socket.receive_json().await["data"], count.to_string());
    }
    assert_eq!(socket.receive_all().await, [""; 0]);
    assert!(server.segments_sent_again() > 0, "the link was cut");
}
