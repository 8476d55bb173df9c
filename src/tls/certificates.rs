//! The certificates that the server presents: which one for which name, and their replacement while
//! connections go on.
//!
//! A new set replaces the old one as a whole or not at all, so that a file of garbage ends no service.
//! When to look for new files is decided by `server`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use super::files::{CertificateError, CertificateFile, CertificateFiles};

/// The certificates in use and the files that they come from.
#[derive(Debug)]
pub struct Certificates {
    /// Read by every handshake. The first is the one for clients that name no host, or an unknown one.
    in_use: RwLock<Arc<[Certificate]>>,
    source: Mutex<Source>,
}

#[derive(Debug)]
struct Source {
    files: Vec<CertificateFiles>,
    /// What the files looked like when they were read last.
    read: Vec<Option<FileStamp>>,
    /// What they looked like at the last look.
    seen: Vec<Option<FileStamp>>,
    /// Why the last attempt to replace the certificates failed.
    failure: Option<CertificateError>,
}

/// What changes when a file is written, replaced or made readable.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileStamp {
    node: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What a look at the files has led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The files are those in use, or not complete yet.
    None,
    /// New certificates are in use, for handshakes from now on.
    Replaced,
    /// The files cannot be used; the certificates from before stay in use.
    Refused(CertificateError),
}

/// The state of the certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateStatus {
    /// When the first of those in use expires, in Unix time.
    pub not_after: Duration,
    /// Whether clients accept the dates of all in use.
    pub is_valid: bool,
    /// Why the files on disk are not in use.
    pub failure: Option<CertificateError>,
}

impl Certificates {
    /// Reads the files; there is at least one pair.
    pub fn read(files: Vec<CertificateFiles>) -> Result<Self, CertificateError> {
        let stamps = stamps(&files);
        let certificates = read_all(&files)?;
        let source = Source { files, read: stamps.clone(), seen: stamps, failure: None };
        Ok(Self { in_use: RwLock::new(certificates), source: Mutex::new(source) })
    }

    /// Looks whether the files have changed, and reads them once a change has been there for two looks:
    /// a certificate is mostly written before its key, and neither fits the other until both are there.
    pub fn look(&self, now: Duration) -> Change {
        let mut source = self.source.lock();
        let stamps = stamps(&source.files);
        let is_settled = std::mem::replace(&mut source.seen, stamps.clone()) == stamps;
        if !is_settled || stamps == source.read {
            return Change::None;
        }
        self.replace(&mut source, now)
    }

    /// Reads files now, those from before if `files` is empty.
    pub fn reload(&self, files: Vec<CertificateFiles>, now: Duration) -> Change {
        let mut source = self.source.lock();
        if !files.is_empty() {
            source.files = files;
        }
        self.replace(&mut source, now)
    }

    /// The state at `now`, in Unix time.
    pub fn status(&self, now: Duration) -> CertificateStatus {
        let failure = self.source.lock().failure.clone();
        let in_use = self.in_use.read();
        let not_after = in_use.iter().map(|certificate| certificate.not_after).min();
        CertificateStatus {
            not_after: not_after.unwrap_or_default(),
            is_valid: in_use.iter().all(|certificate| certificate.is_valid_at(now)),
            failure,
        }
    }

    fn replace(&self, source: &mut Source, now: Duration) -> Change {
        source.read = stamps(&source.files);
        source.seen = source.read.clone();
        let replaced = read_all(&source.files).and_then(|new| {
            let is_same = is_same(&new, &self.in_use.read());
            self.refuse_worse(&source.files, &new, now)?;
            *self.in_use.write() = new;
            Ok(is_same)
        });
        source.failure = replaced.clone().err();
        match replaced {
            Ok(true) => Change::None,
            Ok(false) => Change::Replaced,
            Err(error) => Change::Refused(error),
        }
    }

    /// Certificates that clients refuse for their dates do not replace valid ones.
    fn refuse_worse(
        &self,
        files: &[CertificateFiles],
        new: &[Certificate],
        now: Duration,
    ) -> Result<(), CertificateError> {
        if !self.in_use.read().iter().all(|certificate| certificate.is_valid_at(now)) {
            return Ok(());
        }
        let mut pairs = files.iter().zip(new);
        let Some((files, new)) = pairs.find(|(_, new)| !new.is_valid_at(now)) else {
            return Ok(());
        };
        let flaw = match new.not_after < now {
            true => "its certificate has expired; the one in use has not",
            false => "its certificate is not valid yet; the one in use is",
        };
        Err(files.refuse(CertificateFile::Certificate, flaw))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let in_use = self.in_use.read().clone();
        let [first, others @ ..] = &*in_use else { return None };
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let Some(name) = name.filter(|_| !others.is_empty()) else {
            return Some(first.key.clone());
        };
        let schemes = hello.signature_schemes();
        let is_usable = |certificate: &&Certificate| {
            certificate.is_for(&name) && certificate.key.key.choose_scheme(schemes).is_some()
        };
        Some(in_use.iter().find(is_usable).unwrap_or(first).key.clone())
    }
}

fn read_all(files: &[CertificateFiles]) -> Result<Arc<[Certificate]>, CertificateError> {
    files.iter().map(Certificate::read).collect()
}

fn is_same(new: &[Certificate], old: &[Certificate]) -> bool {
    new.len() == old.len() && new.iter().zip(old).all(|(new, old)| new.key.cert == old.key.cert)
}

/// `None` for a file that cannot be found.
fn stamps(files: &[CertificateFiles]) -> Vec<Option<FileStamp>> {
    let paths = files.iter().flat_map(|files| [&files.certificate, &files.key]);
    let stamp = |found: fs::Metadata| FileStamp {
        node: (found.dev(), found.ino()),
        bytes: found.len(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    };
    paths.map(|path| fs::metadata(path).ok().map(stamp)).collect()
}

#[cfg(test)]
mod tests;
