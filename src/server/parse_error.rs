//! Answers to bytes that hyper cannot parse as an HTTP/1.1 request.
//!
//! Owns which protocol the bytes belong to, and an answer that its client can read: hyper's own has
//! no text. Nothing here runs for a request that parses.

use super::rejection_log::RejectReason;
use crate::config::HttpConfig;

/// A TLS alert: fatal, handshake_failure.
const TLS_ALERT: [u8; 7] = [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28];

/// An empty SETTINGS frame, the first one that an HTTP/2 server has to send.
const H2_SETTINGS: [u8; 9] = [0, 0, 0, 0x04, 0, 0, 0, 0, 0];

/// The start of PROXY protocol version 2 without its first two line ends, which hyper skips.
const PROXY_V2: &[u8] = b"\0\r\nQUIT\n";

/// The starts of request lines whose version is missing or unknown.
const METHODS: [&str; 6] = ["GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "OPTIONS "];

/// The fields of an answer that hyper makes itself. Answers of this server have a text.
const BARE: &[u8] = b"\r\nconnection: close\r\ncontent-length: 0\r\n";

/// Whether hyper itself made this answer, to a header that it could not parse.
pub(super) fn is_bare_answer(head: &[u8]) -> bool {
    head.starts_with(b"HTTP/1.1 4") && memchr::memmem::find(head, BARE).is_some()
}

/// The reason to reject a connection after this error, and the last bytes to send on it. `unread` are
/// the bytes that hyper has read and not parsed, `bare` is its own answer, which may be empty.
pub(super) fn reject(
    error: &hyper::Error,
    unread: &[u8],
    bare: &[u8],
    limits: &HttpConfig,
) -> (RejectReason, Vec<u8>) {
    let reason = reason(error, unread, limits);
    let text = reason.text();
    let answer = match reason {
        RejectReason::Tls => TLS_ALERT.to_vec(),
        RejectReason::Http2 => goaway(text),
        RejectReason::HeaderBytes => {
            with_text(bare, &format!("Over {} bytes: {text}", limits.max_header_bytes))
        }
        RejectReason::HeaderCount => {
            with_text(bare, &format!("Over {} fields: {text}", limits.max_headers))
        }
        RejectReason::MalformedRequest => {
            with_text(bare, &format!("Bad request: {text} ({error})"))
        }
        _ => with_text(bare, &format!("Bad request: {text}")),
    };
    (reason, answer)
}

/// The answer to a connection that is rejected before hyper has it.
pub(super) fn bad_request(reason: RejectReason) -> Vec<u8> {
    let mut bare = b"HTTP/1.1 400 Bad Request".to_vec();
    bare.extend_from_slice(BARE);
    bare.extend_from_slice(b"\r\n");
    with_text(&bare, &format!("Bad request: {}", reason.text()))
}

fn reason(error: &hyper::Error, unread: &[u8], limits: &HttpConfig) -> RejectReason {
    if error.is_parse_too_large() {
        let is_over_bytes = unread.len() >= limits.max_header_bytes;
        return if is_over_bytes { RejectReason::HeaderBytes } else { RejectReason::HeaderCount };
    }
    // The request line before the fault was HTTP, and may no longer be in the buffer.
    let message = error.to_string();
    let fields = ["header", "content-length", "transfer-encoding"];
    if unread.is_empty() || fields.iter().any(|field| message.contains(field)) {
        return RejectReason::MalformedRequest;
    }
    recognise(unread)
}

/// The protocol that these first bytes of a connection belong to.
fn recognise(first: &[u8]) -> RejectReason {
    let line = first.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let is_http = |line: &[u8]| {
        METHODS.iter().any(|method| line.starts_with(method.as_bytes()))
            || memchr::memmem::find(line, b"HTTP/").is_some()
    };
    match first {
        // A handshake record of SSL 3.0 or of any TLS version.
        [0x16] | [0x16, 0x03, ..] => RejectReason::Tls,
        _ if first.starts_with(b"PRI * HTTP/2") => RejectReason::Http2,
        _ if first.starts_with(b"PROXY ") || first.starts_with(PROXY_V2) => {
            RejectReason::ProxyProtocol
        }
        _ if is_http(line) => RejectReason::MalformedRequest,
        _ => RejectReason::OtherProtocol,
    }
}

/// SETTINGS and GOAWAY: no stream was accepted, HTTP_1_1_REQUIRED.
fn goaway(text: &str) -> Vec<u8> {
    let (last_stream, code) = (0_u32.to_be_bytes(), 0x0d_u32.to_be_bytes());
    let length = u32::try_from(8 + text.len()).unwrap_or(8).to_be_bytes();
    let head = [length[1], length[2], length[3], 0x07, 0, 0, 0, 0, 0];
    [&H2_SETTINGS[..], &head, &last_stream, &code, text.as_bytes()].concat()
}

/// Adds a text to an answer that hyper made itself.
fn with_text(bare: &[u8], text: &str) -> Vec<u8> {
    let Some(start) = memchr::memmem::find(bare, BARE) else { return bare.to_vec() };
    let fields = format!(
        "\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n",
        text.len()
    );
    [&bare[..start], fields.as_bytes(), &bare[start + BARE.len()..], text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::{RejectReason, goaway, is_bare_answer, recognise, with_text};

    #[test]
    fn protocols_are_recognised_by_their_first_bytes() {
        for (first, reason) in [
            (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], RejectReason::Tls),
            (b"\x16", RejectReason::Tls),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", RejectReason::Http2),
            (
                b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\n",
                RejectReason::ProxyProtocol,
            ),
            (b"PROXY UNKNOWN\r\n", RejectReason::ProxyProtocol),
            (b"\0\r\nQUIT\n\x21\x11\0\x0c", RejectReason::ProxyProtocol),
            (b"GET /up HTTP/3.0\r\n", RejectReason::MalformedRequest),
            (b"get /up http/1.1\r\nHTTP/", RejectReason::OtherProtocol),
            (b"GET /up\r\n", RejectReason::MalformedRequest),
            (b"SSH-2.0-OpenSSH_9.6\r\n", RejectReason::OtherProtocol),
            (b"*1\r\n$4\r\nPING\r\n", RejectReason::OtherProtocol),
            (b"\x05\x01\x00", RejectReason::OtherProtocol),
            (b"", RejectReason::OtherProtocol),
        ] {
            assert_eq!(recognise(first), reason, "{:?}", first.escape_ascii().to_string());
        }
    }

    #[test]
    fn an_answer_of_hyper_gets_a_text() {
        let bare = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: now\r\n\r\n";
        assert!(is_bare_answer(bare));
        assert!(!is_bare_answer(
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        ));
        let answer = String::from_utf8(with_text(bare, "text")).unwrap();
        assert_eq!(
            answer,
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 4\r\ndate: now\r\n\r\ntext"
        );
        assert_eq!(with_text(b"", "text"), b"");
    }

    #[test]
    fn http2_is_answered_with_goaway_and_http_1_1_required() {
        let expected = b"\0\0\0\x04\0\0\0\0\0\0\0\x0a\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0dno";
        assert_eq!(goaway("no"), expected);
    }
}
