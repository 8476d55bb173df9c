//! Which addresses the calls of this server to other services may lead to: webhooks, questions to an app's own
//! endpoint, sets of keys, traces.
//!
//! Owns the kinds of inner addresses, the names that only an inner host can have, and the rule of
//! `calls.inner_networks`. Values only: names are looked up by `http_client`, which asks for each address of each
//! connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

/// The word of the list that allows urls with an inner host to lead to it.
pub const NAMED: &str = "named";

/// The last parts of names that public DNS does not have: reserved by RFC 2606, 6762, 8375 and ICANN, or in use within
/// companies and clusters for so long that they are given to no registry.
const INNER_ENDINGS: [&str; 12] = [
    "corp",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "private",
    "svc",
    "test",
];

/// Addresses outside the link-local networks at which clouds hand out credentials: Amazon's over IPv6, Alibaba's, Azure's.
const METADATA: [IpAddr; 3] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

/// Which inner addresses may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallTargets {
    allows_named: bool,
    networks: Arc<[IpNet]>,
}

/// A call that is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{host} leads to {address}, {}; if it is meant, list its network in calls.inner_networks (RESOUND_CALLS_INNER_NETWORKS)",
    .kind.text()
)]
pub struct RefusedTarget {
    host: String,
    address: IpAddr,
    kind: InnerKind,
}

/// Why an address is no public one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InnerKind {
    Loopback,
    Private,
    LinkLocal,
    Metadata,
    Reserved,
}

impl CallTargets {
    /// With these networks, and with what urls name themselves if the list has [`NAMED`]. The error is an item that
    /// is neither.
    pub fn parse(items: &[String]) -> Result<Self, &String> {
        let (mut networks, mut allows_named) = (Vec::new(), false);
        for item in items {
            let address = || item.parse().ok().map(|address: IpAddr| IpNet::from(address));
            match item.parse().ok().or_else(address) {
                Some(network) => networks.push(network),
                None if item == NAMED => allows_named = true,
                None => return Err(item),
            }
        }
        Ok(Self { allows_named, networks: networks.into() })
    }

    /// Whether a url with this host may lead to this address, one of the addresses of the host.
    pub fn check(&self, host: &str, address: IpAddr) -> Result<(), RefusedTarget> {
        let reached = reached(address);
        let Some(kind) = InnerKind::of(reached) else { return Ok(()) };
        let is_meant = matches!(kind, InnerKind::Loopback | InnerKind::Private);
        let is_named = self.allows_named && is_meant && is_inner_host(host);
        let is_listed = self.networks.iter().any(|network| network.contains(&reached));
        match is_named || is_listed {
            true => Ok(()),
            false => Err(RefusedTarget { host: host.to_owned(), address, kind }),
        }
    }

    /// The same for a url whose host is an address; `Ok` where it is a name, which is looked up when it is called.
    pub fn check_literal(&self, host: &str) -> Result<(), RefusedTarget> {
        literal(host).map_or(Ok(()), |address| self.check(host, address))
    }
}

