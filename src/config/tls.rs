//! `[tls]`: the certificates of the server, and whether clients have to use TLS.
//!
//! Owns which files belong together. What is in them is checked by the room `tls`, now, so that a wrong file
//! stops the start; the server reads them again.

use std::time::Duration;

use super::error::ConfigError;
use super::values::{Setting, Values};
use crate::tls::{Certificate, CertificateError, CertificateFile, CertificateFiles};

/// `[tls]`: TLS on the addresses of `[server]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificates, at least one. The first is for clients that name no host, or an unknown one.
    pub files: Vec<CertificateFiles>,
    /// Whether connections without TLS are refused.
    pub required: bool,
    /// How often the files are looked at; `None`: only when the process is asked to reload.
    pub reload_interval: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Off,
    Optional,
    Required,
}

impl TlsConfig {
    /// `None` while it is off: files are not read then.
    pub(super) fn read(values: Values<'_>) -> Result<Option<Self>, ConfigError> {
        let at = |key: &str| values.at(&format!("tls.{key}"));
        let mode = at("mode");
        let choices =
            [("off", Mode::Off), ("optional", Mode::Optional), ("required", Mode::Required)];
        let chosen = mode.choice(&choices)?;
        let reload_interval = at("reload_seconds").seconds_or_never()?;
        let pairs = pairs(values)?;
        if pairs.is_empty() && chosen == Mode::Required {
            let allowed = "tls.certificate and tls.key must name the files of a certificate";
            return Err(mode.refuse("\"required\"", allowed));
        }
        if pairs.is_empty() || chosen == Mode::Off {
            return Ok(None);
        }
        for pair in &pairs {
            Certificate::read(&pair.files).map_err(|error| pair.refuse(&error))?;
        }
        let files = pairs.into_iter().map(|pair| pair.files).collect();
        Ok(Some(Self { files, required: chosen == Mode::Required, reload_interval }))
    }
}

/// The files of one certificate, and what set them.
struct Pair<'a> {
    files: CertificateFiles,
    certificate: Setting<'a>,
    key: Setting<'a>,
}

impl Pair<'_> {
    fn refuse(&self, error: &CertificateError) -> ConfigError {
        let setting = match error.file {
            CertificateFile::Certificate => &self.certificate,
            CertificateFile::Key => &self.key,
        };
        setting.refuse(format_args!("{:?}", error.path), &error.flaw)
    }
}

/// The pair of `tls.certificate` and `tls.key`, and those of the two lists behind it.
fn pairs(values: Values<'_>) -> Result<Vec<Pair<'_>>, ConfigError> {
    let [certificate, key] = ["tls.certificate", "tls.key"].map(|key| values.at(key));
    let [certificates, keys] = ["tls.sni_certificates", "tls.sni_keys"].map(|key| values.at(key));
    let mut pairs = Vec::new();
    match (certificate.text_if_any(), key.text_if_any()) {
        (Some(path), Some(key_path)) => {
            let files = CertificateFiles { certificate: path.into(), key: key_path.into() };
            pairs.push(Pair { files, certificate, key });
        }
        (Some(path), None) => {
            let allowed = "tls.key must name the file of its key";
            return Err(certificate.refuse(format_args!("{path:?}"), allowed));
        }
        (None, Some(path)) => {
            let allowed = "tls.certificate must name the file of its certificate";
            return Err(key.refuse(format_args!("{path:?}"), allowed));
        }
        (None, None) => {}
    }
    let (paths, key_paths) = (certificates.texts(), keys.texts());
    if paths.len() != key_paths.len() {
        let found = format!("a list of {}", paths.len());
        let allowed = format!(
            "tls.sni_keys must name one key for each, in the same order, and names {}",
            key_paths.len()
        );
        return Err(certificates.refuse(found, allowed));
    }
    if pairs.is_empty() && !paths.is_empty() {
        let allowed =
            "tls.certificate and tls.key must name the certificate for clients that name no host";
        return Err(certificates.refuse(format_args!("a list of {}", paths.len()), allowed));
    }
    pairs.extend(paths.into_iter().zip(key_paths).map(|(certificate_path, key_path)| Pair {
        files: CertificateFiles { certificate: certificate_path.into(), key: key_path.into() },
        certificate: certificates.clone(),
        key: keys.clone(),
    }));
    Ok(pairs)
}
