//! What is counted of sockets: how they end, and what is refused before and after they are open.
//!
//! The sockets that are open are counted for each app.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::declare::{Gauge, Label, metrics};
use crate::protocol::{CloseCode, RefusalCause};

metrics! {
    /// The metrics of sockets.
    pub struct SocketMetrics in "" {
        /// Sockets that were greeted and have ended, by the side that ended them (server, client,
        /// or network: no close frame), the code, and the reason of the server; opened is open plus
        /// closed
        connections_closed: Family<CloseLabels, Counter>,
        /// Handshakes answered with a close code, by code and reason
        handshakes_refused: Family<RefusalLabels, Counter>,
        /// Sockets closed because what was published to them outgrew the outbox, or because they
        /// took nothing for websocket.write_timeout_seconds
        pub slow_readers_closed: Counter,
        /// Sockets closed because of a flood of messages
        flooding_clients_closed: Counter,
        /// Sockets that the limit of open files allows
        pub connections_limit: Gauge,
        /// Handshakes that wait until their socket may open, while more come than server.max_handshakes_per_second
        pub handshakes_waiting: Gauge,
        /// Connections on which no request or handshake was served, by reason
        connections_rejected: Family<Label<&'static str>, Counter>,
        /// Subscriptions answered with an error
        subscriptions_refused: Counter,
        /// Client messages answered with an error
        pub messages_rejected: Counter,
        /// Signatures that were not accepted, of requests to the HTTP API, subscriptions and sign-ins,
        /// by cause
        auth_failures: Family<AuthLabels, Counter>,
        /// Times a limit of the configuration was reached, by its key
        limits_hit: Family<Label<&'static str>, Counter>,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CloseLabels {
    by: &'static str,
    code: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    code: u16,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AuthLabels {
    of: &'static str,
    cause: &'static str,
}

/// The side that ended an open socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    /// The server closed it.
    Server(CloseCode),
    /// The client sent a close frame, with this code or with none.
    Client(Option<u16>),
    /// The connection ended without a close frame.
    Network,
}

impl ClosedBy {
    /// The side, the code of the close frame, and the reason of the server in one word.
    pub fn parts(self) -> (&'static str, Option<u16>, Option<&'static str>) {
        match self {
            Self::Server(code) => ("server", Some(code.code()), Some(code.label())),
            Self::Client(code) => ("client", code, None),
            Self::Network => ("network", None, None),
        }
    }
}

impl SocketMetrics {
    /// Counts an open socket's end; once for each.
    pub fn closed(&self, by: ClosedBy) {
        match by {
            ClosedBy::Server(CloseCode::TooSlow) => self.slow_readers_closed.inc(),
            ClosedBy::Server(CloseCode::Flooding) => self.flooding_clients_closed.inc(),
            _ => 0,
        };
        if let ClosedBy::Server(code) = by {
            limit_of(code).into_iter().for_each(|limit| self.limit_hit(limit));
        }
        let (by, code, reason) = match by {
            ClosedBy::Server(code) => ("server", code.code().to_string(), code.label()),
            // A client chooses its code: only what browsers and SDKs send has a series.
            ClosedBy::Client(Some(code @ (1000 | 1001))) => ("client", code.to_string(), "left"),
            ClosedBy::Client(Some(_)) => ("client", "other".to_owned(), "left"),
            ClosedBy::Client(None) => ("client", "1005".to_owned(), "left"),
            ClosedBy::Network => ("network", "1006".to_owned(), "lost"),
        };
        self.connections_closed.get_or_create(&CloseLabels { by, code, reason }).inc();
    }

    /// Counts a handshake that was answered with a close code.
    pub fn handshake_refused(&self, code: CloseCode) {
        limit_of(code).into_iter().for_each(|limit| self.limit_hit(limit));
        let labels = RefusalLabels { code: code.code(), reason: code.label() };
        self.handshakes_refused.get_or_create(&labels).inc();
    }

    /// Exposes the series of every reason before it occurs: a rate can be computed from its first time on.
    pub(super) fn expose(&self) {
        for cause in RefusalCause::OF_REQUESTS {
            self.auth_failures.get_or_create_owned(&AuthLabels { of: "request", cause });
        }
        for cause in RefusalCause::OF_SOCKETS {
            for of in ["subscription", "sign_in"] {
                self.auth_failures.get_or_create_owned(&AuthLabels { of, cause });
            }
        }
        for code in CloseCode::ALL {
            if let Some(limit) = limit_of(code) {
                self.limits_hit.get_or_create_owned(&[("limit", limit)]);
            }
            let (code, reason) = (code.code(), code.label());
            let labels = CloseLabels { by: "server", code: code.to_string(), reason };
            self.connections_closed.get_or_create_owned(&labels);
            self.handshakes_refused.get_or_create_owned(&RefusalLabels { code, reason });
        }
    }

    /// Exposes the series of a reason for which connections are rejected.
    pub fn expose_rejection(&self, reason: &'static str) {
        self.connections_rejected.get_or_create_owned(&[("reason", reason)]);
    }

    /// Counts a connection on which no request or handshake was served.
    pub fn connection_rejected(&self, reason: &'static str) {
        self.connections_rejected.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts a subscription that was answered with an error.
    pub fn subscription_refused(&self, cause: RefusalCause) {
        self.subscriptions_refused.inc();
        self.refused("subscription", cause);
    }

    /// Counts the cause of a refusal, of a `request`, a `subscription`, a `sign_in` or a `message`.
    pub fn refused(&self, of: &'static str, cause: RefusalCause) {
        match cause {
            RefusalCause::Signature(cause) => {
                self.auth_failures.get_or_create(&AuthLabels { of, cause }).inc();
            }
            RefusalCause::Limit(limit) => self.limit_hit(limit),
            RefusalCause::Other => {}
        }
    }

    /// How often something was refused for this reason since the start; `None` where it is counted under no reason of
    /// its own.
    pub fn refused_so_far(
        &self,
        of: &'static str,
        reason: &'static str,
        code: Option<u16>,
    ) -> Option<u64> {
        let is_signature = || match of {
            "request" => RefusalCause::OF_REQUESTS.contains(&reason),
            _ => RefusalCause::OF_SOCKETS.contains(&reason),
        };
        match of {
            "connection" => {
                Some(self.connections_rejected.get_or_create(&[("reason", reason)]).get())
            }
            "handshake" => {
                let labels = RefusalLabels { code: code?, reason };
                Some(self.handshakes_refused.get_or_create(&labels).get())
            }
            _ if is_signature() => {
                let labels = AuthLabels { of, cause: reason };
                Some(self.auth_failures.get_or_create(&labels).get())
            }
            _ => None,
        }
    }

    /// Handshakes, subscriptions and messages that were refused so far, and signatures of requests that were not accepted.
    pub fn refusals(&self) -> u64 {
        let handshakes: u64 = CloseCode::ALL.iter().map(|&code| self.handshakes(code)).sum();
        let requests = RefusalCause::OF_REQUESTS.iter().map(|&cause| {
            self.auth_failures.get_or_create(&AuthLabels { of: "request", cause }).get()
        });
        let of_sockets = self.subscriptions_refused.get() + self.messages_rejected.get();
        handshakes + of_sockets + requests.sum::<u64>()
    }

    /// Handshakes that were answered with this close code so far.
    pub fn handshakes(&self, code: CloseCode) -> u64 {
        let labels = RefusalLabels { code: code.code(), reason: code.label() };
        self.handshakes_refused.get_or_create(&labels).get()
    }

    /// Counts that a limit was reached; `limit` is its key in the configuration.
    pub fn limit_hit(&self, limit: &'static str) {
        self.limits_hit.get_or_create(&[("limit", limit)]).inc();
    }
}

/// The key of the limit that a socket is closed for.
fn limit_of(code: CloseCode) -> Option<&'static str> {
    match code {
        CloseCode::MessageTooBig => Some("max_message_size"),
        CloseCode::OverConnectionLimit => Some("max_connections"),
        CloseCode::OverMemoryLimit => Some("limits.memory_bytes"),
        CloseCode::RateLimited => Some("rate_limiting"),
        _ => None,
    }
}
