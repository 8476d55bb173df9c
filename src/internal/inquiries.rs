//! Answers what other nodes ask for their operators.
//!
//! Owns which requests are answered, and how many at once. Any user of that Redis can ask, so these are reads of this
//! API, which show the data of events as far as `internal.payloads` of this node allows, and two changes:
//! closing a socket, which such a user can bring about by other messages too, and sending a webhook call again.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use axum::routing::{get, post};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::ServiceExt;

use super::api::InternalApi;
use super::lent_taps::LentTaps;
use super::other_nodes::{CHANGE, MAX_ANSWER_BYTES};
use super::{
    cluster, explanation, live_stream, overview, receivers, recorded_events, redis_inputs,
    refusals, sockets, termination, timeline_points, triggers, webhook_calls,
};
use crate::node::{AskedInquiry, MAX_PART_BYTES, NodeInquiries};

/// Answers under way; what comes beyond waits in the queue of the node.
const MAX_ANSWERS: usize = 8;

/// Longer than the node that asks waits.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers the other nodes for as long as the process lives; at once done without a cluster.
pub async fn answer_inquiries(api: Arc<InternalApi>) {
    let Some(inquiries) = api.node.inquiries() else { return };
    let Some(asked) = inquiries.take_asked() else { return };
    let inquiries = Arc::new(inquiries);
    let router = Router::new()
        .route("/internal/v1/refusals", get(refusals::show))
        .route("/internal/v1/sockets", get(sockets::list))
        .route("/internal/v1/sockets/{id}", get(sockets::show))
        .route("/internal/v1/sockets/{id}/terminate", post(termination::of_socket))
        .route("/internal/v1/overview", get(overview::show))
        .route("/internal/v1/timeline", get(timeline_points::show))
        .route("/internal/v1/cluster", get(cluster::show))
        .route("/internal/v1/inputs", get(redis_inputs::list))
        .route("/internal/v1/apps/{app}/webhooks", get(webhook_calls::show))
        .route("/internal/v1/apps/{app}/webhooks/{endpoint}/resend", post(webhook_calls::resend))
        .route(
            "/internal/v1/apps/{app}/webhooks/{endpoint}/given_up/{batch}/resend",
            post(webhook_calls::resend_given_up),
        )
        .route("/internal/v1/apps/{app}/explain", get(explanation::show))
        .route("/internal/v1/apps/{app}/receivers", get(receivers::show))
        .route("/internal/v1/apps/{app}/triggers/{id}", get(triggers::show))
        .route("/internal/v1/apps/{app}/events", get(recorded_events::show))
        .with_state(api.clone());
    answer_all(api, inquiries, router, asked).await;
}

async fn answer_all(
    api: Arc<InternalApi>,
    inquiries: Arc<NodeInquiries>,
    router: Router,
    mut asked: mpsc::Receiver<AskedInquiry>,
) {
    let (mut taps, mut answers) = (LentTaps::new(api, inquiries.clone()), JoinSet::new());
    loop {
        let next = tokio::select! {
            Some(next) = asked.recv(), if answers.len() < MAX_ANSWERS => next,
            Some(_) = answers.join_next() => continue,
            else => return,
        };
        let (method, target) = match next.text.strip_prefix(CHANGE) {
            Some(target) => (Method::POST, target),
            None => (Method::GET, next.text.as_str()),
        };
        let Ok(request) = Request::builder().method(method).uri(target).body(Body::empty()) else {
            taps.end(&next);
            continue;
        };
        if request.uri().path() == live_stream::PATH {
            taps.lend(next, request.uri().query().unwrap_or_default());
        } else {
            let (inquiries, router) = (inquiries.clone(), router.clone());
            answers.spawn(async move {
                let _ = timeout(ANSWER_TIMEOUT, answer(&inquiries, router, next, request)).await;
            });
        }
    }
}

/// Answers with the body that a request of an operator of this node would get.
async fn answer(
    inquiries: &NodeInquiries,
    router: Router,
    asked: AskedInquiry,
    request: Request<Body>,
) {
    let change = (request.method() == Method::POST).then(|| request.uri().path().to_owned());
    let Ok(answer) = router.oneshot(request).await;
    if let Some(path) = change {
        let (asker, status) = (asked.asker(), answer.status().as_u16());
        tracing::info!(path, asker, status, "a change was requested by another node");
    }
    let body = to_bytes(answer.into_body(), MAX_ANSWER_BYTES).await.unwrap_or_default();
    let mut rest = std::str::from_utf8(&body).unwrap_or_default();
    while rest.len() > MAX_PART_BYTES {
        let end = (0..=MAX_PART_BYTES).rev().find(|end| rest.is_char_boundary(*end)).unwrap_or(0);
        let (part, behind) = rest.split_at(end);
        inquiries.answer(&asked, part, false);
        rest = behind;
    }
    inquiries.answer(&asked, rest, true);
}
