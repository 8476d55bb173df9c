//! Connections that are rejected before a request is served: counted by reason, and logged with the
//! remedy. Requests that are refused: logged.
//!
//! A peer decides how often it is rejected, so a reason is logged at once when it first occurs, and
//! then once an interval with the number of times it occurred since.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::metrics::Metrics;
use crate::repeats::{Repeated, Repeats};

/// Between two lines of one reason.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

/// Between two lines of refused requests of one status: a back end that is set up wrongly should
/// see the cause of each try.
const BETWEEN_REQUESTS: Duration = Duration::from_secs(1);

/// Why a connection is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Reason {
    /// A TLS handshake.
    Tls,
    /// The preface of HTTP/2.
    Http2,
    /// The header of the PROXY protocol, version 1 or 2.
    ProxyProtocol,
    /// Bytes of another protocol, or of none.
    OtherProtocol,
    /// A request that breaks the grammar of HTTP/1.1.
    MalformedRequest,
    /// A request line and header fields over `http.max_header_bytes`.
    HeadBytes,
    /// More header fields than `http.max_headers`.
    HeadFields,
    /// A socket at another path than `/app/{key}`, which is closed with 4005.
    Path,
    /// Every descriptor for sockets is taken.
    Descriptors,
}

impl Reason {
    /// Its label on the metric.
    fn label(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Http2 => "http2",
            Self::ProxyProtocol => "proxy_protocol",
            Self::OtherProtocol => "other_protocol",
            Self::MalformedRequest => "malformed_request",
            Self::HeadBytes => "header_bytes",
            Self::HeadFields => "header_count",
            Self::Path => "path",
            Self::Descriptors => "descriptors",
        }
    }

    /// What happens, and what to change.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Tls => {
                "a TLS handshake arrived at a port that serves plain HTTP: connect with http:// and ws:// (REVERB_SCHEME=http, forceTLS: false), or put a proxy that ends TLS in front"
            }
            Self::Http2 => {
                "HTTP/2 arrived at a port that serves HTTP/1.1: set the proxy in front to HTTP/1.1 for this upstream (h2c and grpc off)"
            }
            Self::ProxyProtocol => {
                "a PROXY protocol header arrived, which is not read here: switch it off for this upstream (HAProxy send-proxy, Nginx proxy_protocol, AWS proxy_protocol_v2)"
            }
            Self::OtherProtocol => {
                "bytes arrived that are no HTTP request: this port serves HTTP/1.1 and WebSockets"
            }
            Self::MalformedRequest => "a request arrived that is not well-formed HTTP/1.1",
            Self::HeadBytes => {
                "the request line and header fields are too large: send fewer or smaller cookies, or raise http.max_header_bytes (RESOUND_HTTP_MAX_HEADER_BYTES)"
            }
            Self::HeadFields => {
                "the request has too many header fields: send fewer, or raise http.max_headers (RESOUND_HTTP_MAX_HEADERS)"
            }
            Self::Path => {
                "a socket was opened at a path that is not /app/{key} below server.path (REVERB_SERVER_PATH), and closed with 4005, which stops its client: check wsPath in Echo and what proxies do to the path"
            }
            Self::Descriptors => {
                "no file descriptors are left for more sockets, which are refused with 4100: raise the limit of open files (systemd LimitNOFILE=, ulimit -n, docker run --ulimit nofile=65536:65536)"
            }
        }
    }

    /// Whether an operator can end it; the rest is noise of any public port.
    fn is_fault_of_ours(self) -> bool {
        !matches!(self, Self::OtherProtocol | Self::MalformedRequest)
    }

    fn log(self, count: u64, peer: Option<SocketAddr>) {
        let (reason, text) = (self.label(), self.text());
        let peer = peer.map(tracing::field::display);
        if self.is_fault_of_ours() {
            tracing::warn!(reason, count, peer, "connection rejected: {text}");
        } else {
            tracing::info!(reason, count, peer, "connection rejected: {text}");
        }
    }
}

/// Counts and logs what is rejected.
pub(super) struct Rejected {
    metrics: Arc<Metrics>,
    repeats: Mutex<Repeats<Reason>>,
    /// Refused requests, by status.
    requests: Mutex<Repeats<u16>>,
}

impl Rejected {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        let repeats = Mutex::new(Repeats::new(BETWEEN_LINES));
        let requests = Mutex::new(Repeats::new(BETWEEN_REQUESTS));
        Self { metrics, repeats, requests }
    }

    /// A connection is rejected; `peer` is named where it is logged.
    pub(super) fn note(&self, reason: Reason, peer: Option<SocketAddr>, now: Instant) {
        self.metrics.connection_rejected(reason.label());
        if self.repeats.lock().note(&reason, now) {
            reason.log(1, peer);
        }
    }

    /// A request was answered with a refusal: logged at info if it is the first of its status.
    pub(super) fn request(&self, status: u16, reason: &str, now: Instant) {
        if self.requests.lock().note(&status, now) {
            tracing::info!(status, reason, "request refused");
        } else {
            tracing::debug!(status, reason, "request refused");
        }
    }

    /// Logs the numbers of what repeated in the time that is over.
    pub(super) fn tick(&self, now: Instant) {
        let ended = self.repeats.lock().ended(now);
        for Repeated { kind, count } in ended {
            kind.into_iter().for_each(|reason| reason.log(count, None));
        }
        let ended = self.requests.lock().ended(now);
        for Repeated { kind: status, count } in ended {
            tracing::info!(status, count, "more requests refused");
        }
    }
}
