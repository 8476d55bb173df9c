//! Removes superfluous slashes from the path of a request: proxies that join a base and a path leave
//! one too many.
//!
//! Percent-encoded slashes are data and stay.

use axum::http::Request;
use axum::http::uri::{PathAndQuery, Uri};

use crate::http::OriginalPath;

/// The request with one slash between segments and none at the end. The path that was sent is kept
/// as an extension: it may be the one that was signed.
pub(super) fn with_normalized_path<B>(mut request: Request<B>) -> Request<B> {
    let Some(path) = normalized(request.uri().path()) else { return request };
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(format!("{path}{query}")).ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        let sent = std::mem::replace(request.uri_mut(), uri);
        request.extensions_mut().insert(OriginalPath(sent.path().to_owned()));
    }
    request
}

/// The path without superfluous slashes; `None` if it has none, as nearly all paths.
fn normalized(path: &str) -> Option<String> {
    let superfluous = path.contains("//") || (path.len() > 1 && path.ends_with('/'));
    (superfluous && path.starts_with('/')).then(|| {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        format!("/{}", segments.join("/"))
    })
}

#[cfg(test)]
mod tests {
    use super::normalized;

    #[test]
    fn superfluous_slashes_are_removed_and_encoded_ones_stay() {
        for (path, expected) in [
            ("//app/key", Some("/app/key")),
            ("/app/key/", Some("/app/key")),
            ("/ws//app//key//", Some("/ws/app/key")),
            ("//", Some("/")),
            (
                "/apps/1/users/a%2F%2Fb/terminate_connections/",
                Some("/apps/1/users/a%2F%2Fb/terminate_connections"),
            ),
            ("/", None),
            ("/app/key", None),
            ("/apps/1/users/a%2Fb%2F", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(normalized(path).as_deref(), expected, "{path}");
        }
    }
}
