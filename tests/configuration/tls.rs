//! The certificates of the server: which files belong together, and what is wrong with one.

use std::time::Duration;

use resound::config::TlsConfig;

use crate::{APP, check_refused, load};

/// A file with a certificate and its key.
pub(crate) const CERTIFICATE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certificates/valid.pem");

/// Another one.
const OTHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certificates/other.pem");

fn tls(keys: &str, variables: &[(&str, &str)]) -> Option<TlsConfig> {
    load(&format!("{APP}[tls]\n{keys}\n"), variables).unwrap().tls
}

/// The names of the files, without their folder.
fn names(tls: &TlsConfig) -> Vec<[String; 2]> {
    let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    tls.files.iter().map(|files| [name(&files.certificate), name(&files.key)]).collect()
}

#[test]
fn tls_is_off_without_a_certificate_and_where_it_is_switched_off() {
    assert_eq!(tls("", &[]), None);
    // Its files are not read.
    let missing = "certificate = \"missing\"\nkey = \"missing\"\nmode = \"off\"";
    assert_eq!(tls(missing, &[]), None);
}

#[test]
fn a_certificate_switches_it_on_beside_plain_connections() {
    let read = tls(&format!("certificate = {CERTIFICATE:?}\nkey = {CERTIFICATE:?}"), &[]).unwrap();
    assert_eq!(names(&read), [["valid.pem", "valid.pem"]]);
    assert_eq!((read.required, read.reload_interval), (false, Some(Duration::from_secs(5))));
}

#[test]
fn variables_name_several_certificates() {
    let read = tls(
        "mode = \"required\"\nreload_seconds = 0",
        &[
            ("RESOUND_TLS_CERTIFICATE", CERTIFICATE),
            ("RESOUND_TLS_KEY", CERTIFICATE),
            ("RESOUND_TLS_SNI_CERTIFICATES", &format!("{OTHER},{CERTIFICATE}")),
            ("RESOUND_TLS_SNI_KEYS", &format!("[{OTHER:?}, {CERTIFICATE:?}]")),
        ],
    );
    let read = read.unwrap();
    let expected =
        [["valid.pem", "valid.pem"], ["other.pem", "other.pem"], ["valid.pem", "valid.pem"]];
    assert_eq!(names(&read), expected);
    assert_eq!((read.required, read.reload_interval), (true, None));
}

#[test]
fn half_a_pair_names_the_key_that_lacks() {
    for (keys, message) in [
        (
            "certificate = \"a.pem\"",
            "tls.certificate is \"a.pem\"; tls.key must name the file of its key",
        ),
        (
            "key = \"a.key\"",
            "tls.key is \"a.key\"; tls.certificate must name the file of its certificate",
        ),
        (
            "mode = \"required\"",
            "tls.mode is \"required\"; tls.certificate and tls.key must name the files of a certificate",
        ),
        (
            "sni_certificates = [\"a.pem\", \"b.pem\"]\nsni_keys = [\"a.key\"]",
            "tls.sni_certificates is a list of 2; tls.sni_keys must name one key for each, in the same \
             order, and names 1",
        ),
        (
            "sni_certificates = [\"a.pem\"]\nsni_keys = [\"a.key\"]",
            "tls.sni_certificates is a list of 1; tls.certificate and tls.key must name the certificate \
             for clients that name no host",
        ),
        ("mode = \"on\"", "tls.mode is \"on\"; allowed are off, optional and required"),
    ] {
        let message = format!("config/reverb.toml: {message}");
        check_refused(&format!("{APP}[tls]\n{keys}\n"), &[], &message);
    }
}

#[test]
fn a_wrong_file_is_named_with_its_key_and_what_is_wrong() {
    let missing = format!("{CERTIFICATE}.missing");
    let pair = format!("certificate = {CERTIFICATE:?}\nkey = {CERTIFICATE:?}\n");
    for (keys, message) in [
        (
            format!("certificate = {missing:?}\nkey = {CERTIFICATE:?}"),
            format!("tls.certificate is {missing:?}; there is no such file"),
        ),
        (
            format!("certificate = {CERTIFICATE:?}\nkey = {missing:?}"),
            format!("tls.key is {missing:?}; there is no such file"),
        ),
        (
            format!("{pair}sni_certificates = [{OTHER:?}]\nsni_keys = [{CERTIFICATE:?}]"),
            format!(
                "tls.sni_keys is {CERTIFICATE:?}; it is not the key of the certificate; the certificate \
                 of this server must be the first one in its file, before those of its issuers"
            ),
        ),
    ] {
        let message = format!("config/reverb.toml: {message}");
        check_refused(&format!("{APP}[tls]\n{keys}\n"), &[], &message);
    }
}
