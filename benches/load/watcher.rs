//! A client that is a member of all channels and counts what it receives, on a thread of its own.
//!
//! Owns what is counted. What it should be is left to the scenario.

use std::thread::{self, JoinHandle};

use anyhow::{Context, bail, ensure};
use resound_load::Backend;

use crate::client::{Client, Received};
use crate::subject::Subject;

/// The last event of each channel.
const END: &str = "end";

/// A watcher at one node.
pub(crate) struct Watcher(JoinHandle<anyhow::Result<Watched>>);

/// What it has received.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// Of the load.
    pub(crate) events: u64,
    /// Members that left.
    pub(crate) left: u64,
    /// The sum of events that its node has counted as missed.
    pub(crate) missed: u64,
    /// The node has reported that events may be missing which it cannot count.
    pub(crate) is_uncertain: bool,
}

impl Watched {
    /// Of so many events, those that neither came nor were reported.
    pub(crate) fn unannounced(&self, published: u64) -> u64 {
        match self.is_uncertain {
            true => 0,
            false => published.saturating_sub(self.events + self.missed),
        }
    }
}

impl Watcher {
    /// Joins all channels, and then reads.
    pub(crate) fn start(node: &Subject, channels: &[String]) -> anyhow::Result<Self> {
        let mut client = Client::connect(node)?;
        let member = format!(r#"{{"user_id":"watcher-{}"}}"#, node.pid);
        for channel in channels {
            client.subscribe(node, channel, Some(&member))?;
        }
        let mut answers = 0;
        while answers < channels.len() {
            let Received::Text(text) = client.receive()? else { bail!("the watcher was closed") };
            ensure!(!text.contains("pusher:error"), "the watcher was refused: {text}");
            answers += usize::from(text.contains("subscription_succeeded"));
        }
        let count = channels.len();
        Ok(Self(thread::spawn(move || read(client, count))))
    }

    /// Publishes the event behind which nothing comes, on all channels.
    pub(crate) fn end(mut backend: Backend, channels: &[String]) -> anyhow::Result<()> {
        let body = serde_json::json!({ "name": END, "data": "", "channels": channels });
        let answer = backend.post("events", &body.to_string())?;
        ensure!(answer.status == 200, "the last event was refused: {}", answer.body);
        Ok(())
    }

    /// What it received until the end.
    pub(crate) fn watched(self) -> anyhow::Result<Watched> {
        self.0.join().ok().context("the watcher panicked")?
    }
}

fn read(mut client: Client, channels: usize) -> anyhow::Result<Watched> {
    let mut watched = Watched::default();
    let mut ended = 0;
    while ended < channels {
        let Received::Text(text) = client.receive()? else { bail!("the watcher was closed") };
        let message: serde_json::Value = serde_json::from_str(&text)?;
        match message["event"].as_str().unwrap_or_default() {
            END => ended += 1,
            "gap" => {
                let gap: serde_json::Value =
                    serde_json::from_str(message["data"].as_str().unwrap_or_default())?;
                watched.missed += gap["missed"].as_u64().unwrap_or_default();
                watched.is_uncertain |= gap["missed"].is_null();
            }
            "pusher_internal:member_removed" => watched.left += 1,
            name if name.starts_with("pusher") => {}
            _ => watched.events += 1,
        }
    }
    Ok(watched)
}
