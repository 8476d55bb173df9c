//! Names and addresses: what a name resolves to, and which of the addresses accept a connection.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::{TcpStream, lookup_host};

use super::ServerUrl;
use super::probe_error::{ProbeError, within};
use crate::network_fault::NetworkFault;

/// An address of a name, and what came of connecting to it.
#[derive(Debug)]
pub struct Dialled {
    /// The address.
    pub address: SocketAddr,
    /// The time until the connection was open, or why it is not.
    pub outcome: Result<Duration, ProbeError>,
}

/// The addresses of a name, in the order in which the system prefers them.
pub async fn resolve(url: &ServerUrl, limit: Duration) -> Result<Vec<IpAddr>, ProbeError> {
    let found = within(limit, lookup_host((url.host.as_str(), url.port))).await;
    let mut addresses: Vec<IpAddr> = Vec::new();
    // The resolver reports a name without addresses as an error of its own, whose text differs.
    let found = found.map_err(|error| match error {
        ProbeError::Late(limit) => ProbeError::Late(limit),
        _ => ProbeError::Fault(NetworkFault::UnknownHost),
    })?;
    for address in found.map(|address| address.ip()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    match addresses.is_empty() {
        true => Err(ProbeError::Fault(NetworkFault::UnknownHost)),
        false => Ok(addresses),
    }
}

/// Connects to one address; the connection is closed again.
pub async fn dial(address: SocketAddr, limit: Duration) -> Dialled {
    let since = Instant::now();
    let outcome = within(limit, TcpStream::connect(address)).await.map(|_| since.elapsed());
    Dialled { address, outcome }
}
