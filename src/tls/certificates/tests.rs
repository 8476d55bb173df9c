//! Certificates from files, and their replacement.

use std::path::PathBuf;
use std::time::Duration;

use super::{Certificates, Change};
use crate::tls::{Certificate, CertificateFiles};

/// When the certificates of the tests are valid, in Unix time: 2026 to 2126.
const NOW: Duration = Duration::from_secs(1_800_000_000);

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/certificates", name].iter().collect()
}

fn pair(certificate: &str, key: &str) -> CertificateFiles {
    CertificateFiles { certificate: path(certificate), key: path(key) }
}

fn check_refused(certificate: &str, key: &str, file: &str, flaw: &str) {
    let message = Certificate::read(&pair(certificate, key)).unwrap_err().to_string();
    assert_eq!(message, format!("{:?}: {flaw}", path(file)), "{certificate} {key}");
}

#[test]
fn the_dates_of_a_certificate_are_known() {
    let dates = |name| {
        let read = Certificate::read(&pair(name, name)).unwrap();
        (read.not_before.as_secs(), read.not_after.as_secs(), read.is_valid_at(NOW))
    };
    assert_eq!(dates("valid.pem"), (1_767_225_600, 4_922_899_200, true));
    assert_eq!(dates("expired.pem"), (1_577_836_800, 1_580_515_200, false));
    assert_eq!(dates("future.pem"), (4_102_444_800, 4_922_899_200, false));
}

#[test]
fn files_that_cannot_be_used_are_named_with_the_reason() {
    let no_certificate = "it must hold certificates in PEM form, each from -----BEGIN CERTIFICATE----- to \
                          -----END CERTIFICATE-----";
    check_refused("../papers.rs", "valid.pem", "../papers.rs", no_certificate);
    check_refused("missing.pem", "valid.pem", "missing.pem", "there is no such file");
    check_refused("valid.pem", "", "", "it is a folder; it must be a file");
    check_refused(
        "valid.pem",
        "ca.pem",
        "ca.pem",
        "it must hold a private key in PEM form, from -----BEGIN PRIVATE KEY----- (or RSA or EC PRIVATE \
         KEY) to its END",
    );
    check_refused(
        "valid.pem",
        "other.pem",
        "other.pem",
        "it is not the key of the certificate; the certificate of this server must be the first one in its \
         file, before those of its issuers",
    );
}

/// A folder whose certificate the tests replace.
struct Replaced {
    files: CertificateFiles,
    certificates: Certificates,
}

impl Replaced {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("resound-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let files =
            CertificateFiles { certificate: folder.join("a.pem"), key: folder.join("a.pem") };
        std::fs::copy(path("valid.pem"), &files.certificate).unwrap();
        let certificates = Certificates::read(vec![files.clone()]).unwrap();
        Self { files, certificates }
    }

    /// Another file under the same name, as `mv` puts it there.
    fn put(&self, text: &[u8]) {
        let new = self.files.certificate.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &self.files.certificate).unwrap();
    }

    fn expires(&self) -> u64 {
        self.certificates.status(NOW).not_after.as_secs()
    }
}

impl Drop for Replaced {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.files.certificate.parent().unwrap());
    }
}

#[test]
fn a_change_is_taken_at_the_second_look() {
    let replaced = Replaced::new("second-look");
    assert_eq!(replaced.certificates.look(NOW), Change::None);
    replaced.put(&std::fs::read(path("other.pem")).unwrap());
    assert_eq!(replaced.certificates.look(NOW), Change::None);
    assert_eq!(replaced.certificates.look(NOW), Change::Replaced);
    assert_eq!(replaced.certificates.look(NOW), Change::None);
    replaced.put(&std::fs::read(path("other.pem")).unwrap());
    assert_eq!(replaced.certificates.look(NOW), Change::None);
    assert_eq!(replaced.certificates.look(NOW), Change::None, "the same certificate again");
}

#[test]
fn garbage_replaces_nothing_and_is_reported_until_it_is_gone() {
    let replaced = Replaced::new("garbage");
    let valid_until = replaced.expires();
    replaced.put(b"garbage");
    replaced.certificates.look(NOW);
    let Change::Refused(error) = replaced.certificates.look(NOW) else { panic!("not refused") };
    assert!(error.flaw.starts_with("it must hold certificates"), "{error}");
    assert_eq!(replaced.certificates.look(NOW), Change::None, "reported once");
    let status = replaced.certificates.status(NOW);
    assert_eq!((status.not_after.as_secs(), status.failure), (valid_until, Some(error)));
    assert!(status.is_valid);
    replaced.put(&std::fs::read(path("valid.pem")).unwrap());
    assert_eq!(replaced.certificates.reload(Vec::new(), NOW), Change::None);
    assert_eq!(replaced.certificates.status(NOW).failure, None);
}

#[test]
fn an_expired_certificate_replaces_no_valid_one() {
    let replaced = Replaced::new("expired");
    for (name, flaw) in [
        ("expired.pem", "its certificate has expired; the one in use has not"),
        ("future.pem", "its certificate is not valid yet; the one in use is"),
    ] {
        replaced.put(&std::fs::read(path(name)).unwrap());
        let change = replaced.certificates.reload(Vec::new(), NOW);
        let Change::Refused(error) = change else { panic!("{name}: {change:?}") };
        assert_eq!(error.flaw, flaw);
    }
    let late = Duration::from_secs(5_000_000_000);
    assert!(!replaced.certificates.status(late).is_valid);
    assert_eq!(
        replaced.certificates.reload(Vec::new(), late),
        Change::Replaced,
        "neither is valid"
    );
}
