//! The answer to a request, read from the bytes of its connection.
//!
//! Owns how long a body is: fixed or chunked. `httparse` reads the head; the connection is `backend`'s.

use httparse::{EMPTY_HEADER, Response, Status, parse_chunk_size};

/// More header fields than any server of this protocol sends.
const HEADERS_MAX: usize = 64;

/// The server's answer to a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// A complete answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) answer: Answer,
    /// The next request may use the same connection.
    pub(super) stays_open: bool,
}

/// The bytes are no answer of HTTP/1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl From<httparse::Error> for Unreadable {
    fn from(_: httparse::Error) -> Self {
        Self
    }
}

impl From<httparse::InvalidChunkSize> for Unreadable {
    fn from(_: httparse::InvalidChunkSize) -> Self {
        Self
    }
}

impl Received {
    /// Reads an answer; `None` while it is incomplete.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, Unreadable> {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut head = Response::new(&mut headers);
        let Status::Complete(end) = head.parse(bytes)? else { return Ok(None) };
        let field = |name: &str| {
            let found = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
            found.and_then(|field| std::str::from_utf8(field.value).ok())
        };
        let is = |name: &str, value: &str| {
            field(name).is_some_and(|found| found.eq_ignore_ascii_case(value))
        };
        let rest = &bytes[end..];
        let body = if is("transfer-encoding", "chunked") {
            dechunk(rest)?
        } else {
            let length = field("content-length").map_or(Ok(0), str::parse);
            let length: usize = length.map_err(|_| Unreadable)?;
            rest.get(..length).map(<[u8]>::to_vec)
        };
        let stays_open = head.version == Some(1) && !is("connection", "close");
        let status = head.code.ok_or(Unreadable)?;
        Ok(body.map(|body| {
            let body = String::from_utf8_lossy(&body).into_owned();
            Self { answer: Answer { status, body }, stays_open }
        }))
    }
}

/// The body in these chunks; `None` while the last one is missing.
fn dechunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
    let mut body = Vec::new();
    loop {
        let Status::Complete((start, size)) = parse_chunk_size(rest)? else { return Ok(None) };
        let size = usize::try_from(size).map_err(|_| Unreadable)?;
        // The line end behind a chunk belongs to it.
        let end = start.checked_add(size).and_then(|end| end.checked_add(2)).ok_or(Unreadable)?;
        let Some(chunk) = rest.get(start..end) else { return Ok(None) };
        if size == 0 {
            return Ok(Some(body));
        }
        body.extend_from_slice(&chunk[..size]);
        rest = &rest[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Received, Unreadable};

    fn check(bytes: &str, status: u16, body: &str, stays_open: bool) {
        let answer = Answer { status, body: body.to_owned() };
        let complete = Received { answer, stays_open };
        assert_eq!(Received::parse(bytes.as_bytes()), Ok(Some(complete)));
        for cut in 0..bytes.len() {
            assert_eq!(Received::parse(&bytes.as_bytes()[..cut]), Ok(None), "{cut} of {bytes:?}");
        }
    }

    #[test]
    fn an_answer_is_complete_or_awaited() {
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", 200, "{}", true);
        check(
            "HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbad",
            401,
            "bad",
            false,
        );
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
            200,
            "{}",
            true,
        );
        check("HTTP/1.0 204 No Content\r\n\r\n", 204, "", false);
    }

    #[test]
    fn other_bytes_are_no_answer() {
        for bytes in [
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        ] {
            assert_eq!(Received::parse(bytes.as_bytes()), Err(Unreadable), "{bytes:?}");
        }
    }
}
