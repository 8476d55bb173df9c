//! What is counted of TLS: handshakes, and the certificates in use.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::declare::{Gauge, Label, metrics};

metrics! {
    /// The metrics of TLS; they stay zero without it.
    pub struct TlsMetrics in "tls_" {
        /// Handshakes, by result: full, resumed (the session of an earlier connection) or failed, which
        /// connections_rejected has by reason
        handshakes: Family<Label<&'static str>, Counter>,
        /// When the first certificate in use expires, in Unix time
        pub certificate_expiry_timestamp_seconds: Gauge,
        /// Changes of certificate files, by result: replaced, or refused since they cannot be used
        certificate_reloads: Family<Label<&'static str>, Counter>,
    }
}

impl TlsMetrics {
    /// Exposes the series of every result before it occurs.
    pub(super) fn expose(&self) {
        for result in ["full", "resumed", "failed"] {
            self.handshakes.get_or_create_owned(&[("result", result)]);
        }
        for result in ["replaced", "refused"] {
            self.certificate_reloads.get_or_create_owned(&[("result", result)]);
        }
    }

    /// Counts a handshake.
    pub fn handshake(&self, result: &'static str) {
        self.handshakes.get_or_create(&[("result", result)]).inc();
    }

    /// Counts a change of certificate files.
    pub fn certificates_reloaded(&self, result: &'static str) {
        self.certificate_reloads.get_or_create(&[("result", result)]).inc();
    }
}
