//! What may be the host and the database of a Redis.
//!
//! The texts in which an address is configured are read by `redis` and `url`.

use std::net::Ipv6Addr;

/// Redis itself takes no more.
pub(super) const LARGEST_DATABASE: u64 = i32::MAX as u64;

/// A name or an IP address; brackets around IPv6 are taken away.
pub(super) fn host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if bare.unwrap_or(text).parse::<Ipv6Addr>().is_ok() {
        return Some(bare.unwrap_or(text).to_owned());
    }
    // Names with underscores are those of containers.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (!text.is_empty() && text.bytes().all(plain)).then(|| text.to_owned())
}
