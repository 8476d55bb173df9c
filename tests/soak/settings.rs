//! How long a run takes and which one it is, by `SOAK_…` variables.

use std::time::Duration;

/// A run that is the same in all places.
const SEED: u64 = 20_261_128;

#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// Of the sequence of actions and faults.
    pub(crate) seed: u64,
    /// Pages are begun for so long; by default each kind of fault is injected once.
    pub(crate) lasts: Duration,
}

impl Settings {
    pub(crate) fn of_environment() -> Self {
        let minutes = number("SOAK_MINUTES").unwrap_or(0) + 60 * number("SOAK_HOURS").unwrap_or(0);
        let lasts = Duration::from_secs(60 * minutes);
        Self { seed: number("SOAK_SEED").unwrap_or(SEED), lasts }
    }
}

#[allow(clippy::disallowed_methods, reason = "no configuration: it selects what is tested")]
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no whole number")))
}
