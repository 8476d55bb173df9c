//! The endpoint of webhooks: takes calls whose signature is right, and gives the oracle each event in the order of its arrival.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::harness::socket::signature;
use crate::oracle::fact::{Fact, Name, Report, SocketNumber, WebhookCall};
use crate::scene::Scene;

/// A running endpoint. Dropping it ends it.
pub(crate) struct Sink(AbortHandle);

impl Sink {
    pub(crate) fn start(listener: TcpListener, scene: Arc<Scene>) -> Self {
        let router = Router::new().route("/", post(take)).with_state(scene);
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self(serving.abort_handle())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn take(State(scene): State<Arc<Scene>>, fields: HeaderMap, body: Bytes) -> StatusCode {
    let text = str::from_utf8(&body).expect("UTF-8");
    let is_signed = fields.get("x-pusher-signature").is_some_and(|own| *own == signature(text));
    if !is_signed || fields.get("x-pusher-key").is_none_or(|key| key != "reverb-key") {
        scene.note(Fact::Refused {
            socket: 0,
            text: format!("a webhook without a valid signature: {text}"),
        });
        return StatusCode::UNAUTHORIZED;
    }
    let call: Value = serde_json::from_str(text).expect("JSON");
    let mut reports = Vec::new();
    for event in call["events"].as_array().expect("a list") {
        match report(event) {
            Some(report) => reports.push(report),
            None => scene
                .note(Fact::Refused { socket: 0, text: format!("an unknown webhook: {event}") }),
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    scene.note(Fact::Called(WebhookCall {
        body: text.into(),
        made_ms: call["time_ms"].as_u64().expect("a time"),
        answered_ms: now.as_millis() as u64,
        reports,
    }));
    StatusCode::OK
}

fn report(event: &Value) -> Option<Report> {
    let channel = Name::from(event["channel"].as_str()?);
    let user = || Some(event["user_id"].as_str()?.to_owned());
    Some(match event["name"].as_str()? {
        "channel_occupied" => Report::Occupied(channel),
        "channel_vacated" => Report::Vacated(channel),
        "member_added" => Report::MemberAdded(channel, user()?),
        "member_removed" => Report::MemberRemoved(channel, user()?),
        "cache_miss" => Report::CacheMiss(channel),
        "client_event" => {
            let data: Value = serde_json::from_str(event["data"].as_str()?).ok()?;
            Report::ClientEvent(data["sender"].as_u64()? as SocketNumber, data["number"].as_u64()?)
        }
        _ => return None,
    })
}
