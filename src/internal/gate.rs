//! Who may use the API: the user of the process, those on this machine where no token is set, and those who
//! bring the token.
//!
//! A page in a browser of this machine is none of them. It cannot bring the token; without one, the names by which
//! a request may call the server are those of this machine (a page whose own name leads to 127.0.0.1 has another),
//! and a request that a page of another origin makes is refused.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answer::InternalError;
use super::api::InternalApi;
use crate::protocol::signature;
use crate::stream::Peer;

/// Where a request comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// A unix socket: the kernel has checked who may connect.
    UnixSocket,
    /// An IP address.
    Ip,
}

/// Lets a request through, or refuses it.
pub(super) async fn check(
    State((api, entrance)): State<(Arc<InternalApi>, Entrance)>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let refusal = match entrance {
        Entrance::UnixSocket => None,
        Entrance::Ip => api.refusal(request.headers(), address(peer), Instant::now()),
    };
    match refusal {
        None => next.run(request).await,
        Some(refusal) => refusal.into_response(),
    }
}

impl InternalApi {
    /// Why a request over TCP is refused.
    fn refusal(
        &self,
        headers: &HeaderMap,
        client: Option<IpAddr>,
        now: Instant,
    ) -> Option<InternalError> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(header::HOST).unwrap_or_default();
        if text(header::ORIGIN).is_some_and(|origin| !is_of(origin, host)) {
            let text = "requests of pages of another origin are not answered";
            return Some(InternalError::new(StatusCode::FORBIDDEN, text));
        }
        let Some(token) = &self.token else {
            let text = "without internal.token, a request has to call the server localhost, or by an address \
                        of this machine, in its Host";
            let is_refused = !is_of_this_machine(host);
            return is_refused.then(|| InternalError::new(StatusCode::FORBIDDEN, text));
        };
        if !self.throttle.admits(client, now) {
            let text = "too many requests with a wrong token; wait for a minute";
            return Some(InternalError::new(StatusCode::TOO_MANY_REQUESTS, text));
        }
        let offered = text(header::AUTHORIZATION).and_then(bearer);
        if offered.is_some_and(|offered| signature::is_secret(token, offered)) {
            return None;
        }
        if offered.is_some() {
            self.throttle.failed(client, now);
            tracing::warn!(
                client = client.map(tracing::field::display),
                "a request with a wrong token is refused at the internal listener"
            );
        }
        let text = "send the token of internal.token as Authorization: Bearer …";
        Some(InternalError::new(StatusCode::UNAUTHORIZED, text))
    }
}

/// The token of an `Authorization`; the scheme is written in any case.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn address(peer: Option<Peer>) -> Option<IpAddr> {
    match peer? {
        Peer::Ip(address) => Some(address.ip()),
        Peer::Unix => None,
    }
}

/// Whether an origin is that of the host; `null` is none.
fn is_of(origin: &str, host: &str) -> bool {
    let named = origin.split_once("://").map(|(_, named)| named);
    named.is_some_and(|named| named.eq_ignore_ascii_case(host))
}

/// Whether a `Host` is localhost or a loopback address, with or without a port.
fn is_of_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{bearer, is_of, is_of_this_machine};

    #[test]
    fn a_host_is_of_this_machine_by_its_name_or_its_address() {
        for host in
            ["localhost", "LOCALHOST:1", "127.0.0.1:9600", "127.0.0.9", "[::1]:9600", "[::1]"]
        {
            assert!(is_of_this_machine(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "[::2]",
            "10.0.0.1",
            "::1",
        ] {
            assert!(!is_of_this_machine(host), "{host}");
        }
    }

    #[test]
    fn an_origin_is_that_of_the_host_or_another() {
        assert!(is_of("http://localhost:9600", "localhost:9600"));
        assert!(!is_of("http://localhost:3000", "localhost:9600"));
        assert!(!is_of("null", "localhost:9600") && !is_of("https://a.example", "localhost:9600"));
    }

    #[test]
    fn the_token_stands_behind_its_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }
}
