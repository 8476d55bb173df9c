//! Which pages may connect: patterns against the `Origin` header a browser sends.
//!
//! Reverb's patterns (a host, `*` a wildcard that spans dots, `*` alone for every page) plus an
//! optional scheme and port. Works on the text of the header.

use std::fmt;

use super::wildcard::fits_pattern;

/// The allow list of one app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    patterns: Vec<OriginPattern>,
    /// Whether a client without an `Origin` header may connect: native apps and servers send none.
    require_origin: bool,
}

/// One entry of the allow list: `[scheme://]host[:port]`, lower-cased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern {
    scheme: Option<String>,
    host: String,
    port: Option<u16>,
}

impl Origins {
    /// An allow list; with `require_origin` clients that send no `Origin` are refused too.
    pub fn new(patterns: Vec<OriginPattern>, require_origin: bool) -> Self {
        Self { patterns, require_origin }
    }

    /// The entries of the list.
    pub fn patterns(&self) -> impl Iterator<Item = &OriginPattern> {
        self.patterns.iter()
    }

    /// Whether clients without an `Origin` header are refused.
    pub fn require_origin(&self) -> bool {
        self.require_origin
    }

    /// Whether any page may connect.
    pub fn allow_any(&self) -> bool {
        self.patterns.iter().any(OriginPattern::is_any)
    }

    /// Whether a client with this `Origin` header may connect.
    pub fn allow(&self, origin: Option<&str>) -> bool {
        if self.allow_any() {
            return origin.is_some() || !self.require_origin;
        }
        let Some(origin) = origin else { return !self.require_origin };
        let Some((scheme, host, port)) = split(&origin.to_ascii_lowercase()) else { return false };
        let port = port.or_else(|| default_port(scheme.as_deref()));
        self.patterns.iter().any(|pattern| pattern.matches(scheme.as_deref(), &host, port))
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl OriginPattern {
    /// Reads `[scheme://]host[:port]`; `None` when it can match no origin at all.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, host, port) = split(&text.trim().to_ascii_lowercase())?;
        if !may_be_host(&host) {
            return None;
        }
        Some(Self { scheme, host, port })
    }

    fn is_any(&self) -> bool {
        self.host == "*" && self.scheme.is_none() && self.port.is_none()
    }

    fn matches(&self, scheme: Option<&str>, host: &str, port: Option<u16>) -> bool {
        let scheme_fits = self.scheme.is_none() || self.scheme.as_deref() == scheme;
        // A pattern with a scheme and no port means that scheme's own port, as a browser does.
        let required = self.port.or_else(|| default_port(self.scheme.as_deref()));
        let port_fits = required.is_none() || required == port;
        scheme_fits && port_fits && fits_pattern(&self.host, host)
    }
}

/// Quotes, commas and brackets are what is left of a list that was not read as one; no browser
/// sends a host with them. Brackets alone are those of an IPv6 address.
fn may_be_host(pattern: &str) -> bool {
    let inner = pattern.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(address) => address.chars().all(|c| c.is_ascii_hexdigit() || ":.*".contains(c)),
        None => !pattern.contains(['"', '\'', ',', '[', ']', '{', '}', '\\']),
    }
}

/// `[scheme://]host[:port]` in its parts; `None` for an empty host, a path or a port out of range.
fn split(text: &str) -> Option<(Option<String>, String, Option<u16>)> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme.to_owned()), rest),
        None => (None, text),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let host_end = if rest.starts_with('[') { rest.find(']')? + 1 } else { 0 };
    let (host, port) = match rest[host_end..].rfind(':') {
        Some(colon) => {
            let port = rest[host_end + colon + 1..].parse().ok()?;
            (&rest[..host_end + colon], Some(port))
        }
        None => (rest, None),
    };
    let odd = |c: char| c.is_whitespace() || c.is_control() || "/?#@".contains(c);
    (!host.is_empty() && !host.contains(odd)).then(|| (scheme, host.to_owned(), port))
}

fn default_port(scheme: Option<&str>) -> Option<u16> {
    match scheme {
        Some("http" | "ws") => Some(80),
        Some("https" | "wss") => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{OriginPattern, Origins};

    fn check(patterns: &[&str], origin: &str, allowed: bool) {
        let list = patterns.iter().map(|text| OriginPattern::parse(text).unwrap()).collect();
        let verdict = Origins::new(list, false).allow(Some(origin));
        assert_eq!(verdict, allowed, "{patterns:?} against {origin}");
    }

    #[test]
    fn patterns_match_whole_hosts_and_optionally_scheme_and_port() {
        check(&["*"], "https://anything.example", true);
        check(&["*"], "null", true);
        check(&["laravel.com"], "https://laravel.com", true);
        check(&["laravel.com"], "http://laravel.com:8000", true);
        check(&["laravel.com"], "https://LARAVEL.com", true);
        check(&["LARAVEL.com"], "https://laravel.com", true);
        check(&["laravel.com"], "https://app.laravel.com", false);
        check(&["laravel.com"], "https://laravel.com.evil.example", false);
        check(&["laravel.com"], "https://evillaravel.com", false);
        check(&["laravel.com"], "null", false);
        check(&["laravel.com"], "", false);
        check(&["*.laravel.com"], "https://app.laravel.com", true);
        check(&["*.laravel.com"], "https://a.b.laravel.com", true);
        check(&["*.laravel.com"], "https://laravel.com", false);
        check(&["*.laravel.com"], "https://xlaravel.com", false);
        check(&["*.laravel.com"], "https://app.laravel.com.evil.example", false);
        check(&["https://laravel.com"], "https://laravel.com", true);
        check(&["https://laravel.com"], "https://laravel.com:443", true);
        check(&["https://laravel.com"], "http://laravel.com", false);
        check(&["https://laravel.com"], "https://laravel.com:8443", false);
        check(&["laravel.com:8443"], "https://laravel.com:8443", true);
        check(&["laravel.com:8443"], "https://laravel.com", false);
        check(&["localhost:443"], "https://localhost", true);
        check(&["192.168.1.*"], "http://192.168.1.20:8000", true);
        check(&["192.168.1.*"], "http://192.168.10.20:8000", false);
        check(&["[::1]"], "http://[::1]:3000", true);
        check(&["[::1]:3000"], "http://[::1]:3000", true);
        check(&["[::1]:3000"], "http://[::1]:3001", false);
        check(&["a.example", "b.example"], "https://b.example", true);
        check(&["good.example"], "https://good.example/@evil.example", false);
        check(&["good.example"], "https://good.example:99999", false);
        check(&["good.example"], "https://evil.example#good.example", false);
    }

    #[test]
    fn clients_without_an_origin_are_refused_only_on_request() {
        let lenient = Origins::new(vec![OriginPattern::parse("a.example").unwrap()], false);
        assert!(lenient.allow(None));
        let strict = Origins::new(vec![OriginPattern::parse("*").unwrap()], true);
        assert!(!strict.allow(None));
        assert!(strict.allow(Some("null")));
    }

    #[test]
    fn a_pattern_that_can_match_nothing_is_refused() {
        let lists = ["[\"*\"]", "\"*\"", "'*'", "a.example,b.example", "[a.example]", "{*}", "a]"];
        let others = ["", "https://", "a b", "a.example:port", "a.example/path"];
        for text in others.into_iter().chain(lists) {
            assert_eq!(OriginPattern::parse(text), None, "{text:?}");
        }
    }
}
