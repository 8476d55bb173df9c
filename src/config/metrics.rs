//! `[metrics]`: where metrics are served, which is never where clients or back ends connect to.

use std::net::SocketAddr;

use super::error::ConfigError;
use super::listen::{ListenAddress, ListenConfig, parse_socket_address};
use super::values::Values;

/// `[metrics]`: where metrics are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsConfig {
    /// The address of `/metrics`; `None` is off.
    pub listen: Option<SocketAddr>,
}

impl MetricsConfig {
    pub(super) fn read(values: Values<'_>, listen: &ListenConfig) -> Result<Self, ConfigError> {
        let setting = values.at("metrics.listen");
        if setting.text().is_empty() {
            return Ok(Self { listen: None });
        }
        let allowed = "it must be an address and a port such as 127.0.0.1:9601, or empty";
        let address: SocketAddr = setting.parsed(parse_socket_address, allowed)?;
        listen.ensure_free(&setting, &ListenAddress::Ip(address))?;
        Ok(Self { listen: Some(address) })
    }
}
