//! The certificate that a server presents, as far as a person has to know it.
//!
//! Pure: reads the bytes of a chain. Whether it is trusted is decided by rustls.

use std::time::Duration;

use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::tls::dates_of;

/// The object identifiers of a common name and of an organisation, as they stand in a name.
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
const ORGANISATION: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x0a];

/// What a server presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedCertificate {
    /// The host names it is for; those of IP addresses stand in `for_names` of a refusal only.
    pub names: Vec<String>,
    /// Whom it was issued for.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// Its issuer is itself.
    pub is_self_signed: bool,
    /// How many certificates came with it.
    pub intermediates: usize,
    /// When it expires, in Unix time.
    pub not_after: Option<Duration>,
}

impl PresentedCertificate {
    /// Reads the first certificate of a chain; `None` if it is not one of X.509 version 3.
    pub(super) fn read(certificate: &CertificateDer<'_>, intermediates: usize) -> Option<Self> {
        let parsed = EndEntityCert::try_from(certificate).ok()?;
        Some(Self {
            names: parsed.valid_dns_names().map(str::to_owned).collect(),
            subject: readable(parsed.subject()),
            issuer: readable(parsed.issuer()),
            is_self_signed: parsed.subject() == parsed.issuer(),
            intermediates,
            not_after: dates_of(certificate).map(|(_, not_after)| not_after),
        })
    }
}

/// The names in a refusal for another name, IP addresses included.
pub(super) fn names_of_refusal(refusal: &CertificateError) -> Option<Vec<String>> {
    let CertificateError::NotValidForNameContext { presented, .. } = refusal else { return None };
    let bare = |name: &String| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest);
        inner.trim_end_matches(')').trim_matches('"').to_owned()
    };
    Some(presented.iter().map(bare).collect())
}

/// The common name of a distinguished name, else its organisation.
fn readable(name: &[u8]) -> String {
    let part = part(name, COMMON_NAME).or_else(|| part(name, ORGANISATION));
    part.unwrap_or_else(|| "a name without common name".to_owned())
}

/// The text that follows an object identifier: one byte for its type, one for its length.
fn part(name: &[u8], identifier: [u8; 5]) -> Option<String> {
    let at = memchr::memmem::find(name, &identifier)? + identifier.len();
    let length = usize::from(*name.get(at + 1)?);
    let text = name.get(at + 2..at + 2 + length).filter(|_| length < 128)?;
    let text = String::from_utf8_lossy(text);
    Some(text.chars().filter(|character| !character.is_control()).collect())
}
