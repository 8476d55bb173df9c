//! A back end: signed requests over one kept-alive connection, one after another.
//!
//! Owns the connection and the request. Blocks its thread, which has nothing else to do; when a request
//! is sent is the caller's decision.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::credentials::Credentials;
use super::load_error::LoadError;
use super::target::Target;

/// For one request, its connection included.
const TIMEOUT: Duration = Duration::from_secs(10);
/// An answer has a few bytes; a page of another service may have more.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The server's answer to a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// One connection to one node.
///
/// hyper on a runtime of its own costs this thread 8.0 µs of CPU a request, 1.5 µs more than a blocking
/// client written by hand; the server under load spends 20 µs and more.
#[derive(Debug)]
pub struct Backend {
    target: Target,
    address: SocketAddr,
    credentials: Credentials,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
}

impl Backend {
    /// A back end whose first request will open the connection.
    pub fn new(target: &Target, address: SocketAddr, credentials: &Credentials) -> Self {
        let (target, credentials) = (target.clone(), credentials.clone());
        Self { target, address, credentials, connection: None }
    }

    /// Connects, unless a connection is open.
    pub(super) fn connect(&mut self) -> Result<(), LoadError> {
        if self.connection.is_none() {
            let opened = Connection::open(self.address);
            let unreachable = |cause| LoadError::Unreachable { target: self.target.clone(), cause };
            self.connection = Some(opened.map_err(unreachable)?);
        }
        Ok(())
    }

    /// Sends `body` to `/apps/{id}/{route}` and waits for the answer. A kept-alive connection that the
    /// server closed meanwhile is opened again, once.
    pub fn post(&mut self, route: &str, body: &str) -> Result<Answer, LoadError> {
        let was_open = self.connection.is_some();
        match self.exchange(route, body) {
            Err(LoadError::ConnectionClosed { .. }) if was_open => self.exchange(route, body),
            first => first,
        }
    }

    fn exchange(&mut self, route: &str, body: &str) -> Result<Answer, LoadError> {
        self.connect()?;
        let mut connection = self.connection.take().expect("connected above");
        let request = self.request(route, body)?;
        let answer = connection.exchange(request).map_err(|cause| failed(&self.target, cause))?;
        self.connection = (!connection.sender.is_closed()).then_some(connection);
        Ok(answer)
    }

    fn request(&self, route: &str, body: &str) -> Result<Request<Full<Bytes>>, LoadError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // The prefix is no part of the signed path: servers remove it first.
        let path = format!("/apps/{}/{route}", self.credentials.app_id);
        let query = self.credentials.signed_query(&path, body.as_bytes(), now.as_secs());
        let request = Request::post(format!("{}{path}?{query}", self.target.prefix))
            .header(HOST, self.target.authority())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())));
        request.map_err(|cause| failed(&self.target, cause.into()))
    }
}

impl Connection {
    fn open(address: SocketAddr) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let sender = runtime.block_on(async {
            let stream = timeout(TIMEOUT, TcpStream::connect(address)).await??;
            stream.set_nodelay(true)?;
            let shaken = http1::handshake(TokioIo::new(stream)).await;
            let (sender, connection) = shaken.map_err(io::Error::other)?;
            // Its errors reach the request that waits for an answer.
            tokio::spawn(connection);
            io::Result::Ok(sender)
        });
        Ok(Self { sender: sender?, runtime })
    }

    fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let sender = &mut self.sender;
        let exchange = async {
            sender.ready().await?;
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Answer { status: head.status.as_u16(), body })
        };
        let answered = self.runtime.block_on(async { timeout(TIMEOUT, exchange).await });
        answered.unwrap_or_else(|_| Err(io::Error::from(ErrorKind::TimedOut).into()))
    }
}

fn failed(target: &Target, cause: Box<dyn Error + Send + Sync>) -> LoadError {
    let target = target.clone();
    let http = cause.downcast_ref::<hyper::Error>();
    if http.is_some_and(hyper::Error::is_parse) {
        return LoadError::NotHttp { target };
    }
    let is_cut = |error: &hyper::Error| {
        let system = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::UnexpectedEof];
        error.is_incomplete_message()
            || error.is_canceled()
            || error.is_closed()
            || system.is_some_and(|error| kinds.contains(&error.kind()))
    };
    if http.is_some_and(is_cut) {
        return LoadError::ConnectionClosed { target };
    }
    LoadError::Unanswered { target, cause }
}