impl InnerKind {
    /// `None` for a public address.
    fn of(address: IpAddr) -> Option<Self> {
        if METADATA.contains(&address) {
            return Some(Self::Metadata);
        }
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Option<Self> {
        match address.octets() {
            // A connection to 0.0.0.0 is one to this machine.
            [127, ..] | [0, 0, 0, 0] => Some(Self::Loopback),
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(Self::Private),
            // Of carriers and overlay networks, and of test beds.
            [100, 64..=127, ..] | [198, 18..=19, ..] => Some(Self::Private),
            [169, 254, ..] => Some(Self::LinkLocal),
            [0, ..] | [192, 0, 0, _] | [224..=255, ..] => Some(Self::Reserved),
            _ => None,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Option<Self> {
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Some(Self::Loopback),
            [0xfc00..=0xfdff, ..] => Some(Self::Private),
            // 0xfec0 was the first form of private networks.
            [0xfe80..=0xfebf, ..] => Some(Self::LinkLocal),
            [0xfec0..=0xfeff, ..] => Some(Self::Private),
            // 64:ff9b:1::/48 leads to whatever the operator of the network has behind it.
            [0xff00..=0xffff, ..] | [0x64, 0xff9b, 1, ..] | [0, ..] => Some(Self::Reserved),
            _ => None,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "an address at which a cloud hands out credentials",
            Self::Reserved => "a reserved address",
        }
    }
}

/// The address that is reached in the end: IPv6 has forms of IPv4 addresses, which the kernel (`::ffff:`) or a gateway
/// (`64:ff9b::`, `2002:`) turns into them.
fn reached(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let v4 =
        |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        // The old form without ffff; ::1 and :: are none of it.
        [0, 0, 0, 0, 0, 0, high @ 1..=u16::MAX, low] => v4(high, low),
        _ => address,
    }
}

/// Whether a host is an inner one by its name alone: the url means such a host, and no public DNS can lead it elsewhere.
fn is_inner_host(host: &str) -> bool {
    if literal(host).is_some() {
        return true;
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let ends = |ending: &&str| name.strip_suffix(*ending).is_some_and(|rest| rest.ends_with('.'));
    !name.contains('.') || INNER_ENDINGS.iter().any(ends)
}

/// The address that a host is, as urls have it: IPv6 in brackets.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::CallTargets;

    fn targets(items: &[&str]) -> CallTargets {
        let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
        CallTargets::parse(&items).expect("known items")
    }

    /// Which of these hosts may lead to which addresses.
    fn check(items: &[&str], host: &str, address: &str, is_allowed: bool) {
        let checked = targets(items).check(host, address.parse().expect("an address"));
        assert_eq!(checked.is_ok(), is_allowed, "{items:?}: {host} at {address}: {checked:?}");
    }

    const INNER: [&str; 24] = [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.5",
        "172.16.0.1",
        "172.31.255.254",
        "192.168.1.1",
        "100.64.0.1",
        "198.18.0.1",
        "::1",
        "::",
        "fc00::1",
        "fdff::1",
        "fec0::1",
        "::ffff:10.0.0.5",
        "::ffff:127.0.0.1",
        "::10.0.0.5",
        "64:ff9b::10.0.0.5",
        "2002:a00:5::1",
        "2002:7f00:1::",
        "::ffff:192.168.0.1",
        "64:ff9b::7f00:1",
        "::127.0.0.1",
        "172.20.0.3",
    ];
    const NEVER_NAMED: [&str; 15] = [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "febf::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "0.0.0.1",
        "192.0.0.192",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
    ];
    const PUBLIC: [&str; 7] = [
        "8.8.8.8",
        "172.32.0.1",
        "100.128.0.1",
        "192.1.0.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ];

    #[test]
    fn a_public_name_leads_to_no_inner_address() {
        for host in
            ["hooks.example.com", "127.0.0.1.nip.io", "local.example", "app.localhost.example"]
        {
            INNER.iter().chain(&NEVER_NAMED).for_each(|at| check(&["named"], host, at, false));
            PUBLIC.iter().for_each(|at| check(&["named"], host, at, true));
            PUBLIC.iter().for_each(|at| check(&[], host, at, true));
        }
    }

    #[test]
    fn a_url_that_names_an_inner_host_leads_to_it_and_to_no_metadata() {
        for host in [
            "app",
            "localhost",
            "LocalHost.",
            "laravel.test",
            "host.docker.internal",
            "app.default.svc.cluster.local",
            "app.default.svc",
            "10.0.0.5",
            "[::1]",
        ] {
            INNER.iter().for_each(|at| check(&["named"], host, at, true));
            INNER.iter().for_each(|at| check(&[], host, at, false));
            NEVER_NAMED.iter().for_each(|at| check(&["named"], host, at, false));
        }
    }

    #[test]
    fn a_listed_network_is_for_every_url() {
        check(&["10.0.0.0/8"], "app.example.com", "10.0.0.5", true);
        check(&["10.0.0.0/8"], "app.example.com", "::ffff:10.0.0.5", true);
        check(&["10.0.0.0/8"], "app.example.com", "192.168.0.1", false);
        check(&["10.0.0.0/8"], "app", "192.168.0.1", false);
        check(&["named", "169.254.169.254"], "metadata", "169.254.169.254", true);
        check(&["named", "169.254.169.254"], "metadata", "169.254.169.253", false);
        check(&["fd00::/8"], "app.example.com", "fd00:ec2::254", true);
    }

    #[test]
    fn only_addresses_are_checked_before_the_look_up() {
        assert_eq!(targets(&[]).check_literal("localhost"), Ok(()));
        assert!(targets(&[]).check_literal("127.0.0.1").is_err());
        assert!(targets(&[]).check_literal("[::ffff:127.0.0.1]").is_err());
        assert_eq!(targets(&["named"]).check_literal("127.0.0.1"), Ok(()));
        let refused = targets(&["named"]).check_literal("[fe80::1]").unwrap_err().to_string();
        assert_eq!(
            refused,
            "[fe80::1] leads to fe80::1, a link-local address; if it is meant, list its network in \
             calls.inner_networks (RESOUND_CALLS_INNER_NETWORKS)"
        );
    }

    #[test]
    fn an_item_that_is_neither_is_named() {
        let items = ["named", "10.0.0.0/8", "all"].map(str::to_owned);
        assert_eq!(CallTargets::parse(&items), Err(&items[2]));
    }
}
