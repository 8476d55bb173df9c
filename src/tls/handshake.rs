//! What is offered in a handshake: versions, protocols, resumption.
//!
//! TLS 1.2 and 1.3 with rustls' own choice of ciphers, which has nothing to configure.

use std::sync::Arc;

use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, ServerConfig};

use super::certificates::Certificates;

/// The only protocol above TLS that is served here. A client that offers others alone, such as gRPC with
/// HTTP/2, gets an alert.
const HTTP_1_1: &[u8] = b"http/1.1";

/// The settings of the handshakes of all workers. Sessions are resumed by tickets, which any worker reads
/// and which cost no memory here. Their key is changed every six hours and is that of this process: after a
/// restart, clients shake hands in full.
pub fn server_config(certificates: &Arc<Certificates>) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificates.clone());
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    config.ticketer = Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}
