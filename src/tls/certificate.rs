//! One certificate with its key, checked: they belong together, and the dates are known.
//!
//! Does not decide which of several is presented.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError as Refusal, Error, RootCertStore};

use super::files::{CertificateError, CertificateFile, CertificateFiles};

/// A certificate that can be presented.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    /// When it expires, in Unix time.
    pub not_after: Duration,
    /// From when on it is valid, in Unix time.
    pub not_before: Duration,
}

impl Certificate {
    /// Reads and checks the files. That it has expired, or is not valid yet, is no error: clients
    /// refuse it, and the dates say so.
    pub fn read(files: &CertificateFiles) -> Result<Self, CertificateError> {
        let (chain, key) = files.read()?;
        let key = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| {
            let (file, flaw) = match error {
                Error::InconsistentKeys(_) => (
                    CertificateFile::Key,
                    "it is not the key of the certificate; the certificate of this server must be the \
                     first one in its file, before those of its issuers"
                        .to_owned(),
                ),
                Error::InvalidCertificate(_) => (CertificateFile::Certificate, NOT_X509.to_owned()),
                error => (
                    CertificateFile::Key,
                    format!("it must be an RSA key of 2048 bits or more, or an EC key of P-256 or P-384, or an Ed25519 key ({error})"),
                ),
            };
            files.refuse(file, flaw)
        })?;
        let parsed = ParsedCertificate::try_from(&key.cert[0])
            .map_err(|_| files.refuse(CertificateFile::Certificate, NOT_X509))?;
        let (not_before, not_after) = validity(&parsed)
            .ok_or_else(|| files.refuse(CertificateFile::Certificate, NOT_X509))?;
        Ok(Self { key: Arc::new(key), not_after, not_before })
    }

    /// Whether clients accept its dates at `now`, in Unix time.
    pub fn is_valid_at(&self, now: Duration) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Whether it is for the host `name`.
    pub(super) fn is_for(&self, name: &ServerName<'_>) -> bool {
        let parsed = ParsedCertificate::try_from(&self.key.cert[0]);
        parsed.is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
    }
}

/// From when to when a certificate is valid, in Unix time; `None` if it is not one of X.509 version 3.
pub fn dates_of(certificate: &CertificateDer<'_>) -> Option<(Duration, Duration)> {
    validity(&ParsedCertificate::try_from(certificate).ok()?)
}

const NOT_X509: &str = "its first certificate is not one of X.509 version 3";

/// From when to when a certificate is valid. The verifier says so where it refuses one for its dates,
/// which it checks first: so it is asked at both ends of time.
fn validity(certificate: &ParsedCertificate<'_>) -> Option<(Duration, Duration)> {
    let verified_at = |seconds: u64| {
        verify_server_cert_signed_by_trust_anchor(
            certificate,
            &RootCertStore::empty(),
            &[],
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            default_provider().signature_verification_algorithms.all,
        )
    };
    let not_before = match verified_at(0) {
        Err(Error::InvalidCertificate(Refusal::NotValidYetContext { not_before, .. })) => {
            not_before.as_secs()
        }
        // Valid since 1970 or before: it is refused for another reason.
        _ => 0,
    };
    let not_after = match verified_at(u64::MAX) {
        Err(Error::InvalidCertificate(Refusal::ExpiredContext { not_after, .. })) => {
            not_after.as_secs()
        }
        _ => return None,
    };
    Some((Duration::from_secs(not_before), Duration::from_secs(not_after)))
}
