//! How the file descriptors of the process are shared out: to the process itself, to HTTP, to
//! sockets.
//!
//! Sockets are the only ones that come in any number and stay. Without a share of its own, a
//! publish or a scrape of the metrics would wait until one of them goes.

/// The standard streams, the log, the runtime that handles signals, a name look-up, Redis and
/// Sentinel during a reconnect.
const PROCESS: usize = 16;

/// A listener, an epoll instance, a wake-up descriptor and the spare one.
const PER_WORKER: usize = 4;

/// The connection of a webhook endpoint, and the one that replaces it.
const PER_ENDPOINT: usize = 2;

/// HTTP gets one of so many descriptors, within these bounds: the least is a proxy that keeps a few
/// connections, a health check and a scrape; the most is above what proxies keep open.
const HTTP_SHARE: usize = 8;
const HTTP_MIN: usize = 12;
const HTTP_MAX: usize = 16_384;

/// What of the process needs descriptors beside connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    pub(super) workers: usize,
    pub(super) endpoints: usize,
}

/// How many connections of each kind there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// Connections that are HTTP: back ends, health checks, scrapes, handshakes under way.
    pub(super) http: usize,
    /// Sockets that are open.
    pub(super) sockets: usize,
}

impl Budget {
    /// Shares out `limit` descriptors. What is left for connections is never less than half.
    pub(super) fn of(limit: usize, needs: Needs) -> Self {
        let process = PROCESS + PER_WORKER * needs.workers + PER_ENDPOINT * needs.endpoints;
        let connections = limit - process.min(limit / 2);
        let http = (limit / HTTP_SHARE).clamp(HTTP_MIN, HTTP_MAX).min(connections / 2).max(1);
        Self { http, sockets: (connections - http.min(connections)).max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Needs};

    #[test]
    fn every_limit_leaves_room_for_both_kinds() {
        let alone = Needs { workers: 1, endpoints: 0 };
        let large = Needs { workers: 64, endpoints: 40 };
        for (limit, needs, http, sockets) in [
            (64, alone, 12, 32),
            (256, alone, 32, 204),
            (1024, alone, 128, 876),
            (2000, alone, 250, 1730),
            (1_048_576, alone, 16_384, 1_032_172),
            (64, large, 12, 20),
            (1024, large, 128, 544),
            (0, alone, 1, 1),
            (usize::MAX, alone, 16_384, usize::MAX - 20 - 16_384),
        ] {
            assert_eq!(Budget::of(limit, needs), Budget { http, sockets }, "{limit} {needs:?}");
        }
    }
}
