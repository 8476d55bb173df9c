//! Counts and logs connections that are rejected before a request is served, and logs requests that
//! are refused.
//!
//! Each reason has a text that names what to change. A peer decides how often it is rejected; the log
//! itself bounds the lines of each reason and status.

use std::sync::Arc;

use super::client::Client;
use crate::metrics::Metrics;
use crate::observation::{Observation, Refusal, RefusedPart};
use crate::protocol::CloseCode;
use crate::websocket::HandshakeError;

/// Why a connection is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum RejectReason {
    /// A TLS handshake where none is expected.
    Tls,
    /// A request without TLS where it is required.
    Plain,
    /// A TLS handshake that the client broke off because of the certificate.
    TlsUntrusted,
    /// A TLS handshake without a version, cipher or protocol that both have.
    TlsIncompatible,
    /// A TLS handshake that breaks the rules of TLS.
    TlsMalformed,
    /// The preface of HTTP/2.
    Http2,
    /// The header of the PROXY protocol, version 1 or 2.
    ProxyProtocol,
    /// Bytes of another protocol, or of none.
    OtherProtocol,
    /// A request that breaks the grammar of HTTP/1.1.
    MalformedRequest,
    /// A request line and header fields over `http.max_header_bytes`.
    HeaderBytes,
    /// More header fields than `http.max_headers`.
    HeaderCount,
    /// A WebSocket handshake without `Upgrade` or `Connection`.
    NoUpgrade,
    /// A WebSocket handshake with HTTP/1.0.
    OldHttp,
    /// A socket at another path than `/app/{key}`, which is closed with 4005.
    Path,
    /// Every descriptor for sockets is taken.
    Descriptors,
    /// What begins like a header of the PROXY protocol, from a listed proxy, and is none.
    ProxyHeaderMalformed,
    /// A connection of a listed proxy without a header of the PROXY protocol.
    ProxyHeaderMissing,
    /// More handshakes than `server.max_handshakes_per_second`.
    HandshakeRate,
    /// More sockets of an address than `server.max_sockets_per_address`.
    AddressSockets,
    /// More handshakes of an address than `server.max_handshakes_per_address_per_second`.
    AddressRate,
}

impl RejectReason {
    const ALL: [Self; 20] = [
        Self::Tls,
        Self::Plain,
        Self::TlsUntrusted,
        Self::TlsIncompatible,
        Self::TlsMalformed,
        Self::Http2,
        Self::ProxyProtocol,
        Self::OtherProtocol,
        Self::MalformedRequest,
        Self::HeaderBytes,
        Self::HeaderCount,
        Self::NoUpgrade,
        Self::OldHttp,
        Self::Path,
        Self::Descriptors,
        Self::ProxyHeaderMalformed,
        Self::ProxyHeaderMissing,
        Self::HandshakeRate,
        Self::AddressSockets,
        Self::AddressRate,
    ];

    /// The reason for a malformed handshake that a proxy has made so; the others are the client's own.
    pub(super) fn of_handshake(error: HandshakeError) -> Option<Self> {
        match error {
            HandshakeError::OldHttp => Some(Self::OldHttp),
            HandshakeError::Connection => Some(Self::NoUpgrade),
            HandshakeError::Method | HandshakeError::Version | HandshakeError::Key => None,
        }
    }

    /// The reason for a socket that is closed with this code before it opens, if the operator can change
    /// it here.
    pub(super) fn of_refusal(code: CloseCode) -> Option<Self> {
        match code {
            CloseCode::PathNotFound => Some(Self::Path),
            CloseCode::OverHandshakeRate => Some(Self::HandshakeRate),
            CloseCode::OverAddressLimit => Some(Self::AddressSockets),
            CloseCode::AddressTooFast => Some(Self::AddressRate),
            _ => None,
        }
    }

