//! The gate of the internal listener: reads who sends a request, and lets it through with its rights, or refuses it.
//!
//! A page in a browser of this machine has no rights: it cannot bring the token, the names by which a request may call
//! the listener are the listener's own (a page whose own name leads to 127.0.0.1 has another), and a request that a
//! page of another origin makes is refused. The rules are in `access`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::{Entrance, Rights};
use super::answer::InternalError;
use super::api::InternalApi;

/// The address that a request comes from, as far as one is known; that of the client behind a listed proxy.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub Option<IpAddr>);

/// Lets a request of the API through with its rights, or refuses it. Each change is logged.
pub(super) async fn check(
    State((api, entrance)): State<(Arc<InternalApi>, Entrance)>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let client = request.extensions().get().and_then(|ClientAddress(address)| *address);
    let caller = Caller { entrance, client, headers: request.headers() };
    let rights = match api.rights(&caller, Instant::now()) {
        Ok(rights) => rights,
        Err(refusal) => return refusal.into_response(),
    };
    if !rights.allow(request.method()) {
        return api.read_only_refusal().into_response();
    }
    request.extensions_mut().insert(rights);
    if Rights::Read.allow(request.method()) {
        return next.run(request).await;
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answer = next.run(request).await;
    let (client, status) = (client.map(tracing::field::display), answer.status().as_u16());
    tracing::info!(%method, path, client, status, "a change was requested at the internal listener");
    answer
}

/// Lets a request for a file of the console through. The files have no data in them, so they need no token, but there
/// has to be one for what they show.
pub(super) async fn check_console(
    State((api, entrance)): State<(Arc<InternalApi>, Entrance)>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let caller = Caller { entrance, client: None, headers: request.headers() };
    let refusal = api.misdirected(&caller).or_else(|| api.console_is_off(entrance));
    match refusal {
        None => next.run(request).await,
        Some(refusal) => refusal.into_response(),
    }
}

/// What is looked at of a request.
struct Caller<'a> {
    entrance: Entrance,
    client: Option<IpAddr>,
    headers: &'a HeaderMap,
}

impl Caller<'_> {
    fn text(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl InternalApi {
    /// What a request may do, or why it is refused.
    fn rights(&self, caller: &Caller<'_>, now: Instant) -> Result<Rights, InternalError> {
        if let Some(refusal) = self.misdirected(caller) {
            return Err(refusal);
        }
        let access = self.access.load();
        match caller.entrance {
            Entrance::UnixSocket => return Ok(Rights::Full),
            Entrance::Loopback if !access.has_token() => return Ok(Rights::Read),
            // A reload may have taken the token away.
            Entrance::Network if !access.has_token() => {
                let text = "set internal.token (RESOUND_INTERNAL_TOKEN): without one, requests of other \
                            machines are not answered";
                return Err(InternalError::new(StatusCode::FORBIDDEN, text));
            }
            _ => {}
        }
        if !self.throttle.admits(caller.client, now) {
            let text = "too many requests with a wrong token; wait for a minute";
            return Err(InternalError::new(StatusCode::TOO_MANY_REQUESTS, text));
        }
        let offered = caller.text(header::AUTHORIZATION).and_then(bearer);
        if let Some(rights) = offered.and_then(|offered| access.of_token(offered)) {
            return Ok(rights);
        }
        if offered.is_some() {
            self.throttle.failed(caller.client, now);
            tracing::warn!(
                client = caller.client.map(tracing::field::display),
                "a request with a wrong token is refused at the internal listener: give its sender a token of internal.token or internal.read_only_token"
            );
        }
        let text = "send the token of internal.token as Authorization: Bearer …";
        Err(InternalError::new(StatusCode::UNAUTHORIZED, text))
    }

    /// Why a request is refused before its token is looked at: the page that makes it, or the name that it calls.
    fn misdirected(&self, caller: &Caller<'_>) -> Option<InternalError> {
        let access = self.access.load();
        let host = caller.text(header::HOST).unwrap_or_default();
        let is_of_other_page = caller.headers.contains_key(header::ORIGIN)
            && !caller
                .text(header::ORIGIN)
                .is_some_and(|origin| access.admits_origin(origin, host));
        let text = if is_of_other_page {
            "requests of pages of another origin are not answered; a proxy in front has to pass the Host of \
             the request on, or internal.hosts has to list its name"
        } else if access.admits_host(caller.entrance, host) {
            return None;
        } else {
            "a request has to call this server localhost, or by an address of this machine, in its Host; \
             internal.hosts lists further names, such as that of a proxy in front"
        };
        Some(InternalError::new(StatusCode::FORBIDDEN, text))
    }

    fn console_is_off(&self, entrance: Entrance) -> Option<InternalError> {
        let is_on = entrance == Entrance::UnixSocket || self.access.load().has_token();
        let text = "the console is off until internal.token is set (RESOUND_INTERNAL_TOKEN, or \
                    RESOUND_INTERNAL_TOKEN_FILE for a file)";
        (!is_on).then(|| InternalError::new(StatusCode::NOT_FOUND, text))
    }

    fn read_only_refusal(&self) -> InternalError {
        let text = if self.access.load().has_token() {
            "this token only reads; send that of internal.token to change something"
        } else {
            "without internal.token nothing is changed over TCP; set it (RESOUND_INTERNAL_TOKEN), or use the \
             unix socket of the process"
        };
        InternalError::new(StatusCode::FORBIDDEN, text)
    }
}

/// The token of an `Authorization`; the scheme is written in any case.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::bearer;

    #[test]
    fn the_scheme_of_a_token_is_written_in_any_case() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("abc", None),
            ("", None),
        ] {
            assert_eq!(bearer(value), token, "{value}");
        }
    }
}
