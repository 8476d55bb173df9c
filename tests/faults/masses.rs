//! Rows 23 to 25: very many channels, very many subscriptions of one socket, and a webhook endpoint that fails, hangs and comes
//! back. The others lose nothing, and what was taken is free again.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::harness::wire::{Wire, join};
use crate::harness::{Folder, Program};
use crate::node::{Node, own_port, peak};
use crate::publisher::Pace;
use crate::sheet::Line;
use crate::stage::{PROMPT, Stage, until};
use crate::subscriber::GAP_EVENT;

/// Subscribes one socket to so many channels of its own.
async fn subscribe_many(wire: &mut Wire, name: &str, count: usize) {
    // Few enough at a time that neither side waits for the other with full buffers.
    const AT_ONCE: usize = 100;
    for first in (0..count).step_by(AT_ONCE) {
        let batch = first..count.min(first + AT_ONCE);
        let message = |channel: usize| join(&json!({ "channel": format!("{name}-{channel}") }));
        let bytes: Vec<u8> = batch.clone().flat_map(message).collect();
        wire.send(&bytes).await;
        for _ in batch {
            let mut text = wire.text().await;
            // To sockets that wait for their turn for longer than the time between two pings.
            while text.contains("pusher:ping") {
                text = wire.text().await;
            }
            assert!(text.contains("subscription_succeeded"), "{text}");
        }
    }
}

/// Waits until the stage's own channel is the only one that is left.
async fn freed(node: &Node) -> Duration {
    let begin = Instant::now();
    until("every channel to be vacated", async || {
        node.metric("resound_channels").await == 1.0
            && node.metric("resound_subscriptions").await == 1.0
    })
    .await;
    begin.elapsed()
}

pub(crate) async fn row_23_very_many_channels() {
    const SOCKETS: usize = 50;
    const EACH: usize = 1000;
    let nodes = [Node::alone(&[]).await];
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        sockets.push(Wire::socket(nodes[0].address()).await);
    }
    let before = nodes[0].program.resident();
    for (number, wire) in sockets.iter_mut().enumerate() {
        subscribe_many(wire, &format!("c{number}"), EACH).await;
    }
    let channels = nodes[0].metric("resound_channels").await;
    let each = nodes[0].program.resident().saturating_sub(before) / (SOCKETS * EACH) as u64;
    drop(sockets);
    let took = freed(&nodes[0]).await;
    let ending = stage.end().await;
    let line = Line {
        row: (23, ""),
        fault: "50 sockets occupy 1 000 channels each, and leave",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!(
            "{each} octets a channel; p99 of the others {:.0} ms",
            ending.local.p99().as_secs_f64() * 1e3
        ),
    };
    line.show(&ending);
    ending.is_whole();
    assert_eq!(channels as usize, SOCKETS * EACH + 1);
    assert!(each <= 1000, "{each} octets a channel");
    assert!(ending.local.p99() < PROMPT, "{:?}", ending.local.p99());
}

pub(crate) async fn row_24_very_many_subscriptions_of_one_socket() {
    // What one socket may send before it counts as a flood, and some room.
    const CHANNELS: usize = 15_000;
    let limit = CHANNELS.to_string();
    let nodes = [Node::alone(&[("RESOUND_APP_MAX_SUBSCRIPTIONS", &limit)]).await];
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let mut wire = Wire::socket(nodes[0].address()).await;
    let begin = Instant::now();
    subscribe_many(&mut wire, "mine", CHANNELS).await;
    let seconds = begin.elapsed().as_secs_f64();
    wire.send(join(&json!({ "channel": "one-more" }))).await;
    let refusal = wire.text().await;
    drop(wire);
    let took = freed(&nodes[0]).await;
    let ending = stage.end().await;
    let line = Line {
        row: (24, ""),
        fault: "one socket subscribes to 15 000 channels, and leaves",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!(
            "within {seconds:.1} s; p99 of the others {:.0} ms",
            ending.local.p99().as_secs_f64() * 1e3
        ),
    };
    line.show(&ending);
    ending.is_whole();
    assert!(refusal.contains("subscription_error"), "one more than the limit: {refusal}");
    assert!(ending.local.p99() < PROMPT, "{:?}", ending.local.p99());
}

/// How an endpoint answers now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Failing,
    Hanging,
    Well,
}

