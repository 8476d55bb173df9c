//! The calls of one endpoint that were given up, which those who operate the server may have sent again.
//!
//! A fixed ring, bounded by number and by bytes. It keeps each call as it was sent, so that the bytes of its body are
//! the same again; what of it is shown are kinds, counts and causes, never the events. Sending is left to `endpoint`.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

use super::failure::CallFailure;
use super::past_calls::{CallContent, cause_of, milliseconds};

/// As `[webhooks]` of config/defaults.toml states.
const CALLS_MAX: usize = 20;
/// A batch of 100 client events of 10 KB.
const BYTES_MAX: usize = 1024 * 1024;

/// The calls of an endpoint that were given up; `C` is what a call sends.
#[derive(Debug)]
pub(super) struct GivenUp<C> {
    /// The oldest first.
    calls: Mutex<VecDeque<KeptCall<C>>>,
    wanted: Notify,
}

#[derive(Debug)]
struct KeptCall<C> {
    shown: GivenUpCall,
    /// `None` while it is being sent again, and where it is not kept.
    call: Option<C>,
}

/// A call that was given up, as it is shown.
#[derive(Debug, Clone, Serialize)]
pub(super) struct GivenUpCall {
    /// A random number in 16 hexadecimal digits.
    batch: String,
    /// When it was given up, in milliseconds since 1970.
    at_ms: u64,
    /// The size of its body, or of its jobs.
    bytes: usize,
    /// How often it was made, the times after it was given up included.
    tries: u32,
    #[serde(flatten)]
    content: CallContent,
    /// Why it failed last.
    cause: String,
    state: GivenUpState,
}

/// What became of it since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum GivenUpState {
    /// It can be sent again.
    Kept,
    /// Its bytes are too many to be kept.
    TooLarge,
    /// It is to be sent again, or is being sent.
    Resending,
    /// It was sent again, and the endpoint took it.
    Taken,
}

/// What became of the wish to send a call again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resending {
    /// It is sent as soon as no other call to the endpoint is under way.
    Queued,
    /// It is being sent already.
    UnderWay,
    /// The endpoint has taken it since.
    TakenBefore,
    /// It was too large to be kept.
    TooLarge,
    /// No call of this number is kept.
    NotKept,
    /// The app has no such endpoint.
    NoEndpoint,
}

/// A call that an operator wants to be sent again.
pub(super) struct WantedCall<C> {
    pub(super) batch: String,
    pub(super) content: CallContent,
    pub(super) call: C,
}

impl<C> Default for GivenUp<C> {
    fn default() -> Self {
        Self { calls: Mutex::default(), wanted: Notify::new() }
    }
}

impl<C> GivenUp<C> {
    /// Keeps a call that was given up after so many tries.
    pub(super) fn keep(
        &self,
        call: C,
        bytes: usize,
        tries: u32,
        content: CallContent,
        failure: &CallFailure,
    ) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let is_kept = bytes <= BYTES_MAX;
        let shown = GivenUpCall {
            batch: format!("{:016x}", rand::random::<u64>()),
            at_ms: milliseconds(at),
            bytes,
            tries,
            content,
            cause: cause_of(failure),
            state: if is_kept { GivenUpState::Kept } else { GivenUpState::TooLarge },
        };
        let mut calls = self.calls.lock();
        calls.push_back(KeptCall { shown, call: is_kept.then_some(call) });
        while calls.len() > CALLS_MAX || bytes_kept(&calls) > BYTES_MAX {
            calls.pop_front();
        }
    }

    /// The calls, the last one first.
    pub(super) fn now(&self) -> Vec<GivenUpCall> {
        self.calls.lock().iter().rev().map(|kept| kept.shown.clone()).collect()
    }

    /// Has a call sent again.
    pub(super) fn want(&self, batch: &str) -> Resending {
        let mut calls = self.calls.lock();
        let Some(kept) = calls.iter_mut().find(|kept| kept.shown.batch == batch) else {
            return Resending::NotKept;
        };
        match kept.shown.state {
            GivenUpState::Kept => {
                kept.shown.state = GivenUpState::Resending;
                self.wanted.notify_one();
                Resending::Queued
            }
            GivenUpState::Resending => Resending::UnderWay,
            GivenUpState::Taken => Resending::TakenBefore,
            GivenUpState::TooLarge => Resending::TooLarge,
        }
    }

    /// Waits for a call that is to be sent again, the oldest first. What is taken has to be [ended](Self::ended).
    pub(super) async fn wanted(&self) -> WantedCall<C> {
        loop {
            if let Some(wanted) = self.try_wanted() {
                return wanted;
            }
            self.wanted.notified().await;
        }
    }

    fn try_wanted(&self) -> Option<WantedCall<C>> {
        let mut calls = self.calls.lock();
        let mut resending =
            calls.iter_mut().filter(|kept| kept.shown.state == GivenUpState::Resending);
        resending.find_map(|kept| {
            let GivenUpCall { batch, content, .. } = kept.shown.clone();
            kept.call.take().map(|call| WantedCall { batch, content, call })
        })
    }

    /// The call was sent again: one that failed can be sent once more.
    pub(super) fn ended(&self, wanted: WantedCall<C>, failure: Option<&CallFailure>) {
        let mut calls = self.calls.lock();
        // It may have made room for others meanwhile.
        let Some(kept) = calls.iter_mut().find(|kept| kept.shown.batch == wanted.batch) else {
            return;
        };
        kept.shown.tries += 1;
        kept.shown.state = match failure {
            None => GivenUpState::Taken,
            Some(failure) => {
                kept.shown.cause = cause_of(failure);
                kept.call = Some(wanted.call);
                GivenUpState::Kept
            }
        };
    }
}

