//! TLS clients: a tunnel through which the other clients of this folder reach a server over TLS.
//!
//! The certificates are those of `tests/certificates`.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::within;

/// The path of a file of `tests/certificates`.
pub fn certificate(name: &str) -> String {
    format!("{}/tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A `[tls]` section with the certificate for localhost and 127.0.0.1, and further lines.
pub fn section(lines: &str) -> String {
    let path = certificate("valid.pem");
    format!("\n[tls]\ncertificate = {path:?}\nkey = {path:?}\n{lines}\n")
}

/// A client that trusts the authority of the tests, with one version of TLS or both.
pub fn client(versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate("ca.pem")).unwrap()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Shakes hands with a server as a client that names this host.
pub async fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    host: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = within("a connection", TcpStream::connect(address)).await.expect("a listener");
    stream.set_nodelay(true).unwrap();
    let host = ServerName::try_from(host.to_owned()).unwrap();
    within("the handshake", TlsConnector::from(config.clone()).connect(host, stream)).await
}

/// A local port behind which a server is reached over TLS. Dropping it ends the connections through it.
pub struct Tunnel {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Tunnel {
    /// To this server, with both versions of TLS.
    pub async fn to(server: SocketAddr) -> Self {
        Self::with(server, client(&[&TLS13, &TLS12])).await
    }

    /// The same with another client.
    pub async fn with(server: SocketAddr, config: ClientConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = Arc::new(config);
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((mut plain, _)) = listener.accept().await {
                plain.set_nodelay(true).unwrap();
                let config = config.clone();
                open.spawn(async move {
                    let mut encrypted = connect(server, &config, "localhost").await.unwrap();
                    // An end without its announcement is an error here, and a reset for the client.
                    if copy_bidirectional(&mut plain, &mut encrypted).await.is_err() {
                        let _ = socket2::SockRef::from(&plain)
                            .set_linger(Some(std::time::Duration::ZERO));
                    }
                });
            }
        });
        Self { address, task }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}
