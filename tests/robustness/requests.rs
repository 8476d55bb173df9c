//! Requests by hand, and what is answered to them.

use crate::bystander::{Bystander, backend};
use crate::harness::TestServer;
use crate::wire::{Reply, Wire};

pub(crate) const EVENTS: &str = "/apps/123456/events";
pub(crate) const CHANNELS: &str = "/apps/123456/channels";
pub(crate) const EVENT: &str = r#"{"name":"event","channels":["channel"],"data":"{}"}"#;

/// A request with these header lines, each ended.
pub(crate) fn request(method: &str, target: &str, fields: &str, body: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n{body}")
}

/// The header line for a body.
pub(crate) fn content_length(body: &str) -> String {
    format!("Content-Length: {}\r\n", body.len())
}

/// A target with the signature of a path and body, which may be others than those sent.
pub(crate) fn signed(server: &TestServer, method: &str, path: &str, body: &str) -> String {
    let query = backend(server.address).query(method, path, &[], body);
    format!("{path}?{query}")
}

pub(crate) async fn ask(server: &TestServer, bytes: impl AsRef<[u8]>) -> Reply {
    let mut wire = Wire::open(server.address).await;
    wire.send(bytes).await;
    wire.reply().await
}

/// Each request is answered with the status and a text that holds the part.
pub(crate) async fn check(server: &TestServer, cases: &[(&str, String, u16, &str)]) {
    let mut bystander = Bystander::at(server.address).await;
    for (name, bytes, status, part) in cases {
        let reply = ask(server, bytes).await;
        assert_eq!(reply.status, *status, "{name}: {reply:?}");
        assert!(reply.body.contains(part), "{name}: {:?} does not say {part:?}", reply.body);
        bystander.is_served().await;
    }
}
