//! A back end that publishes: signed requests, one after another on one kept-alive connection.
//!
//! Owns the request and as much of HTTP/1.1 as its answer needs. Blocks, since its lane has nothing
//! else to do. Refuses to know when it is called.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime};

use super::{Credentials, Target};
use crate::protocol::signature::query_signed_with;

/// A server that takes longer for one event does not take it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Answers have a few bytes; what sends more is something else.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// What the server said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// One connection to one node.
#[derive(Debug)]
pub(super) struct Backend {
    address: SocketAddr,
    authority: String,
    prefix: String,
    credentials: Credentials,
    stream: Option<TcpStream>,
    request: String,
    answer: Vec<u8>,
}

impl Backend {
    pub(super) fn new(target: &Target, address: SocketAddr, credentials: &Credentials) -> Self {
        Self {
            address,
            authority: target.authority(),
            prefix: target.prefix.clone(),
            credentials: credentials.clone(),
            stream: None,
            request: String::new(),
            answer: Vec::new(),
        }
    }

    /// Connects, unless it is.
    pub(super) fn connect(&mut self) -> io::Result<()> {
        if self.stream.is_none() {
            let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            self.stream = Some(stream);
        }
        Ok(())
    }

    /// Sends `body` to `/apps/{id}/{route}` and waits for the answer. A connection the server cut
    /// before it said anything was idle for too long, and is made anew, once.
    pub(super) fn post(&mut self, route: &str, body: &str) -> io::Result<Answer> {
        self.sign(route, body);
        let was_open = self.stream.is_some();
        let first = self.exchange();
        let cut = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::UnexpectedEof];
        match first {
            Err(error) if was_open && self.answer.is_empty() && cut.contains(&error.kind()) => {
                self.exchange()
            }
            first => first,
        }
    }

    fn sign(&mut self, route: &str, body: &str) {
        let Credentials { app_id, key, secret } = &self.credentials;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // The prefix is no part of what is signed: servers take it off first.
        let path = format!("/apps/{app_id}/{route}");
        let signer = (key.as_str(), secret);
        let query = query_signed_with(signer, "POST", &path, body.as_bytes(), now.as_secs());
        self.request.clear();
        write!(
            self.request,
            "POST {}{path}?{query} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.prefix,
            self.authority,
            body.len()
        )
        .expect("memory takes all");
    }

    fn exchange(&mut self) -> io::Result<Answer> {
        self.answer.clear();
        self.connect()?;
        let mut stream = self.stream.take().expect("connected above");
        stream.write_all(self.request.as_bytes())?;
        loop {
            if let Some((answer, keeps_alive)) = parse(&self.answer)? {
                self.stream = keeps_alive.then_some(stream);
                return Ok(answer);
            }
            let mut part = [0; 4096];
            let read = stream.read(&mut part)?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.answer.extend_from_slice(&part[..read]);
            if self.answer.len() > ANSWER_BYTES_MAX {
                return Err(malformed("it is too long"));
            }
        }
    }
}

fn malformed(reason: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("the answer cannot be read: {reason}"))
}

/// The answer and whether the connection stays; `None` while it is cut.
fn parse(bytes: &[u8]) -> io::Result<Option<(Answer, bool)>> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| malformed("its head is no text"))?;
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status: u16 = status.ok_or_else(|| malformed("it has no status"))?;
    let mut keeps_alive = line.starts_with("HTTP/1.1");
    let (mut length, mut is_chunked) = (0, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().map_err(|_| malformed("its length is no number"))?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            is_chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            keeps_alive &= !value.eq_ignore_ascii_case("close");
        }
    }
    let rest = &bytes[end + 4..];
    let body = if is_chunked { unchunked(rest)? } else { rest.get(..length).map(<[u8]>::to_vec) };
    Ok(body.map(|body| {
        (Answer { status, body: String::from_utf8_lossy(&body).into_owned() }, keeps_alive)
    }))
}

fn unchunked(mut rest: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let Some(end) = memchr::memmem::find(rest, b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&rest[..end]).ok();
        let size = size.and_then(|text| text.split(';').next());
        let size = size.and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
        let size = size.filter(|size| *size <= ANSWER_BYTES_MAX);
        let size = size.ok_or_else(|| malformed("its chunks have no size"))?;
        let Some(chunk) = rest.get(end + 2..end + 4 + size) else { return Ok(None) };
        if size == 0 {
            return Ok(Some(body));
        }
        body.extend_from_slice(&chunk[..size]);
        rest = &rest[end + 4 + size..];
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn check(bytes: &str, status: u16, body: &str, keeps_alive: bool) {
        let (answer, alive) = parse(bytes.as_bytes()).unwrap().unwrap();
        assert_eq!((answer.status, answer.body.as_str(), alive), (status, body, keeps_alive));
        for cut in 0..bytes.len() {
            assert!(parse(&bytes.as_bytes()[..cut]).unwrap().is_none(), "{cut} of {bytes:?}");
        }
    }

    #[test]
    fn answers_are_whole_or_cut() {
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
    }

    #[test]
    fn garbage_is_an_error() {
        assert!(parse(b"SSH-2.0\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n").is_err());
    }
}
