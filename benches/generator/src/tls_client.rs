//! The client side of TLS: which certificates are accepted, and a session for each connection.
//!
//! Owns the trust and its configuration for rustls. The bytes on the wire are left to `transport`, and what to change
//! where a certificate is refused to the program that prints it.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

/// Whose certificates are accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TlsTrust {
    /// Those of the authorities that this system trusts, or of `SSL_CERT_FILE`.
    #[default]
    System,
    /// Those of these authorities alone.
    Authorities(Vec<CertificateDer<'static>>),
    /// Any.
    Any,
}

/// Makes the sessions of one target; copies of it share what is verified.
#[derive(Debug, Clone)]
pub struct TlsClient(Arc<Verification>);

/// What a certificate is verified with.
#[derive(Debug)]
struct Verification {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// This system has no authorities to trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoAuthorities;

impl TlsTrust {
    /// The authorities of a file in PEM form; `None` if it has none, or one that cannot be read.
    pub fn authorities(pem: &[u8]) -> Option<Self> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        read.ok().filter(|authorities| !authorities.is_empty()).map(Self::Authorities)
    }

    fn roots(&self) -> RootCertStore {
        let certificates = match self {
            Self::System => rustls_native_certs::load_native_certs().certs,
            Self::Authorities(authorities) => authorities.clone(),
            Self::Any => Vec::new(),
        };
        let mut roots = RootCertStore::empty();
        // One that rustls cannot read is left out, as browsers leave it out.
        roots.add_parsable_certificates(certificates);
        roots
    }
}

impl TlsClient {
    /// A client of the server with this name.
    pub(super) fn new(trust: &TlsTrust, name: ServerName<'static>) -> Result<Self, NoAuthorities> {
        let provider = Arc::new(default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions");
        let builder = if *trust == TlsTrust::Any {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            let roots = trust.roots();
            if roots.is_empty() {
                return Err(NoAuthorities);
            }
            builder.with_root_certificates(roots)
        };
        let mut config = builder.with_no_client_auth();
        // Each socket stands for a browser of its own, which has no session to resume.
        config.resumption = Resumption::disabled();
        // As browsers do for WebSockets; a proxy that speaks HTTP/2 must not choose it.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(Verification { config: Arc::new(config), name })))
    }

    /// A session that has sent nothing yet.
    pub(super) fn session(&self) -> ClientConnection {
        ClientConnection::new(self.0.config.clone(), self.0.name.clone())
            .expect("the configuration is complete")
    }
}

/// Accepts every certificate, and checks that the server has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
