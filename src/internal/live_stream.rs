//! `GET /internal/v1/stream`: what happens, as lines of JSON, for as long as the viewer stays.
//!
//! It looks at its tap 20 times a second, so that no trigger wakes a thread for it. A viewer that reads slowly
//! gets lines that count what it missed, and delays nothing.

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
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::answer::InternalError;
use super::api::InternalApi;
use super::node_scope::{NodeScope, take_scope};
use super::other_streams::OtherStreams;
use super::parameters;
use crate::config::PayloadView;
use crate::node::Node;
use crate::observation::{Tap, TapFilter, row};

/// Where it is.
pub(super) const PATH: &str = "/internal/v1/stream";

/// Between two looks at the tap: people take it for at once.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Between two lines of a quiet stream: shorter than the time-outs of proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The lines of one viewer.
struct LiveStream {
    node: Arc<Node>,
    node_name: Option<String>,
    tap: Arc<Tap>,
    others: Option<OtherStreams>,
    view: PayloadView,
    looks: Interval,
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
    let stream = LiveStream::open(&api.node, filter, view, others);
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/x-ndjson"),
        (header::CACHE_CONTROL.as_str(), "no-store"),
        ("x-accel-buffering", "no"),
    ];
    Ok((headers, Body::new(stream)).into_response())
}

impl LiveStream {
    fn open(
        node: &Arc<Node>,
        filter: TapFilter,
        view: PayloadView,
        others: Option<OtherStreams>,
    ) -> Self {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let tap = node.observation().open(filter);
        let greeting = format!("{{\"kind\":\"open\",\"payloads\":\"{}\"}}\n", view.name());
        Self {
            node: node.clone(),
            node_name: node.name(),
            tap,
            others,
            view,
            looks,
            last_line: Instant::now(),
            greeting: Some(greeting),
        }
    }

    /// The lines that wait; empty if there are none.
    fn lines(&mut self) -> String {
        let batch = self.tap.take();
        let mut lines = String::new();
        for occurrence in &batch.occurrences {
            lines.push_str(&row(occurrence, self.node_name.as_deref(), self.view));
            lines.push('\n');
        }
        if batch.dropped > 0 {
            lines.push_str(&format!("{{\"kind\":\"dropped\",\"count\":{}}}\n", batch.dropped));
        }
        if let Some(others) = &mut self.others {
            others.take(&mut lines, Instant::now());
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
                    ready!(self.looks.poll_tick(cx));
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
