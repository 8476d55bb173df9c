//! How many of the process' file descriptors go to HTTP and how many to sockets.
//!
//! Sockets are the only connections that come in any number and stay. Without a share of its own, a
//! trigger or a scrape of the metrics would wait until a socket closes.

use crate::metrics::open_descriptors;

/// Of one process: the standard streams, the runtime that handles signals (5), the sockets of commands and their spare
/// one (4), and 6 for a name look-up, Redis and Sentinel during a reconnect, a command, the exporter of traces.
const PROCESS: usize = 18;

/// An epoll instance, the second one of its registry, a wake-up descriptor, and the receiver of signals that each
/// runtime has.
const PER_WORKER: usize = 4;

/// A listener, the second descriptor with which it can be passed on, and its spare descriptor.
const PER_LISTENER: usize = 3;

/// The connection of a webhook endpoint, and the one that replaces it.
const PER_ENDPOINT: usize = 2;

/// HTTP gets one of this many descriptors, within these bounds: the least suffices for a proxy that
/// keeps a few connections, a health check and a scrape; the most is above what proxies keep open.
const HTTP_SHARE: usize = 8;
const HTTP_MIN: usize = 12;
const HTTP_MAX: usize = 16_384;

/// Those that every process has.
const STANDARD_STREAMS: usize = 3;

/// Descriptors that the parent left open for a purpose of its own, so that no connection can have them. Counted before the
/// process opens any but the `passed` ones.
pub fn foreign_descriptors(passed: usize) -> u64 {
    let open = open_descriptors().unwrap_or(0);
    open.saturating_sub(STANDARD_STREAMS + passed) as u64
}

/// How many connections of each kind may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DescriptorBudget {
    /// HTTP connections: back ends, health checks, scrapes, handshakes under way.
    pub(super) http: usize,
    pub(super) sockets: usize,
}

/// Descriptors that the process uses for other things than connections, where each worker listens on
/// each of `addresses`, and one of them on each of those of `operators`.
pub(super) fn reserved(
    workers: usize,
    addresses: usize,
    operators: usize,
    webhook_endpoints: usize,
) -> usize {
    let listeners = addresses * workers + operators;
    PROCESS + PER_WORKER * workers + PER_LISTENER * listeners + PER_ENDPOINT * webhook_endpoints
}

impl DescriptorBudget {
    /// Splits `limit` descriptors. Connections get at least half of them, whatever is `reserved`.
    pub(super) fn new(limit: usize, reserved: usize) -> Self {
        let connections = limit - reserved.min(limit / 2);
        let http = (limit / HTTP_SHARE).clamp(HTTP_MIN, HTTP_MAX).min(connections / 2).max(1);
        Self { http, sockets: (connections - http.min(connections)).max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::{DescriptorBudget, reserved};

    #[test]
    fn every_limit_leaves_descriptors_for_http_and_for_sockets() {
        let (small, large) = (reserved(1, 1, 0, 0), reserved(64, 1, 2, 40));
        for (limit, reserved, http, sockets) in [
            (64, small, 12, 27),
            (256, small, 32, 199),
            (1024, small, 128, 871),
            (2000, small, 250, 1725),
            (1_048_576, small, 16_384, 1_032_167),
            (64, large, 12, 20),
            (1024, large, 128, 384),
            (0, small, 1, 1),
            (usize::MAX, small, 16_384, usize::MAX - 25 - 16_384),
        ] {
            let budget = DescriptorBudget::new(limit, reserved);
            assert_eq!(budget, DescriptorBudget { http, sockets }, "{limit}, {reserved} reserved");
        }
    }
}
