//! An echo server on the server's own handshake, codec and deflate: every message comes back with its type.
//!
//! Owns the connection around them, which the server has for sockets with rules. No rule of RFC 6455 stands here,
//! so what a suite finds is found in the server.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, UPGRADE};
use axum::http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use resound::protocol::Frame;
use resound::protocol::deflate::{self, Deflater};
use resound::websocket::{Decoder, Inbound, TurnBudget, accept_key};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The largest message of the suites that exist.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// 4 MB in fragments of 16 bytes.
const FRAGMENTS_MAX: usize = 1 << 18;

/// How long the peer may take to end the connection after the closing handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves every connection until the task is dropped.
pub(crate) async fn serve(listener: TcpListener) -> io::Result<Infallible> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let connection =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(upgrade));
            connection.with_upgrades().await
        });
    }
}

async fn upgrade(mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let accept = match accept_key(&request) {
        Ok(accept) => accept,
        Err(malformed) => return Ok(malformed.response()),
    };
    let offers = request.headers().get_all(SEC_WEBSOCKET_EXTENSIONS);
    let mut offers = offers.iter().filter_map(|offers| offers.to_str().ok());
    let accepted = offers.find_map(deflate::accept);
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let parts = upgraded.await.ok()?.downcast::<TokioIo<TcpStream>>().ok()?;
        let early = parts.read_buf.to_vec();
        converse(parts.io.into_inner(), early, Echo::new(accepted.is_some())).await.ok()
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept = accept.parse().expect("base64 is a header value");
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    let mut add = |name, value| {
        response.headers_mut().insert(name, axum::http::HeaderValue::from_static(value))
    };
    add(UPGRADE, "websocket");
    add(CONNECTION, "Upgrade");
    if let Some(accepted) = accepted {
        add(SEC_WEBSOCKET_EXTENSIONS, accepted);
    }
    Ok(response)
}

/// Echoes until one side closes; then ends the connection, and waits for the peer to end it too.
async fn converse(mut stream: TcpStream, early: Vec<u8>, mut echo: Echo) -> io::Result<()> {
    let mut bytes = early;
    loop {
        let is_open = echo.feed(&mut bytes);
        stream.write_all(&echo.answers).await?;
        if !is_open {
            break;
        }
        echo.answers.clear();
        bytes.clear();
        bytes.reserve(64 * 1024);
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    stream.shutdown().await?;
    // Bytes that are not read would become a reset, which can overtake the close frame.
    let rest = async {
        while stream.read(&mut [0; 4096]).await? > 0 {}
        io::Result::Ok(())
    };
    tokio::time::timeout(CLOSE_TIMEOUT, rest).await?
}

/// The codec of one connection, and what it answers.
struct Echo {
    decoder: Decoder,
    /// `None` if permessage-deflate was not negotiated.
    deflater: Option<Deflater>,
    answers: Vec<u8>,
}

impl Echo {
    fn new(has_deflate: bool) -> Self {
        let decoder = Decoder::new(MESSAGE_BYTES_MAX, FRAGMENTS_MAX, has_deflate);
        Self { decoder, deflater: has_deflate.then(Deflater::default), answers: Vec::new() }
    }

    /// Answers all messages in these bytes; false once the connection is to be ended.
    fn feed(&mut self, bytes: &mut [u8]) -> bool {
        let (budget, mut is_open) = (TurnBudget::default(), true);
        let (answers, deflater) = (&mut self.answers, &mut self.deflater);
        let mut bytes = Some(bytes);
        loop {
            let fed =
                self.decoder.feed(
                    bytes.take().unwrap_or_default(),
                    &budget,
                    |inbound| match inbound {
                        Inbound::Text(text) => answer(answers, deflater, TEXT, text.as_bytes()),
                        Inbound::Binary(bytes) => answer(answers, deflater, BINARY, bytes),
                        Inbound::Ping(payload) => {
                            answers.extend_from_slice(Frame::pong(payload).as_bytes())
                        }
                        Inbound::Pong => {}
                        Inbound::Close(code) => {
                            is_open = false;
                            answers.extend_from_slice(Frame::close_echo(code).as_bytes());
                        }
                    },
                );
            if let Err(code) = fed {
                answers.extend_from_slice(Frame::close(code).as_bytes());
                return false;
            }
            if !self.decoder.has_backlog() {
                return is_open;
            }
            budget.renew();
        }
    }
}

/// The opcodes of messages.
const TEXT: u8 = 1;
const BINARY: u8 = 2;

fn answer(answers: &mut Vec<u8>, deflater: &mut Option<Deflater>, opcode: u8, payload: &[u8]) {
    let deflated = deflater.as_mut().and_then(|deflater| deflater.deflate(payload));
    let frame = match deflated {
        Some(deflated) => Frame::deflated_text(&deflated),
        None => Frame::text(payload),
    };
    let start = answers.len();
    answers.extend_from_slice(frame.as_bytes());
    // The server sends text alone; a binary frame differs in the opcode.
    answers[start] = answers[start] & 0xf0 | opcode;
}
