//! One HTTP request on a connection of its own, plain or over TLS, and what the answer shows.
//!
//! Owns the connection of all probes that speak HTTP; what becomes a WebSocket is left to `pusher_socket`.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, DATE, HOST, SERVER, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::ServerUrl;
use super::probe_error::{ProbeError, within};
use super::tls::{Handshake, TlsClient};

/// What is read of a body at most: a page of a proxy may have any size.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// A connection, plain or over TLS.
pub(super) type Line = Either<TcpStream, TlsStream<TcpStream>>;

/// Where probes connect to, and how.
#[derive(Debug, Clone)]
pub struct ProbeRoute {
    /// As it stands in the URL: for the name of TLS and for `Host`.
    pub url: ServerUrl,
    /// The address of it that accepts connections.
    pub address: SocketAddr,
    /// `None` where the URL has no TLS.
    pub tls: Option<TlsClient>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path and query, below the prefix of the URL.
    pub target: String,
    /// Header fields beside `Host` and `User-Agent`.
    pub headers: Vec<(HeaderName, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The field `Server`, which the server of Pusher's protocol does not send and proxies do.
    pub server: Option<String>,
    /// The field `Date`.
    pub date: Option<SystemTime>,
    /// The field `Content-Type`.
    pub content_type: String,
    /// The beginning of the body.
    pub body: String,
    /// From the first byte of the request to the last of the answer.
    pub took: Duration,
}

impl HttpRequest {
    /// A GET request without header fields of its own.
    pub fn get(target: &str) -> Self {
        Self { method: "GET", target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// As it is sent there.
    pub(super) fn build(self, url: &ServerUrl) -> Result<Request<Body>, ProbeError> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(format!("{}{}", url.prefix, self.target))
            .header(HOST, url.authority())
            .header(USER_AGENT, concat!("resound-doctor/", env!("CARGO_PKG_VERSION")));
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(Body::from(self.body)).map_err(|error| ProbeError::Other(error.to_string()))
    }
}

impl HttpAnswer {
    /// Reads the answer to its end.
    pub(super) async fn read(
        response: Response<Incoming>,
        since: Instant,
    ) -> Result<Self, ProbeError> {
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        // A body that is longer or cut short leaves the status, which is what counts.
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        let text = |name| text(&parts.headers, name);
        Ok(Self {
            status: parts.status.as_u16(),
            server: text(SERVER),
            date: text(DATE).and_then(|date| httpdate::parse_http_date(&date).ok()),
            content_type: text(CONTENT_TYPE).unwrap_or_default(),
            body: String::from_utf8_lossy(&body).into_owned(),
            took: since.elapsed(),
        })
    }

    /// Whether it is a page for a person: those of web servers and of Laravel itself.
    pub fn is_page(&self) -> bool {
        self.content_type.starts_with("text/html") || self.body.trim_start().starts_with('<')
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned)
}

impl ProbeRoute {
    /// Opens a connection.
    pub(super) async fn open(&self, limit: Duration) -> Result<Line, ProbeError> {
        let stream = within(limit, TcpStream::connect(self.address)).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Either::Left(stream)) };
        let (handshake, encrypted) = tls.shake_hands(stream, &self.url.host, limit).await;
        match (encrypted, handshake.outcome) {
            (Some(stream), _) => Ok(Either::Right(stream)),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => Err(ProbeError::Other("TLS ended in its handshake".to_owned())),
        }
    }

    /// What the server presents in a TLS handshake, whether TLS is to be used or not.
    pub async fn handshake(
        &self,
        tls: &TlsClient,
        limit: Duration,
    ) -> Result<Handshake, ProbeError> {
        let stream = within(limit, TcpStream::connect(self.address)).await?;
        Ok(tls.shake_hands(stream, &self.url.host, limit).await.0)
    }

    /// Sends a request, and reads the answer.
    pub async fn request(
        &self,
        request: HttpRequest,
        limit: Duration,
    ) -> Result<HttpAnswer, ProbeError> {
        within(limit, async {
            let line = self.open(limit).await?;
            let request = request.build(&self.url)?;
            let since = Instant::now();
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(line)).await.map_err(|error| not_http(&error))?;
            let exchange = async move {
                let response =
                    sender.send_request(request).await.map_err(|error| not_http(&error))?;
                HttpAnswer::read(response, since).await
            };
            // The connection ends with its sender, which the exchange owns.
            let (answer, _) = tokio::join!(exchange, connection);
            answer
        })
        .await
    }
}

/// An error of the HTTP client.
pub(super) fn not_http(error: &hyper::Error) -> ProbeError {
    if error.is_parse() {
        return ProbeError::NotHttp(error.to_string());
    }
    ProbeError::of(error)
}

impl std::fmt::Display for HttpAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.status)?;
        if let Some(server) = &self.server {
            write!(f, " of the server {server}")?;
        }
        let line = self.body.trim().lines().next().unwrap_or_default();
        match line {
            "" => Ok(()),
            _ if self.is_page() => f.write_str(", an HTML page"),
            line => write!(f, ": {}", line.chars().take(160).collect::<String>()),
        }
    }
}
