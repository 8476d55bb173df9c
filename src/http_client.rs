//! The client for calls to other services: webhooks, collectors, the app's own endpoints, sets of keys.
//!
//! Owns what all of them have in common: no redirects (what is signed or secret goes where it was configured
//! to go), no proxies from the environment, a bound on every step. What is sent is left to the callers.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};

/// A client for the scheme of `url`; its connections are made and its calls answered within these times.
pub fn http_client(url: &Url, connect_timeout: Duration, timeout: Duration) -> ClientBuilder {
    // The first caller in the process wins, and every caller brings the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(connect_timeout)
        .timeout(timeout);
    if url.scheme() == "http" {
        // Not even those of the machine, of which a small image may have none.
        builder.tls_certs_only([])
    } else {
        builder
    }
}
