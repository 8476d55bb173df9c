//! A subscriber that did nothing wrong: its events go on arriving, whatever other peers do.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::harness::{Backend, TestSocket};

/// What one event may take on a busy two-core machine, while another peer misbehaves.
const PROMPT: Duration = Duration::from_secs(20);

pub(crate) use crate::harness::wire::APP;

/// A back end of Reverb's test app.
pub(crate) fn backend(address: SocketAddr) -> Backend {
    Backend::new(address, "123456", "reverb-key", "reverb-secret")
}

/// A subscriber and the back end that publishes to it, both over connections of their own.
pub(crate) struct Bystander {
    socket: TestSocket,
    backend: Backend,
    /// Its own, so that several may stand by.
    channel: String,
    events: u32,
}

impl Bystander {
    pub(crate) async fn at(address: SocketAddr) -> Self {
        let mut socket = TestSocket::greeted(address, APP).await;
        let channel = format!("bystander-{}", socket.id);
        socket.subscribe(&channel).await;
        let mut bystander = Self { socket, backend: backend(address), channel, events: 0 };
        bystander.is_served().await;
        bystander
    }

    /// The next event is the next thing that is received, but for pings, and soon.
    pub(crate) async fn is_served(&mut self) {
        let begin = Instant::now();
        self.events += 1;
        let count = self.events.to_string();
        self.backend.trigger(&self.channel, "event", &count).await;
        let mut received = self.socket.receive_json().await;
        while received["event"] == "pusher:ping" {
            self.socket.send_text(r#"{"event":"pusher:pong","data":{}}"#).await;
            received = self.socket.receive_json().await;
        }
        assert_eq!(received["data"], count, "{received}");
        let took = begin.elapsed();
        assert!(took < PROMPT, "the bystander's event took {took:?}");
    }
}
