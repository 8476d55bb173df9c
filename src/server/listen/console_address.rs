//! The address of the console where no app is configured: loopback, at a fixed port or at any free one.
//!
//! Owns the choice. A start never fails because of it, and what is configured is left to the set of listeners.

use std::net::{Ipv4Addr, SocketAddr};

use super::listening::{Audience, Listening};
use super::passed::PassedSockets;
use crate::config::ListenAddress;

/// The port that the examples of the configuration have for the internal listener.
const PORT: u16 = 9600;

/// The socket of the process before this one, or one at [`PORT`], or at a free port where that is taken; `None` where
/// none can be bound.
pub(super) fn open(passed: &mut PassedSockets) -> Option<Listening> {
    let at = |port| ListenAddress::Ip(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    if let Ok(Some(listening)) = passed.of_predecessor(Audience::Operators, &at(0)) {
        return Some(listening);
    }
    let bind = |port| Listening::bind(Audience::Operators, &at(port), 1);
    match bind(PORT).or_else(|_| bind(0)) {
        Ok(listening) => Some(listening),
        Err(error) => {
            tracing::warn!(%error, "the console has no address: none of loopback can be bound");
            None
        }
    }
}
