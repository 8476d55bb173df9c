//! How many sockets one client address may open, and how fast all of them may: limits of `[server]` on
//! handshakes.

use std::num::NonZero;
use std::time::Duration;

use super::error::ConfigError;
use super::values::{Setting, Values};

/// More is no limit on any machine.
const MOST: u64 = 1_000_000;

/// The longest wait: pusher-js gives up a connection that is not established after 15 s.
const LONGEST_WAIT_SECONDS: u64 = 60;

/// Limits on handshakes; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionConfig {
    /// Sockets that clients of one address may have open.
    pub sockets_per_address: Option<NonZero<u32>>,
    /// Handshakes of one address in a second.
    pub handshakes_per_address: Option<NonZero<u32>>,
    /// Requests for authorization of one address in a second.
    pub auth_requests_per_address: Option<NonZero<u32>>,
    /// Handshakes of all clients in a second.
    pub handshakes: Option<NonZero<u32>>,
    /// How long a handshake waits at most.
    pub wait: Duration,
}

impl AdmissionConfig {
    pub(super) fn read(values: Values<'_>) -> Result<Self, ConfigError> {
        let limit = |setting: Setting<'_>| setting.number(0..=MOST).map(NonZero::<u32>::new);
        let wait = values.at("server.max_handshake_wait_seconds");
        Ok(Self {
            sockets_per_address: limit(values.at("server.max_sockets_per_address"))?,
            handshakes_per_address: limit(
                values.at("server.max_handshakes_per_address_per_second"),
            )?,
            auth_requests_per_address: limit(
                values.at("server.max_auth_requests_per_address_per_second"),
            )?,
            handshakes: limit(values.at("server.max_handshakes_per_second"))?,
            wait: Duration::from_secs(wait.number(1..=LONGEST_WAIT_SECONDS)?),
        })
    }
}
