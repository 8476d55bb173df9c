//! A TLS handshake as a browser does it, with the system's root certificates, and what the server presented.
//!
//! The certificate is recorded before the verifier refuses it, so that the refusal has evidence.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificate::{PresentedCertificate, names_of_refusal};
use super::probe_error::{ProbeError, within};

/// The client side of TLS. Made once: reading the root certificates takes some 20 ms.
#[derive(Debug, Clone)]
pub struct TlsClient {
    roots: Arc<WebPkiServerVerifier>,
    trust: Trust,
}

/// Which certificates are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Those that a browser accepts.
    Roots,
    /// Any: it is the address that is known to be right.
    Any,
}

/// What was learned in a handshake, whether it succeeded or not.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// `None` if the server sent no certificate before it ended.
    pub certificate: Option<PresentedCertificate>,
    /// The names of a certificate that is for other ones, IP addresses included.
    pub for_names: Option<Vec<String>>,
    /// The version, such as `TLSv1_3`, and how long the handshake took, or why it failed.
    pub outcome: Result<(String, Duration), ProbeError>,
}

/// Verifies as rustls does, and records what is verified.
#[derive(Debug)]
struct RecordingVerifier {
    verifier: Arc<WebPkiServerVerifier>,
    trust: Trust,
    seen: Mutex<(Option<PresentedCertificate>, Option<Vec<String>>)>,
}

impl TlsClient {
    /// With the root certificates of this system, or those of `SSL_CERT_FILE`; fails if there are none.
    pub fn of_this_system() -> Result<Self, ProbeError> {
        let mut roots = RootCertStore::empty();
        for certificate in rustls_native_certs::load_native_certs().certs {
            // A root that rustls cannot read is left out, as browsers leave it out.
            let _ = roots.add(certificate);
        }
        let provider = Arc::new(default_provider());
        let roots = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let none = "this system has no root certificates: install the package ca-certificates";
        roots
            .map(|roots| Self { roots, trust: Trust::Roots })
            .map_err(|_| ProbeError::Other(none.to_owned()))
    }

    /// The same for an address whose certificate is for another name by design.
    pub fn accepting_any(self) -> Self {
        Self { trust: Trust::Any, ..self }
    }

    /// Shakes hands as a client of `host`; the stream is `None` if that failed.
    pub(super) async fn shake_hands(
        &self,
        stream: TcpStream,
        host: &str,
        limit: Duration,
    ) -> (Handshake, Option<TlsStream<TcpStream>>) {
        let seen = Mutex::default();
        let recorder =
            Arc::new(RecordingVerifier { verifier: self.roots.clone(), trust: self.trust, seen });
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions")
            .dangerous()
            .with_custom_certificate_verifier(recorder.clone());
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let since = Instant::now();
        let connected = match ServerName::try_from(host.to_owned()) {
            Ok(name) => {
                within(limit, TlsConnector::from(Arc::new(config)).connect(name, stream)).await
            }
            Err(_) => Err(ProbeError::Other(format!("{host:?} is no name of a host"))),
        };
        let (certificate, for_names) = std::mem::take(&mut *recorder.seen.lock());
        let (outcome, stream) = match connected {
            Ok(stream) => {
                let version = stream.get_ref().1.protocol_version();
                let version = version.and_then(|version| version.as_str()).unwrap_or("TLS");
                (Ok((version.to_owned(), since.elapsed())), Some(stream))
            }
            Err(error) => (Err(error), None),
        };
        (Handshake { certificate, for_names, outcome }, stream)
    }
}

impl ServerCertVerifier for RecordingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let presented = PresentedCertificate::read(end_entity, intermediates.len());
        let for_names = match &verified {
            Err(Error::InvalidCertificate(refusal)) => names_of_refusal(refusal),
            _ => None,
        };
        *self.seen.lock() = (presented, for_names);
        match self.trust {
            Trust::Roots => verified,
            Trust::Any => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
