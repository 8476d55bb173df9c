//! `GET /internal/v1/stream`: what happens, as lines of JSON, for as long as the viewer stays.
//!
//! It looks at its tap 20 times a second, so that no trigger wakes a thread for it, and all viewers look at the same
//! times, so that the thread wakes once for all of them. A viewer that reads slowly gets lines that count what it missed,
//! and delays nothing.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame};
use tokio::time::Interval;

use super::aligned_ticks::aligned_ticks;
use super::answer::InternalError;
use super::api::InternalApi;
use super::node_scope::{NodeScope, take_scope};
use super::other_streams::OtherStreams;
use super::parameters;
use crate::config::PayloadView;
use crate::node::Node;
use crate::observation::{Occurrence, Tap, TapFilter, row};

/// Where it is.
pub(super) const PATH: &str = "/internal/v1/stream";

/// Between two looks at the tap: people take it for at once.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Between two lines of a quiet stream: shorter than the time-outs of proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Lines that are written at once, or somewhat more: what a viewer does not read yet is kept as occurrences.
const WRITTEN_BYTES: usize = 64 * 1024;

/// The lines of one viewer.
struct LiveStream {
    node: Arc<Node>,
    node_name: Option<String>,
    tap: Arc<Tap>,
    others: Option<OtherStreams>,
    view: PayloadView,
    looks: Interval,
    /// What the last look took and no line has yet, and how many were dropped behind it.
    waiting: VecDeque<Arc<Occurrence>>,
    dropped: u64,
    last_line: Instant,
    /// Written before anything else.
    greeting: Option<String>,
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let query = uri.query().unwrap_or_default();
    let mut pairs = parameters::pairs(query)?;
    let scope = take_scope(&mut pairs)?;
    if let Some((_, asked)) = pairs.iter().find(|(name, _)| name == "payloads") {
        parameters::view(asked, api.payloads)?;
    }
    let (filter, view) = parameters::wanted(query, api.payloads)?;
    let others = match scope {
        NodeScope::All => OtherStreams::open(&api.node, &uri),
        NodeScope::This => None,
    };
    let stream = LiveStream::open(&api, filter, view, others);
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/x-ndjson"),
        (header::CACHE_CONTROL.as_str(), "no-store"),
        ("x-accel-buffering", "no"),
    ];
    Ok((headers, Body::new(stream)).into_response())
}

impl LiveStream {
    fn open(
        api: &InternalApi,
        filter: TapFilter,
        view: PayloadView,
        others: Option<OtherStreams>,
    ) -> Self {
        let node = &api.node;
        let tap = node.observation().open(filter);
        let greeting = format!("{{\"kind\":\"open\",\"payloads\":\"{}\"}}\n", view.name());
        Self {
            node: node.clone(),
            node_name: node.name(),
            tap,
            others,
            view,
            looks: aligned_ticks(api.started, LOOK_EVERY),
            waiting: VecDeque::new(),
            dropped: 0,
            last_line: Instant::now(),
            greeting: Some(greeting),
        }
    }

    fn look(&mut self) {
        let batch = self.tap.take();
        (self.waiting, self.dropped) = (batch.occurrences, batch.dropped);
    }

    /// The next lines of those that wait; empty if there are none.
    fn lines(&mut self) -> String {
        let mut lines = String::new();
        while lines.len() < WRITTEN_BYTES {
            let Some(occurrence) = self.waiting.pop_front() else { break };
            lines.push_str(&row(&occurrence, self.node_name.as_deref(), self.view));
            lines.push('\n');
        }
        if self.waiting.is_empty() {
            let dropped = std::mem::take(&mut self.dropped);
            if dropped > 0 {
                lines.push_str(&format!("{{\"kind\":\"dropped\",\"count\":{dropped}}}\n"));
            }
            if let Some(others) = &mut self.others {
                others.take(&mut lines, Instant::now());
            }
        }
        lines
    }
}

impl HttpBody for LiveStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            let lines = match self.greeting.take() {
                Some(greeting) => greeting,
                None => {
                    if self.waiting.is_empty() {
                        ready!(self.looks.poll_tick(cx));
                        self.look();
                    }
                    self.lines()
                }
            };
            let lines = match lines.is_empty() {
                false => lines,
                true if self.last_line.elapsed() < KEEP_ALIVE => continue,
                true => "{\"kind\":\"keep_alive\"}\n".to_owned(),
            };
            self.last_line = Instant::now();
            return Poll::Ready(Some(Ok(Frame::data(lines.into()))));
        }
    }
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        self.node.observation().close(&self.tap);
    }
}
