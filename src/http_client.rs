//! The client for calls to other services: webhooks, collectors, the app's own endpoints, sets of keys.
//!
//! Owns what all of them have in common: no redirects (what is signed or secret goes where it was configured
//! to go), no proxies from the environment, a bound on every step, no inner address that is not allowed. What is sent
//! is left to the callers.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};

use crate::call_targets::{CallTargets, RefusedTarget};

/// A client for `url`, whose connections are made and calls answered within these times. An error where its host is an
/// address that may not be called; a name is checked at each connection.
pub fn http_client(
    url: &Url,
    targets: &CallTargets,
    connect_timeout: Duration,
    timeout: Duration,
) -> Result<ClientBuilder, RefusedTarget> {
    targets.check_literal(url.host_str().unwrap_or_default())?;
    // The first caller in the process wins, and every caller brings the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .dns_resolver(CheckedNames(targets.clone()))
        .connect_timeout(connect_timeout)
        .timeout(timeout);
    Ok(if url.scheme() == "http" {
        // Not even those of the machine, of which a small image may have none.
        builder.tls_certs_only([])
    } else {
        builder
    })
}

/// The look-up of the system without the addresses that may not be called. The connection is made to an address that was
/// checked: a name that leads elsewhere a moment later is looked up for the next connection alone.
struct CheckedNames(CallTargets);

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let targets = self.0.clone();
        Box::pin(async move {
            // The port is that of the url.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = allowed(&targets, name.as_str(), found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Those that may be called; an error where there are some, and none of them may be.
fn allowed(
    targets: &CallTargets,
    host: &str,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, RefusedTarget> {
    let (mut allowed, mut refused) = (Vec::new(), None);
    for address in found {
        match targets.check(host, address.ip()) {
            Ok(()) => allowed.push(address),
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    match refused {
        Some(refused) if allowed.is_empty() => Err(refused),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::{CallTargets, Url, allowed, http_client};
    use crate::network_fault::NetworkFault;

    fn targets(items: &[&str]) -> CallTargets {
        let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
        CallTargets::parse(&items).expect("known items")
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    #[test]
    fn of_several_addresses_only_those_that_are_allowed_are_left() {
        let targets = targets(&["named"]);
        let check =
            |found: &[&str]| allowed(&targets, "hooks.example.com", addresses(found).into_iter());
        let mixed = check(&["10.0.0.5:0", "8.8.8.8:0", "[fe80::1]:0"]);
        assert_eq!(mixed, Ok(addresses(&["8.8.8.8:0"])));
        let rebound = check(&["169.254.169.254:0"]).unwrap_err().to_string();
        assert!(rebound.starts_with("hooks.example.com leads to 169.254.169.254"), "{rebound}");
        assert_eq!(check(&[]), Ok(Vec::new()));
    }

    /// The whole way of a call: the look-up of the system, the refusal, its words.
    #[tokio::test]
    async fn a_name_is_checked_when_it_is_called() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let url: Url = format!("http://localhost:{port}/").parse().expect("a url");
        let time = Duration::from_secs(20);
        let client = http_client(&url, &targets(&[]), time, time).expect("a name");
        let error = client.build().expect("a client").post(url).send().await.expect_err("refused");
        let fault = NetworkFault::of(&error).expect("a known cause").to_string();
        assert!(fault.contains("a loopback address"), "{fault}");
        assert!(fault.contains("calls.inner_networks"), "{fault}");
    }

    #[test]
    fn an_address_in_any_form_of_urls_is_refused_at_once() {
        let time = Duration::from_secs(20);
        for text in [
            "http://169.254.169.254/",
            "http://0xa9fea9fe/",
            "http://0251.0376.0251.0376/",
            "http://2852039166/",
            "http://169.254.169.254./",
            "http://[::ffff:a9fe:a9fe]/",
            "http://１６９.254.169.254/",
        ] {
            let url: Url = text.parse().expect("a url");
            assert!(http_client(&url, &targets(&["named"]), time, time).is_err(), "{text}");
        }
    }
}
