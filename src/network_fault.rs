//! Finds the cause of a failed connection to another service in the errors of a client library.
//!
//! Libraries wrap the cause: "error sending request" may be a refused port, an unknown host or an
//! untrusted certificate. Owns the search through the chain of an error and the text of each cause; the
//! caller adds what to change.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustls::{CertificateError, InvalidMessage};

use crate::call_targets::RefusedTarget;

/// The cause of a failed connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkFault {
    /// Nothing listens on the port.
    #[error("nothing listens on that port")]
    Refused,
    /// The path of a Unix socket does not exist.
    #[error("there is no such file")]
    Missing,
    /// The permissions of a Unix socket exclude this process.
    #[error("this process may not open it")]
    Forbidden,
    /// The host name has no address.
    #[error("the name of the host has no address (DNS)")]
    UnknownHost,
    /// The host leads to an inner address that may not be called.
    #[error("{0}")]
    InnerTarget(RefusedTarget),
    /// There is no route to the host.
    #[error("there is no route to the host")]
    Unreachable,
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    Closed,
    /// No answer arrived within the time limit.
    #[error("no answer came in time")]
    TimedOut,
    /// The peer answers without TLS.
    #[error("the peer answers without TLS")]
    NotTls,
    /// The issuer of the certificate is not trusted.
    #[error("its certificate was issued by an authority that is not trusted")]
    UnknownIssuer,
    /// The server presents the certificate of an authority, which is its own issuer.
    #[error(
        "its certificate is self-signed as that of an authority, which a server may not present"
    )]
    CaCertificate,
    /// The certificate has expired, or is not valid yet.
    #[error("its certificate has expired or is not valid yet")]
    Expired,
    /// The certificate is for other names.
    #[error("its certificate is for other host names")]
    WrongName,
    /// Another TLS failure, with the text of the library.
    #[error("TLS failed: {0}")]
    Tls(String),
}

impl NetworkFault {
    /// The first known cause in the chain of an error.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        chain(error).find_map(|cause| {
            if let Some(error) = cause.downcast_ref::<rustls::Error>() {
                return Some(Self::of_tls(error));
            }
            if let Some(refused) = cause.downcast_ref::<RefusedTarget>() {
                return Some(Self::InnerTarget(refused.clone()));
            }
            cause.downcast_ref::<io::Error>().and_then(Self::of_io)
        })
    }

    fn of_io(error: &io::Error) -> Option<Self> {
        match error.kind() {
            ErrorKind::ConnectionRefused => Some(Self::Refused),
            ErrorKind::NotFound => Some(Self::Missing),
            ErrorKind::PermissionDenied => Some(Self::Forbidden),
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Some(Self::Unreachable),
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Some(Self::Closed),
            ErrorKind::TimedOut => Some(Self::TimedOut),
            // The standard library has no kind for a failed look-up; its text is the same on every system.
            _ if error.to_string().contains("failed to lookup address") => Some(Self::UnknownHost),
            _ => None,
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        use CertificateError as Certificate;
        match error {
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            rustls::Error::InvalidCertificate(certificate) => match certificate {
                Certificate::UnknownIssuer => Self::UnknownIssuer,
                Certificate::Expired
                | Certificate::ExpiredContext { .. }
                | Certificate::NotValidYet
                | Certificate::NotValidYetContext { .. } => Self::Expired,
                Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                    Self::WrongName
                }
                other if format!("{other:?}").contains("CaUsedAsEndEntity") => Self::CaCertificate,
                other => Self::Tls(other.to_string()),
            },
            other => Self::Tls(other.to_string()),
        }
    }
}

/// An error and its causes, outermost first.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| cause(error))
}

fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    // An error in an `Arc` is a type of its own; `source` would skip the error inside.
    if let Some(shared) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        return Some(&**shared);
    }
    // The source of an I/O error is its inner error's source; the inner error itself would be skipped.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::io::{self, ErrorKind};
    use std::sync::Arc;

    use rustls::{CertificateError, InvalidMessage};

    use super::NetworkFault;

    #[derive(Debug, thiserror::Error)]
    #[error("error sending request")]
    struct RequestError(#[source] io::Error);

    /// The form in which the Redis client library keeps errors.
    #[derive(Debug, thiserror::Error)]
    #[error("I/O error")]
    struct ArcError(#[source] Arc<dyn Error + Send + Sync>);

    fn check(error: io::Error, fault: impl Into<Option<NetworkFault>>) {
        let (wrapped, fault) = (RequestError(error), fault.into());
        assert_eq!(NetworkFault::of(&wrapped), fault);
        assert_eq!(NetworkFault::of(&ArcError(Arc::new(wrapped.0))), fault);
    }

    #[test]
    fn the_cause_is_found_below_the_errors_of_libraries() {
        check(ErrorKind::ConnectionRefused.into(), Some(NetworkFault::Refused));
        check(ErrorKind::ConnectionReset.into(), Some(NetworkFault::Closed));
        check(ErrorKind::NotFound.into(), Some(NetworkFault::Missing));
        check(ErrorKind::PermissionDenied.into(), Some(NetworkFault::Forbidden));
        check(ErrorKind::HostUnreachable.into(), Some(NetworkFault::Unreachable));
        check(ErrorKind::TimedOut.into(), Some(NetworkFault::TimedOut));
        let lookup = "failed to lookup address information: Name or service not known";
        check(io::Error::other(lookup), Some(NetworkFault::UnknownHost));
        check(io::Error::other("something else"), None);
        let tls = |error: rustls::Error| io::Error::new(ErrorKind::InvalidData, error);
        let certificate = |error| tls(rustls::Error::InvalidCertificate(error));
        let plain = rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
        check(tls(plain), Some(NetworkFault::NotTls));
        check(certificate(CertificateError::UnknownIssuer), Some(NetworkFault::UnknownIssuer));
        check(certificate(CertificateError::Expired), Some(NetworkFault::Expired));
        check(certificate(CertificateError::NotValidForName), Some(NetworkFault::WrongName));
        let revoked = NetworkFault::of(&certificate(CertificateError::Revoked));
        assert!(matches!(revoked, Some(NetworkFault::Tls(_))), "{revoked:?}");
    }
}
