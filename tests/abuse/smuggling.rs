//! Shapes of requests that a proxy in front may split elsewhere than this server: what is within a body is never taken
//! for a request, and where the border is in doubt the connection ends.

use std::net::SocketAddr;

use crate::canary::Canary;
use crate::harness::{Backend, Program};
use crate::wire::Wire;

/// What is smuggled: were it served, its answer would name it.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
const EVENT: &str = r#"{"name":"event","channels":["channel"],"data":"{}"}"#;

/// One shape, and the statuses of all answers to it until the connection ends, or to the request behind it.
struct Shape {
    name: &'static str,
    bytes: String,
    expected: &'static [u16],
}

fn shape(name: &'static str, bytes: String, expected: &'static [u16]) -> Shape {
    Shape { name, bytes, expected }
}

/// A signed POST of [`EVENT`] with these fields and this body as they are sent.
fn post(backend: &Backend, fields: &str, body: &str) -> String {
    let query = backend.query("POST", "/apps/123456/events", &[], EVENT);
    format!("POST /apps/123456/events?{query} HTTP/1.1\r\nHost: x\r\n{fields}\r\n{body}")
}

fn chunked() -> String {
    format!("{:x}\r\n{EVENT}\r\n0\r\n\r\n", EVENT.len())
}

/// A body that is in doubt: one reading of the head ends it before the smuggled request, another behind.
fn in_doubt(backend: &Backend) -> Vec<Shape> {
    let (whole, length) = (chunked(), EVENT.len());
    let both = |te: &str| format!("Content-Length: {}\r\n{te}", whole.len() + SMUGGLED.len());
    let te = "Transfer-Encoding: chunked\r\n";
    let smuggling = format!("{whole}{SMUGGLED}");
    let of_length = format!("{EVENT}{SMUGGLED}");
    let field = |te: &str| post(backend, &format!("Content-Length: {length}\r\n{te}"), &of_length);
    let two =
        format!("Content-Length: {length}\r\nContent-Length: {}\r\n", length + SMUGGLED.len());
    vec![
        // RFC 9112, 6.1: the chunks count, and the connection ends behind the answer.
        shape("a length and chunked", post(backend, &both(te), &smuggling), &[200]),
        shape(
            "chunked and a length",
            post(backend, &format!("{te}{}", both("")), &smuggling),
            &[200],
        ),
        shape("two lengths", post(backend, &two, &of_length), &[400]),
        shape(
            "chunked with a space before the colon",
            field("Transfer-Encoding : chunked\r\n"),
            &[400],
        ),
        shape("chunked in a folded line", field("Transfer-Encoding:\r\n chunked\r\n"), &[400]),
        shape("a folded line", field("X: a\r\n b\r\n"), &[400]),
        shape("another coding that ends so", field("Transfer-Encoding: xchunked\r\n"), &[400]),
        shape("a coding with a control sign", field("Transfer-Encoding: \x0bchunked\r\n"), &[400]),
        shape("identity", field("Transfer-Encoding: identity\r\n"), &[400]),
        shape("a field that begins with a zero", field("\0Transfer-Encoding: chunked\r\n"), &[400]),
        shape("a return without a feed", field("X: a\rTransfer-Encoding: chunked\r\n"), &[400]),
        shape(
            "chunked in HTTP/1.0",
            post(backend, te, &smuggling).replace(" HTTP/1.1\r\nHost", " HTTP/1.0\r\nHost"),
            &[400],
        ),
    ]
}

/// Bodies whose chunks are in doubt.
fn in_chunks(backend: &Backend) -> Vec<Shape> {
    let te = "Transfer-Encoding: chunked\r\n";
    let size = EVENT.len();
    let chunks = |body: String| post(backend, te, &format!("{body}{SMUGGLED}"));
    vec![
        shape("a chunk without its end", chunks(format!("{size:x}\r\n{EVENT}0\r\n\r\n")), &[400]),
        shape("a size in 0x", chunks(format!("0x{size:x}\r\n{EVENT}\r\n0\r\n\r\n")), &[400]),
        shape("a size with a sign", chunks(format!("+{size:x}\r\n{EVENT}\r\n0\r\n\r\n")), &[400]),
        shape(
            "a size that ends with a feed",
            chunks(format!("{size:x}\n{EVENT}\r\n0\r\n\r\n")),
            &[400],
        ),
        shape(
            "an extension with a feed",
            chunks(format!("{size:x};a\n{EVENT}\r\n0\r\n\r\n")),
            &[400],
        ),
    ]
}

/// Shapes with one meaning, behind which the next request is served.
fn in_order(backend: &Backend) -> Vec<Shape> {
    let te = "Transfer-Encoding: chunked\r\n";
    let size = EVENT.len();
    let next = "GET /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let then = |request: String| format!("{request}{next}");
    let length = format!("Content-Length: {}\r\n", SMUGGLED.len());
    let get = format!("GET /up HTTP/1.1\r\nHost: x\r\n{length}\r\n{SMUGGLED}");
    let extended = format!("{size:x};a=\"b\"\r\n{EVENT}\r\n0;c\r\n\r\n");
    let trailed = format!("{size:x}\r\n{EVENT}\r\n0\r\nContent-Length: 5\r\n\r\n");
    vec![
        shape("chunk extensions", then(post(backend, te, &extended)), &[200, 200]),
        shape("a field behind the last chunk", then(post(backend, te, &trailed)), &[200, 200]),
        shape("a GET with a body", then(get), &[200, 200]),
        shape(
            "an absolute target",
            then("GET http://other/up HTTP/1.1\r\nHost: x\r\n\r\n".into()),
            &[200, 200],
        ),
        shape(
            "lines that end with a feed",
            then("GET /up HTTP/1.1\nHost: x\n\n".into()),
            &[200, 200],
        ),
    ]
}

/// The statuses of all answers, and whether one of them is about the smuggled request.
async fn answers(address: SocketAddr, bytes: &str) -> (Vec<u16>, bool, String) {
    let mut wire = Wire::open(address).await;
    let _ = wire.try_send(bytes).await;
    // A request whose border is in doubt must end the connection, so the rest comes to an end too.
    let received = String::from_utf8_lossy(&wire.rest().await).into_owned();
    let statuses =
        received.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok());
    (statuses.collect(), received.contains("smuggled"), received)
}

/// A connection that goes on where it must end would be idle, so that has a time here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_shape_of_a_request_smuggles_another_one() {
    let program = Program::start(&[
        ("RESOUND_HTTP_HEADER_TIMEOUT_SECONDS", "2"),
        ("RESOUND_HTTP_IDLE_TIMEOUT_SECONDS", "2"),
    ])
    .await;
    let mut canary = Canary::at(program.address).await;
    let address = program.address;
    let backend = Backend::new(address, "123456", "reverb-key", "reverb-secret");
    let shapes = [in_doubt(&backend), in_chunks(&backend), in_order(&backend)];
    let shapes: Vec<Shape> = shapes.into_iter().flatten().collect();
    let check = async move {
        let mut problems = Vec::new();
        for Shape { name, bytes, expected } in &shapes {
            let (statuses, is_smuggled, received) = answers(address, bytes).await;
            if is_smuggled || statuses != *expected {
                problems.push(format!("{name}: {statuses:?} for {expected:?}: {received}"));
            }
        }
        problems
    };
    let problems = canary.beside("22 shapes of smuggling", "no key", check).await;
    assert!(problems.is_empty(), "{problems:#?}");
}
