//! TLS for the connections of clients: the certificates that the server presents, and the records of one
//! connection.
//!
//! Owns what is read from certificate files and how they are replaced while the server runs, and which
//! bytes rustls makes of which. No socket is read or written here: that is `stream`'s, and who may connect
//! without TLS is decided by `server`.

mod certificate;
mod certificates;
mod failure;
mod files;
mod handshake;
mod session;

pub use certificate::{Certificate, dates_of};
pub use certificates::{CertificateStatus, Certificates, Change};
pub use failure::HandshakeFailure;
pub use files::{CertificateError, CertificateFile, CertificateFiles};
pub use handshake::server_config;
pub use session::{RECORD_BYTES, TlsSession};
