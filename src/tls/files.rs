//! The files of one certificate: where they are, what is in them, and why they cannot be used.
//!
//! Owns the text for each way in which a file is wrong. Never shows what is in a key file.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A chain of more is the wrong file: a bundle of root CAs has a hundred and more.
const MAX_CHAIN: usize = 16;

/// Where a certificate and its key are. Both may be one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate of the server and those of its issuers, in PEM form.
    pub certificate: PathBuf,
    /// Its private key, in PEM form.
    pub key: PathBuf,
}

/// One of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFile {
    /// The certificates.
    Certificate,
    /// The private key.
    Key,
}

/// Why a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?}: {flaw}")]
pub struct CertificateError {
    /// The file to change.
    pub file: CertificateFile,
    /// Its path.
    pub path: PathBuf,
    /// What it must be, or why it cannot be read; without the path.
    pub flaw: String,
}

impl CertificateFiles {
    /// The certificates in the order of the file, and the key.
    pub(super) fn read(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CertificateError> {
        Ok((self.chain()?, self.private_key()?))
    }

    /// An error of one of the files.
    pub(super) fn refuse(
        &self,
        file: CertificateFile,
        flaw: impl fmt::Display,
    ) -> CertificateError {
        let path = self.path(file).to_owned();
        CertificateError { file, path, flaw: flaw.to_string() }
    }

    fn path(&self, file: CertificateFile) -> &Path {
        match file {
            CertificateFile::Certificate => &self.certificate,
            CertificateFile::Key => &self.key,
        }
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
        let file = CertificateFile::Certificate;
        let bytes = self.bytes(file)?;
        let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&bytes).collect();
        let wanted = "it must hold certificates in PEM form, each from -----BEGIN CERTIFICATE----- to \
                      -----END CERTIFICATE-----";
        match chain {
            Ok(chain) if chain.len() > MAX_CHAIN => Err(self.refuse(
                file,
                format_args!(
                    "it holds {} certificates, as a bundle of root CAs does; it must hold the \
                     certificate of this server and those of its issuers (fullchain.pem)",
                    chain.len()
                ),
            )),
            Ok(chain) if !chain.is_empty() => Ok(chain),
            _ => Err(self.refuse(file, wanted)),
        }
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, CertificateError> {
        let file = CertificateFile::Key;
        let bytes = self.bytes(file)?;
        PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
            let text = String::from_utf8_lossy(&bytes);
            let is_encrypted = text.contains("ENCRYPTED");
            self.refuse(
                file,
                match is_encrypted {
                    true => {
                        "the key is encrypted with a passphrase, which is not asked for here; remove it \
                         with `openssl pkey -in KEY -out PLAIN_KEY`"
                    }
                    false => {
                        "it must hold a private key in PEM form, from -----BEGIN PRIVATE KEY----- (or RSA \
                         or EC PRIVATE KEY) to its END"
                    }
                },
            )
        })
    }

    fn bytes(&self, file: CertificateFile) -> Result<Vec<u8>, CertificateError> {
        std::fs::read(self.path(file)).map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.refuse(file, "there is no such file"),
            ErrorKind::IsADirectory => self.refuse(file, "it is a folder; it must be a file"),
            ErrorKind::PermissionDenied => self.refuse(
                file,
                "the user of this process has no permission to read it; grant it to that user or its \
                 group",
            ),
            _ => self.refuse(file, format_args!("it cannot be read: {error}")),
        })
    }
}
