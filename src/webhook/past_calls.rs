//! The last calls of one endpoint, for those who operate the server, and the retry that they may bring forward.
//!
//! A fixed ring. It holds kinds of events and results; the events themselves, which are data of the app, are not kept.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

use super::failure::CallFailure;
use crate::channel_rules::WebhookEvent;
use crate::metrics::CallResult;

/// As `[webhooks]` of config/defaults.toml states.
const CALLS_MAX: usize = 20;
/// Longer than each text of `failure`; what a library says is cut.
const CAUSE_CHARS_MAX: usize = 300;

/// A call that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct PastCall {
    /// Milliseconds since 1970.
    at_ms: u64,
    took_ms: u64,
    /// As metrics name it.
    result: &'static str,
    /// The status of an answer that is not 2xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Why it failed, and what to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(flatten)]
    content: CallContent,
    /// It was given up before, and an operator had it sent again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    resent: bool,
}

/// What a call carries, without the data of the events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct CallContent {
    /// How many events.
    pub(super) events: usize,
    /// Their kinds, each once.
    kinds: Vec<&'static str>,
}

/// The last calls of an endpoint.
#[derive(Debug, Default)]
pub(super) struct PastCalls {
    state: Mutex<State>,
    forward: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The oldest first.
    calls: VecDeque<PastCall>,
    /// When the call that failed last is made again, while it waits.
    retry_at: Option<Instant>,
}

impl PastCall {
    pub(super) fn new(took: Duration, failure: Option<&CallFailure>, content: CallContent) -> Self {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let result = failure.map_or(CallResult::Taken, |failure| failure.result);
        Self {
            at_ms: milliseconds(at),
            took_ms: milliseconds(took),
            result: result.label(),
            status: match result {
                CallResult::Status(status) => Some(status),
                _ => None,
            },
            cause: failure.map(cause_of),
            content,
            resent: false,
        }
    }

    /// The same of a call that was given up before.
    pub(super) fn resent(self) -> Self {
        Self { resent: true, ..self }
    }
}

impl CallContent {
    pub(super) fn of(events: &[WebhookEvent]) -> Self {
        let mut kinds: Vec<_> = events.iter().map(|event| event.payload.kind().name()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        Self { events: events.len(), kinds }
    }
}

/// Why a call failed, as it is shown.
pub(super) fn cause_of(failure: &CallFailure) -> String {
    failure.cause.chars().take(CAUSE_CHARS_MAX).collect()
}

impl PastCalls {
    pub(super) fn push(&self, call: PastCall) {
        let calls = &mut self.state.lock().calls;
        if calls.len() >= CALLS_MAX {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    /// The calls, the last one first, and when the retry is due that waits now.
    pub(super) fn now(&self) -> (Vec<PastCall>, Option<Instant>) {
        let state = self.state.lock();
        (state.calls.iter().rev().cloned().collect(), state.retry_at)
    }

    /// Ends with `wait`, or when the retry is [brought forward](Self::bring_forward).
    pub(super) async fn until_retry(&self, due: Instant, wait: impl Future<Output = ()>) {
        // Made first: it takes what comes from here on, and what came before is not kept for it.
        let forward = self.forward.notified();
        self.state.lock().retry_at = Some(due);
        tokio::select! {
            () = wait => {}
            () = forward => {}
        }
        self.state.lock().retry_at = None;
    }

    /// Has the retry made now that waits; false if none does.
    pub(super) fn bring_forward(&self) -> bool {
        let is_waiting = self.state.lock().retry_at.take().is_some();
        if is_waiting {
            self.forward.notify_waiters();
        }
        is_waiting
    }
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{CALLS_MAX, CallContent, Duration, PastCall, PastCalls};

    #[test]
    fn the_oldest_call_is_dropped() {
        let calls = PastCalls::default();
        for took in 0..=CALLS_MAX as u64 {
            calls.push(PastCall::new(Duration::from_millis(took), None, CallContent::of(&[])));
        }
        let (kept, retry_at) = calls.now();
        let took: Vec<u64> = kept.iter().map(|call| call.took_ms).collect();
        assert_eq!(took, (1..=CALLS_MAX as u64).rev().collect::<Vec<_>>());
        assert_eq!((retry_at, calls.bring_forward()), (None, false));
    }
}
