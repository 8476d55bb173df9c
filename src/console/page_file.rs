//! One file of the page, as it is sent: its type, its compressed form, how long a browser may keep it.

use std::io::Write;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

/// How long a browser may keep a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Caching {
    /// For good: another content has another address.
    Immutable,
    /// It asks each time whether its copy is the current one.
    Revalidated,
}

/// A file, plain and compressed.
#[derive(Debug)]
pub(super) struct PageFile {
    content_type: &'static str,
    text: Bytes,
    compressed: Bytes,
    etag: HeaderValue,
}

impl PageFile {
    /// A file of this name; `version` changes with its content.
    pub(super) fn new(name: &str, text: impl Into<Bytes>, version: &str) -> Self {
        let text = text.into();
        let etag = HeaderValue::from_str(&format!("\"{version}\""));
        Self {
            content_type: content_type(name),
            compressed: compress(&text).into(),
            text,
            etag: etag.expect("a version is hexadecimal digits"),
        }
    }

    /// The file for a browser with these header fields.
    pub(super) fn answer(&self, headers: &HeaderMap, caching: Caching) -> Response {
        let caching = match caching {
            Caching::Immutable => "public, max-age=31536000, immutable",
            Caching::Revalidated => "no-cache",
        };
        let fields = [
            (header::ETAG, self.etag.clone()),
            (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
            (header::VARY, HeaderValue::from_static("accept-encoding")),
        ];
        if is_known(headers, &self.etag) {
            return (StatusCode::NOT_MODIFIED, fields).into_response();
        }
        let content_type = [(header::CONTENT_TYPE, self.content_type)];
        if accepts_gzip(headers) {
            let encoding = [(header::CONTENT_ENCODING, "gzip")];
            return (fields, content_type, encoding, self.compressed.clone()).into_response();
        }
        (fields, content_type, self.text.clone()).into_response()
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "text/html; charset=utf-8",
    }
}

/// At the highest level: it is done once.
fn compress(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(text).and_then(|()| encoder.finish());
    written.expect("writing to memory does not fail")
}

/// Whether the browser has this content already. A proxy that compresses marks the tag as weak.
fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let tags = known.unwrap_or_default().split(',').map(str::trim);
    let mut tags = tags.map(|tag| tag.strip_prefix("W/").unwrap_or(tag));
    tags.any(|tag| tag == etag)
}

/// Whether `gzip` is among the encodings that the browser accepts, and not with the weight 0.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.unwrap_or_default().split(',').any(|encoding| {
        let mut parts = encoding.split(';').map(str::trim);
        let is_refused = |weight: &str| weight.trim_end_matches(['0', '.']) == "q=";
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip")) && !parts.any(is_refused)
    })
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, HeaderValue, accepts_gzip, header, is_known};

    fn with(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn gzip_is_sent_to_those_who_accept_it() {
        for (value, accepts) in [
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, GZIP;q=0.8", true),
            ("gzip;q=0", false),
            ("gzip;q=0.0", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(accepts_gzip(&with(header::ACCEPT_ENCODING, value)), accepts, "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_copy_is_current_by_its_tag() {
        let etag = HeaderValue::from_static("\"abc\"");
        for (value, known) in
            [("\"abc\"", true), ("W/\"abc\"", true), ("\"x\", \"abc\"", true), ("\"abcd\"", false)]
        {
            assert_eq!(is_known(&with(header::IF_NONE_MATCH, value), &etag), known, "{value}");
        }
    }
}
