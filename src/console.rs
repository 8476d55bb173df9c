//! The console: the files of a page that shows in a browser what the server does.
//!
//! Owns the files, how they are named, compressed and cached, and what the page may do. They hold no data: all of it comes
//! from the HTTP API of `internal`, which also decides who may ask.

use axum::Router;
use axum::extract::RawPathParams;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

mod page_file;
mod page_files;

use page_file::Caching;
use page_files::page_files;

/// Where the page is, below the root of the listener.
pub const PATH: &str = "/console/";

/// The page loads scripts and styles of its own origin alone, asks that origin alone, and is shown in no frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; \
                                       connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The routes of the files. All addresses in them are relative, so that a proxy may have any path in front.
pub fn router() -> Router {
    Router::new()
        .route("/console", get(redirect))
        .route(PATH, get(document))
        .route("/console/{hash}/{*file}", get(file))
}

/// To the same path with a slash, from which the addresses in the page count.
async fn redirect() -> Response {
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "console/")]).into_response()
}

async fn document(headers: HeaderMap) -> Response {
    let mut answer = page_files().document.answer(&headers, Caching::Revalidated);
    let fields = answer.headers_mut();
    let policy = header::HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    fields.insert(header::CONTENT_SECURITY_POLICY, policy);
    let same_origin = header::HeaderValue::from_static("same-origin");
    fields.insert("cross-origin-opener-policy", same_origin);
    answer
}

/// A file of this version of the page; a page of another version has to be loaded again.
async fn file(path: RawPathParams, headers: HeaderMap) -> Response {
    let mut parts = path.iter().map(|(_, part)| part);
    let (hash, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match page_files().of_version(hash, name) {
        Some(file) => file.answer(&headers, Caching::Immutable),
        None => {
            let text = "this version of the console has no such file; load the page again\n";
            let caching = [(header::CACHE_CONTROL, "no-store")];
            (StatusCode::NOT_FOUND, caching, text).into_response()
        }
    }
}
