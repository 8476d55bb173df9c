//! However a socket ends, the metrics count it once, with the side that ended it.

use crate::harness::{TestServer, eventually};
use crate::wire::{CLOSE, TEXT, Wire, frame};

fn closed(server: &TestServer, by: &str, code: &str) -> f64 {
    server.metric(&format!("resound_connections_closed_total{{by=\"{by}\",code=\"{code}\"}}"))
}

#[tokio::test]
async fn opened_is_open_and_closed_together() {
    let server = TestServer::start().await;
    let _stays = server.connect().await;
    // With a code, with one of its own, without any: the client closes.
    for payload in [&b"\x03\xe9going away"[..], b"\x0f\xa0", b""] {
        let mut wire = Wire::socket(server.address).await;
        wire.send(frame(CLOSE, payload)).await;
        while wire.frame().await.is_some() {}
    }
    // Against the protocol: the server closes.
    let mut wire = Wire::socket(server.address).await;
    wire.send(frame(TEXT, b"\xff")).await;
    assert_eq!(wire.farewell().await.code, Some(1007));
    // The connection ends without a close frame.
    drop(Wire::socket(server.address).await);
    let ended = async || closed(&server, "network", "1006") == 1.0;
    eventually("the connection that is gone to be counted", ended).await;
    for (by, code) in
        [("client", "1001"), ("client", "other"), ("client", "1005"), ("server", "1007")]
    {
        assert_eq!(closed(&server, by, code), 1.0, "{by} {code}");
    }
    // A handshake that is refused opens nothing.
    let mut refused = Wire::open(server.address).await;
    refused.send(crate::wire::handshake().replace("reverb-key", "another-key")).await;
    assert_eq!(refused.reply().await.status, 101);
    assert_eq!(refused.farewell().await.code, Some(4001));
    assert_eq!(server.metric("resound_handshakes_refused_total{code=\"4001\"}"), 1.0);
    let opened = server.metric("resound_connections_opened_total");
    assert_eq!(opened, 6.0);
    assert_eq!(server.metric("resound_connections_closed_total"), 5.0);
    let open = async || server.metric("resound_connections") == 1.0;
    eventually("one to be open", open).await;
}
