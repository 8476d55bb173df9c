//! The rules of CORS for pages of other origins: which may read an answer, and the answer to a preflight.
//!
//! Pure. The origins are those that may connect.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use crate::app::Origins;

/// How long browsers keep the answer to a preflight; Chromium keeps it for two hours at most.
const MAX_AGE_SECONDS: &str = "7200";

/// A longer list of header fields is not repeated in an answer.
const HEADERS_BYTES_MAX: usize = 1024;

/// Whether a request is the question of a browser, whether the page may send another one.
pub(super) fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The origin of the page; `None` if the request has none.
pub(super) fn origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(ORIGIN)
}

/// Lets the page of this origin read an answer, if these are its app's origins and have it.
pub(super) fn allow(answer: &mut Response<Body>, origin: Option<&HeaderValue>, origins: &Origins) {
    let headers = answer.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin else { return };
    if !origins.allow(Some(origin.to_str().unwrap_or("invalid"))) {
        return;
    }
    // Cookies would be sent along by any page in the world, and its script could read what they are for.
    if origins.allow_any() {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// The answer to a preflight; without the permission where the origin has none.
pub(super) fn preflight(headers: &HeaderMap, origins: &Origins) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    allow(&mut answer, origin(headers), origins);
    let answered = answer.headers_mut();
    let vary = "Access-Control-Request-Method, Access-Control-Request-Headers";
    answered.append(VARY, HeaderValue::from_static(vary));
    if !answered.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return answer;
    }
    answered.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    answered.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE_SECONDS));
    let requested = headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
    if let Some(requested) = requested.filter(|names| names.len() <= HEADERS_BYTES_MAX) {
        answered.insert(ACCESS_CONTROL_ALLOW_HEADERS, requested.clone());
    }
    answer
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{HeaderMap, HeaderValue, Response};

    use super::{allow, preflight};
    use crate::app::{OriginPattern, Origins};

    fn origins(patterns: &[&str]) -> Origins {
        let patterns = patterns.iter().map(|text| OriginPattern::parse(text).unwrap());
        Origins::new(patterns.collect(), false)
    }

    /// The fields of an answer, in order of name.
    fn text(answer: &Response<Body>) -> String {
        let mut lines: Vec<String> = answer
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines.join("\n")
    }

    fn check(patterns: &[&str], origin: Option<&'static str>, expected: &str) {
        let mut answer = Response::new(Body::empty());
        let origin = origin.map(HeaderValue::from_static);
        allow(&mut answer, origin.as_ref(), &origins(patterns));
        assert_eq!(text(&answer), expected, "{patterns:?} {origin:?}");
    }

    #[test]
    fn only_named_origins_may_send_cookies() {
        let named = "access-control-allow-credentials: true\n\
                     access-control-allow-origin: https://a.example\n\
                     vary: Origin";
        check(&["a.example"], Some("https://a.example"), named);
        check(&["a.example"], Some("https://b.example"), "vary: Origin");
        check(&["a.example"], Some("null"), "vary: Origin");
        check(&["a.example"], None, "vary: Origin");
        let any = "access-control-allow-origin: *\nvary: Origin";
        check(&["*"], Some("https://a.example"), any);
        check(&["a.example", "*"], Some("https://a.example"), any);
    }

    #[test]
    fn a_preflight_is_answered_with_what_was_asked_for() {
        let mut headers = HeaderMap::new();
        headers.insert("origin", HeaderValue::from_static("https://a.example"));
        let asked = HeaderValue::from_static("authorization,x-csrf-token");
        headers.insert("access-control-request-headers", asked);
        let answer = preflight(&headers, &origins(&["https://a.example"]));
        assert_eq!(answer.status(), 204);
        assert_eq!(
            text(&answer),
            "access-control-allow-credentials: true\n\
             access-control-allow-headers: authorization,x-csrf-token\n\
             access-control-allow-methods: POST\n\
             access-control-allow-origin: https://a.example\n\
             access-control-max-age: 7200\n\
             vary: Access-Control-Request-Method, Access-Control-Request-Headers\n\
             vary: Origin"
        );
        let refused = preflight(&headers, &origins(&["b.example"]));
        assert!(!text(&refused).contains("access-control-allow"), "{}", text(&refused));
    }
}
