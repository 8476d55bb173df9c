//! How a connection opens at a listener with TLS: plain or encrypted by its first byte, then the handshake.
//!
//! Owns the reasons for which a handshake fails, and what a client without TLS is answered where it is
//! required. How long it may take is up to the caller.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderValue, Response, StatusCode};
use rustls::ServerConfig;

use super::rejection_log::RejectReason;
use crate::stream::{ByteStream, FailedHandshake, TlsStream};
use crate::tls::HandshakeFailure;

/// How every version of TLS, and SSL 3.0, begins: a record of the handshake.
pub(super) const HANDSHAKE_RECORD: u8 = 0x16;

/// TLS at the addresses of the server.
#[derive(Clone)]
pub(super) struct TlsContext {
    pub(super) config: Arc<ServerConfig>,
    /// Connections without TLS are refused.
    pub(super) is_required: bool,
}

/// What a connection turned out to be.
pub(super) enum Opening {
    /// It begins with another byte than a TLS handshake.
    Plain(ByteStream),
    /// Its handshake is complete.
    Encrypted(Box<TlsStream>),
    /// Its handshake has failed.
    Failed(Box<FailedHandshake>),
}

/// Waits for the first byte, and shakes hands if it is that of TLS.
pub(super) async fn open(stream: ByteStream, tls: &TlsContext) -> Opening {
    // The end of the stream and an error show again when it is read.
    let is_tls = matches!(stream.first_byte().await, Ok(Some(HANDSHAKE_RECORD)));
    match stream {
        ByteStream::Tcp(carrier) if is_tls => {
            match TlsStream::accept(carrier, tls.config.clone()).await {
                Ok(stream) => Opening::Encrypted(Box::new(stream)),
                Err(failed) => Opening::Failed(failed),
            }
        }
        stream => Opening::Plain(stream),
    }
}

/// Why a handshake failed; `None` if the connection ended, as those of scanners do.
pub(super) fn reject_reason(error: &io::Error) -> Option<RejectReason> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match HandshakeFailure::of(error) {
        HandshakeFailure::Untrusted => RejectReason::TlsUntrusted,
        HandshakeFailure::Incompatible => RejectReason::TlsIncompatible,
        HandshakeFailure::Malformed => RejectReason::TlsMalformed,
    })
}

/// The answer to a request without TLS where it is required: Nginx' status, and what to change.
pub(super) fn tls_required() -> Response<Body> {
    let text = format!("Bad request: {}", RejectReason::Plain.text());
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    let fields = [(CONNECTION, "close"), (CONTENT_TYPE, "text/plain; charset=utf-8")];
    let fields = fields.map(|(name, value)| (name, HeaderValue::from_static(value)));
    answer.headers_mut().extend(fields);
    answer
}
