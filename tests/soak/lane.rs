//! One back end: the only publisher of its channels, so that each has one order, through any node. A trigger is sent when
//! the one before was answered, and is not sent again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::client::EVENT;
use crate::harness::Backend;
use crate::oracle::fact::{Fact, Name, ProcessNumber, Scope, SocketNumber};
use crate::plan::{LanePlan, NODES, Trigger};
use crate::scene::{Door, Scene};

/// Between two triggers of a lane: two cores that also build have time for them.
const BEAT: Duration = Duration::from_millis(25);

/// A connection to a process of a node.
pub(crate) struct Line {
    backend: Backend,
    process: Option<ProcessNumber>,
}

pub(crate) fn backend(door: &Door) -> Backend {
    Backend::new(door.address, "123456", "reverb-key", "reverb-secret")
}

impl Line {
    /// A connection to a node; `None` if nothing listens there.
    pub(crate) async fn open(scene: &Scene, node: usize) -> Option<Self> {
        let door = &scene.doors[node];
        let mut backend = backend(door);
        let before = door.process();
        backend.try_connect().await.ok()?;
        let process = before.filter(|before| door.process() == Some(*before));
        Some(Self { backend, process })
    }

    /// Sends a request; how far the server says that it came, unless there is no answer. Then the line is of no use.
    pub(crate) async fn post(&mut self, scene: &Scene, path: &str, body: &Value) -> Option<Scope> {
        let Some((answer, fields)) = self.backend.try_post(path, &body.to_string()).await else {
            scene.note(Fact::Unanswered { process: self.process });
            return None;
        };
        if answer.status != 200 {
            scene.note(Fact::Refused { socket: 0, text: format!("{path}: {answer:?}") });
            return None;
        }
        let is_partial = fields.contains_key("resound-publish-scope");
        Some(if is_partial { Scope::Node } else { Scope::Cluster })
    }
}

pub(crate) struct Lane {
    plan: LanePlan,
    scene: Arc<Scene>,
    lines: [Option<Line>; NODES],
    numbers: HashMap<Name, u64>,
}

impl Lane {
    pub(crate) fn new(plan: LanePlan, scene: Arc<Scene>) -> Self {
        Self { plan, scene, lines: Default::default(), numbers: HashMap::new() }
    }

    /// Triggers until the page ends.
    pub(crate) async fn run(mut self, page_ends: CancellationToken) -> Self {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !page_ends.is_cancelled() {
            beat.tick().await;
            let trigger = self.plan.trigger();
            self.trigger(trigger).await;
            self.scene.has_triggered();
        }
        self
    }

    async fn trigger(&mut self, trigger: Trigger) {
        if self.lines[trigger.node].is_none() {
            self.lines[trigger.node] = Line::open(&self.scene, trigger.node).await;
        }
        // Nothing listens there: nothing is sent, as with a balancer that has noticed it.
        let Some(line) = &mut self.lines[trigger.node] else { return };
        let except = trigger.except.and_then(|seat| self.scene.seated(seat));
        let events: Vec<(Name, u64)> = trigger
            .channels
            .iter()
            .map(|channel| {
                let next = self.numbers.entry(channel.clone()).or_default();
                *next += 1;
                (channel.clone(), *next - 1)
            })
            .collect();
        for (channel, number) in &events {
            self.scene.note(Fact::Triggered {
                channel: channel.clone(),
                number: *number,
                except: except.as_ref().map(|(socket, _)| *socket),
                process: line.process,
            });
        }
        let (path, body) = request(&trigger, &events, except.as_ref());
        match line.post(&self.scene, path, &body).await {
            Some(scope) => {
                for (channel, number) in events {
                    self.scene.note(Fact::Answered { channel, number, scope });
                }
            }
            None => self.lines[trigger.node] = None,
        }
    }
}

fn request(
    trigger: &Trigger,
    events: &[(Name, u64)],
    except: Option<&(SocketNumber, String)>,
) -> (&'static str, Value) {
    let padding = "x".repeat(trigger.padding);
    let data = |events: &[(Name, u64)]| {
        let numbers = events.iter().map(|(channel, number)| (channel.to_string(), json!(number)));
        let numbers: Map<String, Value> = numbers.collect();
        json!({ "numbers": numbers, "padding": padding }).to_string()
    };
    let excluding = |mut event: Value| {
        if let Some((_, id)) = except {
            event["socket_id"] = id.as_str().into();
        }
        event
    };
    if trigger.is_batch {
        let one = |event: &(Name, u64)| {
            let data = data(std::slice::from_ref(event));
            excluding(json!({ "name": EVENT, "channel": &*event.0, "data": data }))
        };
        return ("/batch_events", json!({ "batch": events.iter().map(one).collect::<Vec<_>>() }));
    }
    let channels: Vec<&str> = events.iter().map(|(channel, _)| &**channel).collect();
    ("/events", excluding(json!({ "name": EVENT, "channels": channels, "data": data(events) })))
}