/// What is taken has no bytes any more.
fn bytes_kept<C>(calls: &VecDeque<KeptCall<C>>) -> usize {
    let kept = calls.iter().map(|kept| match kept.shown.state {
        GivenUpState::Kept | GivenUpState::Resending => kept.shown.bytes,
        GivenUpState::TooLarge | GivenUpState::Taken => 0,
    });
    kept.sum()
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MAX, CALLS_MAX, CallContent, CallFailure, GivenUp, GivenUpState, Resending};
    use crate::metrics::CallResult;

    fn failure(cause: &str) -> CallFailure {
        CallFailure { result: CallResult::NoAnswer, cause: cause.to_owned() }
    }

    fn keep(given_up: &GivenUp<&'static str>, call: &'static str, bytes: usize) -> String {
        given_up.keep(call, bytes, 9, CallContent::of(&[]), &failure("away"));
        given_up.now()[0].batch.clone()
    }

    #[tokio::test]
    async fn a_call_can_be_sent_again_until_it_is_taken() {
        let given_up = GivenUp::default();
        let batch = keep(&given_up, "body", 4);
        assert_eq!(given_up.want("0000000000000000"), Resending::NotKept);
        assert_eq!(given_up.want(&batch), Resending::Queued);
        let wanted = given_up.wanted().await;
        assert_eq!((wanted.call, given_up.want(&batch)), ("body", Resending::UnderWay));
        given_up.ended(wanted, Some(&failure("still away")));
        let shown = given_up.now().remove(0);
        assert_eq!((shown.cause.as_str(), shown.tries), ("still away", 10));

        assert_eq!(given_up.want(&batch), Resending::Queued);
        let wanted = given_up.wanted().await;
        given_up.ended(wanted, None);
        assert_eq!(given_up.want(&batch), Resending::TakenBefore);
        assert!(given_up.try_wanted().is_none());
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded_by_number_and_bytes() {
        let given_up = GivenUp::default();
        let first = keep(&given_up, "first", 1);
        for _ in 1..CALLS_MAX {
            keep(&given_up, "small", 1);
        }
        assert_eq!((given_up.now().len(), given_up.want(&first)), (CALLS_MAX, Resending::Queued));
        let wanted = given_up.wanted().await;
        keep(&given_up, "one more", 1);
        given_up.ended(wanted, None);
        assert_eq!((given_up.now().len(), given_up.want(&first)), (CALLS_MAX, Resending::NotKept));

        let large = keep(&given_up, "large", BYTES_MAX);
        assert_eq!(given_up.now().len(), 1, "all others made room");
        let too_large = keep(&given_up, "too large", BYTES_MAX + 1);
        assert_eq!(given_up.now()[0].state, GivenUpState::TooLarge);
        assert_eq!(given_up.want(&too_large), Resending::TooLarge);
        assert_eq!(given_up.want(&large), Resending::Queued, "it takes no bytes of the others");
    }
}