    /// The key of the limit that was reached.
    fn limit(self) -> Option<&'static str> {
        match self {
            Self::HandshakeRate => Some("server.max_handshakes_per_second"),
            Self::AddressSockets => Some("server.max_sockets_per_address"),
            Self::AddressRate => Some("server.max_handshakes_per_address_per_second"),
            _ => None,
        }
    }

    /// The label of the metric.
    fn label(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Plain => "plain",
            Self::TlsUntrusted => "tls_untrusted",
            Self::TlsIncompatible => "tls_incompatible",
            Self::TlsMalformed => "tls_malformed",
            Self::Http2 => "http2",
            Self::ProxyProtocol => "proxy_protocol",
            Self::OtherProtocol => "other_protocol",
            Self::MalformedRequest => "malformed_request",
            Self::HeaderBytes => "header_bytes",
            Self::HeaderCount => "header_count",
            Self::NoUpgrade => "no_upgrade",
            Self::OldHttp => "old_http",
            Self::Path => "path",
            Self::Descriptors => "descriptors",
            Self::ProxyHeaderMalformed => "proxy_header_malformed",
            Self::ProxyHeaderMissing => "proxy_header_missing",
            Self::HandshakeRate => "handshake_rate",
            Self::AddressSockets => "address_sockets",
            Self::AddressRate => "address_rate",
        }
    }

    /// What has happened and what to change, for the log and for the peer.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Tls => {
                "a TLS handshake arrived at a port that serves plain HTTP: connect with http:// and ws:// (REVERB_SCHEME=http, forceTLS: false), set tls.certificate and tls.key (RESOUND_TLS_CERTIFICATE, RESOUND_TLS_KEY), or put a proxy that ends TLS in front"
            }
            Self::Plain => {
                "a request without TLS arrived at a port that serves TLS only: connect with https:// and wss:// (REVERB_SCHEME=https, forceTLS: true), or set tls.mode to optional (RESOUND_TLS_MODE)"
            }
            Self::TlsUntrusted => {
                "a client refused the certificate: the file of tls.certificate must hold the certificates of all issuers but the root (fullchain.pem) and be for the host name that clients use, and clients need the root of an authority of your own"
            }
            Self::TlsIncompatible => {
                "a client has no version, cipher or protocol in common with this server: it needs TLS 1.2 or 1.3 and HTTP/1.1 (a proxy that connects here: HTTP/2 off)"
            }
            Self::TlsMalformed => {
                "bytes arrived that begin like a TLS handshake and are none: the client speaks another protocol, or is a scanner"
            }
            Self::Http2 => {
                "HTTP/2 arrived at a port that serves HTTP/1.1: set the proxy in front to HTTP/1.1 for this upstream (h2c and grpc off)"
            }
            Self::ProxyProtocol => {
                "a PROXY protocol header arrived, which is not read from this peer: list it in server.proxies and set server.proxy_protocol to auto, or switch the header off in the proxy (HAProxy send-proxy, Nginx proxy_protocol, AWS proxy_protocol_v2)"
            }
            Self::OtherProtocol => {
                "bytes arrived that are no HTTP request: this port serves HTTP/1.1 and WebSockets"
            }
            Self::MalformedRequest => {
                "a request arrived that is not well-formed HTTP/1.1: correct the client, or the proxy in front"
            }
            Self::HeaderBytes => {
                "the request line and header fields are too large: send fewer or smaller cookies, or raise http.max_header_bytes (RESOUND_HTTP_MAX_HEADER_BYTES)"
            }
            Self::HeaderCount => {
                "the request has too many header fields: send fewer, or raise http.max_headers (RESOUND_HTTP_MAX_HEADERS)"
            }
            Self::NoUpgrade => {
                "a WebSocket handshake arrived without its Upgrade or Connection header, which the proxy in front has to pass on (Nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; Apache: upgrade=websocket at ProxyPass)"
            }
            Self::OldHttp => {
                "a WebSocket handshake arrived with HTTP/1.0, and needs HTTP/1.1: set the proxy in front to it for this upstream (Nginx: proxy_http_version 1.1)"
            }
            Self::Path => {
                "a socket was opened at a path that is not /app/{key} below server.path (REVERB_SERVER_PATH), and closed with 4005, which stops its client: check wsPath in Echo and what proxies do to the path"
            }
            Self::Descriptors => {
                "no file descriptors are left for more sockets, which are refused with 4100: raise the limit of open files (systemd LimitNOFILE=, ulimit -n, docker run --ulimit nofile=65536:65536)"
            }
            Self::ProxyHeaderMalformed => {
                "a proxy of server.proxies sent a malformed header of the PROXY protocol: set it to version 1 or 2 over TCP"
            }
            Self::ProxyHeaderMissing => {
                "a proxy of server.proxies opened a connection without a header of the PROXY protocol: switch it on there (HAProxy send-proxy, Nginx proxy_protocol on), or set server.proxy_protocol to auto"
            }
            Self::HandshakeRate => {
                "more clients connect than may wait, and are refused with 4100: raise server.max_handshakes_per_second or server.max_handshake_wait_seconds, or add a node"
            }
            Self::AddressSockets => {
                "an address has as many sockets as it may have, and further ones are refused with 4100: raise server.max_sockets_per_address, or list the proxy in server.proxies if it is one"
            }
            Self::AddressRate => {
                "an address opens sockets too fast, which are refused with 4100: raise server.max_handshakes_per_address_per_second, or list the proxy in server.proxies if it is one"
            }
        }
    }

    /// Whether a change of configuration prevents it; the others occur on every public port.
    fn is_preventable(self) -> bool {
        !matches!(self, Self::OtherProtocol | Self::MalformedRequest | Self::TlsMalformed)
    }

    fn log(self, peer: Option<Client>) {
        let (reason, text) = (self.label(), self.text());
        let peer = peer.map(tracing::field::display);
        if self.is_preventable() {
            tracing::warn!(reason, peer, "connection rejected: {text}");
        } else {
            tracing::info!(reason, peer, "connection rejected: {text}");
        }
    }
}

/// The rejected connections and refused requests of all listeners.
pub(super) struct RejectionLog {
    metrics: Arc<Metrics>,
    observation: Arc<Observation>,
}

impl RejectionLog {
    pub(super) fn new(metrics: Arc<Metrics>, observation: Arc<Observation>) -> Self {
        for reason in RejectReason::ALL {
            metrics.sockets.expose_rejection(reason.label());
        }
        Self { metrics, observation }
    }

    /// Counts and logs a rejected connection.
    pub(super) fn record_connection(&self, reason: RejectReason, peer: Option<Client>) {
        self.metrics.sockets.connection_rejected(reason.label());
        reason.limit().into_iter().for_each(|limit| self.metrics.sockets.limit_hit(limit));
        reason.log(peer);
        self.observation.refused(None, || {
            let refusal = Refusal::new(RefusedPart::Connection, reason.text());
            refusal.with_reason(Some(reason.label())).of_client(peer.map(|peer| peer.to_string()))
        });
    }

    /// Logs a refused request of the back end or of a page of this app, if it is known. Its cause may hold text of the
    /// peer.
    pub(super) fn record_request(
        &self,
        app: Option<&str>,
        status: u16,
        (cause, reason): (&str, Option<&'static str>),
        peer: Client,
    ) {
        tracing::info!(app, status, cause, %peer, "request refused");
        self.observation.refused(app, || {
            let refusal = Refusal::new(RefusedPart::Request, cause).with_code(status);
            refusal.with_reason(reason).of_client(Some(peer.to_string()))
        });
    }
}