/// Its mood, how often it was called, and the calls that it took.
type EndpointState = Arc<Mutex<(Mood, usize, Vec<Value>)>>;

/// An endpoint, and the events that it took.
struct Endpoint {
    url: String,
    state: EndpointState,
    serving: JoinHandle<()>,
}

impl Endpoint {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let state: EndpointState = Arc::new(Mutex::new((Mood::Failing, 0, Vec::new())));
        let router = Router::new().route("/", post(take)).with_state(state.clone());
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { url, state, serving }
    }

    fn turn(&self, mood: Mood) {
        self.state.lock().0 = mood;
    }

    fn calls(&self) -> usize {
        self.state.lock().1
    }

    /// The names of the events of a channel, in the order in which they were taken.
    fn taken(&self, channel: &str) -> Vec<String> {
        let state = self.state.lock();
        let events = state.2.iter().flat_map(|call| call["events"].as_array().unwrap());
        let own = events.filter(|event| event["channel"] == channel);
        own.map(|event| event["name"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(state): State<EndpointState>, body: String) -> StatusCode {
    let mood = {
        let mut state = state.lock();
        state.1 += 1;
        state.0
    };
    match mood {
        Mood::Failing => StatusCode::INTERNAL_SERVER_ERROR,
        // Until the caller gives up.
        Mood::Hanging => std::future::pending().await,
        Mood::Well => {
            state.lock().2.push(serde_json::from_str(&body).expect("JSON"));
            StatusCode::OK
        }
    }
}

pub(crate) async fn row_25_a_webhook_endpoint_that_fails_and_hangs() {
    const CHANNELS: usize = 30;
    let (folder, endpoint) = (Folder::new(), Endpoint::start().await);
    let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, own_port()));
    let file = folder.write(
        "webhooks.toml",
        &format!(
            "[server]\nhost = \"127.0.0.1\"\nport = 0\n[metrics]\nlisten = \"{metrics}\"\n\
             [webhooks]\nrequest_timeout_seconds = 1\n\
             [[apps]]\nid = \"123456\"\nkey = \"reverb-key\"\nsecret = \"reverb-secret\"\n\
             gap_event = \"{GAP_EVENT}\"\n[[apps.webhooks]]\nurl = \"{}\"\n\
             events = [\"channel_occupied\", \"channel_vacated\"]\n",
            endpoint.url
        ),
    );
    let program = Program::start_from(Command::new(env!("CARGO_BIN_EXE_resound")), &file).await;
    let nodes = [Node::of(program, metrics)];
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let mut wire = Wire::socket(nodes[0].address()).await;
    subscribe_many(&mut wire, "hook", CHANNELS).await;
    until("a call that fails", async || endpoint.calls() >= 2).await;
    endpoint.turn(Mood::Hanging);
    let before = endpoint.calls();
    drop(wire);
    until("a call that hangs", async || endpoint.calls() > before).await;
    let timed_out = "resound_webhook_attempts_failed_total";
    let failed = nodes[0].metric(timed_out).await;
    until("a call that is given up", async || nodes[0].metric(timed_out).await > failed).await;
    let waiting = nodes[0].metric("resound_webhook_queue_events").await;
    endpoint.turn(Mood::Well);
    let begin = Instant::now();
    let both = ["channel_occupied", "channel_vacated"];
    until("all webhooks", async || {
        (0..CHANNELS).all(|channel| endpoint.taken(&format!("hook-{channel}")).len() == both.len())
    })
    .await;
    let took = begin.elapsed();
    let lost = nodes[0].metric("resound_webhook_events_lost_total").await;
    let ending = stage.end().await;
    let line = Line {
        row: (25, ""),
        fault: "a webhook endpoint answers 500, then hangs, then works again",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!(
            "{waiting} webhooks waited, {lost} lost, all in order; p99 of the others {:.0} ms",
            ending.local.p99().as_secs_f64() * 1e3
        ),
    };
    line.show(&ending);
    ending.is_whole();
    for channel in 0..CHANNELS {
        assert_eq!(endpoint.taken(&format!("hook-{channel}")), both, "in order, and once");
    }
    assert_eq!(lost, 0.0);
    assert!(ending.local.p99() < PROMPT, "{:?}", ending.local.p99());
}
