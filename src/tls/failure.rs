//! Why a TLS handshake fails, by what has to change.

use rustls::{AlertDescription, Error};

/// The kinds of failed handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandshakeFailure {
    /// The client refuses the certificate.
    Untrusted,
    /// Client and server have no version, cipher or protocol in common.
    Incompatible,
    /// The bytes are no TLS handshake, or break its rules.
    Malformed,
}

impl HandshakeFailure {
    /// The kind of an error of rustls.
    pub fn of(error: &Error) -> Self {
        use AlertDescription as Alert;
        match error {
            Error::AlertReceived(
                Alert::UnknownCA
                | Alert::BadCertificate
                | Alert::CertificateUnknown
                | Alert::CertificateExpired
                | Alert::CertificateRevoked
                | Alert::UnsupportedCertificate,
            ) => Self::Untrusted,
            Error::AlertReceived(
                Alert::ProtocolVersion | Alert::HandshakeFailure | Alert::InsufficientSecurity,
            )
            | Error::PeerIncompatible(_)
            | Error::NoApplicationProtocol => Self::Incompatible,
            _ => Self::Malformed,
        }
    }
}
