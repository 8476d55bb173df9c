//! The proxies in front, and how the address of a client is learnt from them: `server.proxies`,
//! `server.forwarded_header` and `server.proxy_protocol`.
//!
//! Owns which peers are proxies. What they send is read by `server`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::error::ConfigError;
use super::values::Values;

/// The listed proxies, and what they send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxiesConfig {
    networks: Vec<IpNet>,
    /// Whether every peer over a unix socket is a proxy.
    pub unix: bool,
    /// The header field with the addresses of clients.
    pub header: ForwardedHeader,
    /// Whether connections of proxies begin with a header of the PROXY protocol.
    pub proxy_protocol: ProxyProtocol,
}

/// A header field with the address of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`: the addresses of the client and of each proxy but the last.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Real-IP`: one address.
    XRealIp,
}

/// Whether connections of listed proxies begin with a header of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// None does.
    Off,
    /// Each may.
    Auto,
    /// Each does, and one that does not is refused.
    On,
}

impl ProxiesConfig {
    pub(super) fn read(values: Values<'_>) -> Result<Self, ConfigError> {
        let (mut networks, mut unix) = (Vec::new(), false);
        let setting = values.at("server.proxies");
        for text in setting.texts() {
            let network = text.parse().ok().or_else(|| text.parse().ok().map(IpAddr::into));
            match network {
                Some(network) => networks.push(network),
                None if text == "unix" => unix = true,
                None => {
                    let allowed = "it must be an IP address such as 10.0.0.5, a network such as \
                                   10.0.0.0/8, or unix for the peers of unix sockets";
                    return Err(setting.refuse(format_args!("{text:?}"), allowed));
                }
            }
        }
        let headers = [
            ("x-forwarded-for", ForwardedHeader::XForwardedFor),
            ("forwarded", ForwardedHeader::Forwarded),
            ("x-real-ip", ForwardedHeader::XRealIp),
        ];
        let protocols =
            [("off", ProxyProtocol::Off), ("auto", ProxyProtocol::Auto), ("on", ProxyProtocol::On)];
        let header = values.at("server.forwarded_header").choice(&headers)?;
        let setting = values.at("server.proxy_protocol");
        let proxy_protocol = setting.choice(&protocols)?;
        if proxy_protocol != ProxyProtocol::Off && networks.is_empty() && !unix {
            let allowed = "server.proxies must list the proxies from which it is read";
            return Err(setting.refuse(setting.text(), allowed));
        }
        Ok(Self { networks, unix, header, proxy_protocol })
    }

    /// Whether this is the address of a proxy.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}
