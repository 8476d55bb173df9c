//! Bytes that are no HTTP/1.1 request: which protocol they are, and the answer its peer can read.
//!
//! Nothing is looked at while requests can be read: hyper reports what it cannot parse, and what
//! it has read of it is examined then. Its own answer to that has no text; the one made here does.

use super::accept::HeadLimits;
use super::rejected::Reason;

/// A TLS alert: fatal, handshake_failure.
const TLS_ALERT: [u8; 7] = [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28];

/// An empty SETTINGS frame, with which a server of HTTP/2 has to begin.
const H2_SETTINGS: [u8; 9] = [0, 0, 0, 0x04, 0, 0, 0, 0, 0];

/// The start of the PROXY protocol's version 2 behind its first two line ends, which hyper skips.
const PROXY_V2: &[u8] = b"\0\r\nQUIT\n";

/// Request lines that lack a version, or have one that is none, begin like this.
const METHODS: [&str; 6] = ["GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "OPTIONS "];

/// What hyper puts into the head of an answer that it makes itself; ours have a text.
const BARE: &[u8] = b"\r\nconnection: close\r\ncontent-length: 0\r\n";

/// A rejection and the last bytes for its peer.
pub(super) struct Rejection {
    pub(super) reason: Reason,
    pub(super) answer: Vec<u8>,
}

/// Whether an answer is one that hyper made itself to a head it could not read.
pub(super) fn is_bare_answer(head: &[u8]) -> bool {
    head.starts_with(b"HTTP/1.1 4") && memchr::memmem::find(head, BARE).is_some()
}

/// What to do about a head that could not be read. `unread` is what is left of it, `bare` is hyper's
/// answer, which may be empty.
pub(super) fn reject(
    error: &hyper::Error,
    unread: &[u8],
    bare: &[u8],
    limits: HeadLimits,
) -> Rejection {
    let reason = reason(error, unread, limits);
    let text = reason.text();
    let answer = match reason {
        Reason::Tls => TLS_ALERT.to_vec(),
        Reason::Http2 => goaway(text),
        Reason::HeadBytes => with_text(bare, &format!("Over {} bytes: {text}", limits.bytes)),
        Reason::HeadFields => with_text(bare, &format!("Over {} fields: {text}", limits.fields)),
        Reason::MalformedRequest => with_text(bare, &format!("Bad request: {text} ({error})")),
        _ => with_text(bare, &format!("Bad request: {text}")),
    };
    Rejection { reason, answer }
}

fn reason(error: &hyper::Error, unread: &[u8], limits: HeadLimits) -> Reason {
    if error.is_parse_too_large() {
        let over_bytes = unread.len() >= limits.bytes;
        return if over_bytes { Reason::HeadBytes } else { Reason::HeadFields };
    }
    // A fault behind the request line: that one was HTTP, and may no longer be in the buffer.
    let message = error.to_string();
    let fields = ["header", "content-length", "transfer-encoding"];
    if unread.is_empty() || fields.iter().any(|field| message.contains(field)) {
        return Reason::MalformedRequest;
    }
    recognise(unread)
}

/// Which protocol begins like this.
fn recognise(first: &[u8]) -> Reason {
    let line = first.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let is_http = |line: &[u8]| {
        METHODS.iter().any(|method| line.starts_with(method.as_bytes()))
            || memchr::memmem::find(line, b"HTTP/").is_some()
    };
    match first {
        // A record of a handshake, of SSL 3.0 or any TLS.
        [0x16] | [0x16, 0x03, ..] => Reason::Tls,
        _ if first.starts_with(b"PRI * HTTP/2") => Reason::Http2,
        _ if first.starts_with(b"PROXY ") || first.starts_with(PROXY_V2) => Reason::ProxyProtocol,
        _ if is_http(line) => Reason::MalformedRequest,
        _ => Reason::OtherProtocol,
    }
}

/// What a server of HTTP/2 begins with, and the end: no stream was accepted, HTTP_1_1_REQUIRED.
fn goaway(text: &str) -> Vec<u8> {
    let (last_stream, code) = (0_u32.to_be_bytes(), 0x0d_u32.to_be_bytes());
    let length = u32::try_from(8 + text.len()).unwrap_or(8).to_be_bytes();
    let head = [length[1], length[2], length[3], 0x07, 0, 0, 0, 0, 0];
    [&H2_SETTINGS[..], &head, &last_stream, &code, text.as_bytes()].concat()
}

/// An answer of hyper's with a text.
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
    use super::{Reason, goaway, is_bare_answer, recognise, with_text};

    #[test]
    fn protocols_are_known_by_their_first_bytes() {
        for (first, reason) in [
            (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], Reason::Tls),
            (b"\x16", Reason::Tls),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Reason::Http2),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\n", Reason::ProxyProtocol),
            (b"PROXY UNKNOWN\r\n", Reason::ProxyProtocol),
            (b"\0\r\nQUIT\n\x21\x11\0\x0c", Reason::ProxyProtocol),
            (b"GET /up HTTP/3.0\r\n", Reason::MalformedRequest),
            (b"get /up http/1.1\r\nHTTP/", Reason::OtherProtocol),
            (b"GET /up\r\n", Reason::MalformedRequest),
            (b"SSH-2.0-OpenSSH_9.6\r\n", Reason::OtherProtocol),
            (b"*1\r\n$4\r\nPING\r\n", Reason::OtherProtocol),
            (b"\x05\x01\x00", Reason::OtherProtocol),
            (b"", Reason::OtherProtocol),
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
    fn http2_is_told_to_use_http1() {
        let expected = b"\0\0\0\x04\0\0\0\0\0\0\0\x0a\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0dno";
        assert_eq!(goaway("no"), expected);
    }
}
