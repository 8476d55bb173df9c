//! What is remembered of one endpoint while it runs, shared by its task and those who look at it. What it means for
//! operators is left to `endpoint_state`.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::call::Call;
use super::given_up::GivenUp;
use super::past_calls::PastCalls;

/// What is remembered of an endpoint: its last calls, those that were given up, and its place in the configuration,
/// by which the metrics name it.
#[derive(Debug, Default)]
pub(super) struct EndpointPast {
    pub(super) calls: PastCalls,
    pub(super) given_up: GivenUp<Call>,
    place: AtomicUsize,
}

impl EndpointPast {
    /// A reload may change it while the endpoint runs.
    pub(super) fn set_place(&self, place: usize) {
        self.place.store(place, Ordering::Relaxed);
    }

    pub(super) fn place(&self) -> usize {
        self.place.load(Ordering::Relaxed)
    }
}
