//! The probes: what they answer in each phase of a server, on both listeners.

use std::net::{SocketAddr, TcpListener};

use crate::harness::server::REVERB_APP;
use crate::harness::wire::{Reply, Wire};
use crate::harness::{TestServer, eventually};
use resound::metrics::{Condition, Severity};

/// An address at which nothing listens.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn get(address: SocketAddr, path: &str) -> Reply {
    let mut wire = Wire::open(address).await;
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    wire.reply().await
}

async fn ready(address: SocketAddr) -> (u16, String) {
    let reply = get(address, "/ready").await;
    (reply.status, reply.body)
}

#[tokio::test]
async fn a_server_is_starting_then_ready_then_draining() {
    let metrics = free_address();
    // A Redis that accepts and does not answer: the start waits for it for cluster.timeout_ms.
    let redis = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", redis.local_addr().unwrap());
    let toml = format!(
        "{REVERB_APP}[metrics]\nlisten = \"{metrics}\"\n[cluster]\nenabled = true\nurl = \"{url}\"\n"
    );
    let mut server = TestServer::with(&toml).await;
    let away = r#"{"condition":"redis_away","severity":"degraded","text":"Redis is away: events reach the sockets of this node only; the log names the cause"}"#;
    let starting =
        r#"{"condition":"starting","severity":"unready","text":"the server is starting"}"#;
    let body = format!(r#"{{"ready":false,"cluster":"degraded","reasons":[{starting},{away}]}}"#);
    let mut first = None;
    // Nothing listens before the server has run for the first time.
    eventually("the metrics to be served", async || {
        if tokio::net::TcpStream::connect(metrics).await.is_err() {
            return false;
        }
        first = Some(ready(metrics).await);
        true
    })
    .await;
    assert_eq!(first, Some((503, body)));
    for path in ["/live", "/up"] {
        let live = get(metrics, path).await;
        assert_eq!((live.status, &*live.body), (200, r#"{"health":"OK"}"#), "{path}");
    }

    let body = format!(r#"{{"ready":true,"cluster":"degraded","reasons":[{away}]}}"#);
    eventually("the start to end", async || ready(metrics).await == (200, body.clone())).await;
    assert_eq!(ready(server.address).await, (200, body), "the same on the server's own port");

    // A socket that does not answer the close frame holds the drain up.
    let _socket = Wire::socket(server.address).await;
    server.stop();
    let draining =
        r#"{"condition":"draining","severity":"unready","text":"the server is stopping"}"#;
    let body = format!(r#"{{"ready":false,"cluster":"degraded","reasons":[{draining},{away}]}}"#);
    eventually("the drain", async || ready(metrics).await == (503, body.clone())).await;
    assert_eq!(get(metrics, "/live").await.status, 200, "a liveness probe must not kill a drain");
    assert_eq!(server.metric("resound_condition{condition=\"draining\"}"), 1.0);
    assert_eq!(server.metric("resound_condition{condition=\"starting\"}"), 0.0);
}

#[test]
fn the_guide_explains_every_condition() {
    let guide = std::fs::read_to_string("docker/README.md").unwrap();
    for condition in Condition::ALL {
        let status = match condition.severity() {
            Severity::Unready => "unready, 503",
            Severity::Degraded => "degraded, 200",
        };
        let row = format!("| `{}` | {status} | ", condition.label());
        assert!(guide.contains(&row), "docker/README.md has no row {row}");
    }
}
