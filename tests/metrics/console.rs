//! The console at the internal listener: its files, when it is on, and what each token may do.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::server::REVERB_APP;
use crate::harness::{TestServer, within};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const READ_ONLY: &str = "fedcba9876543210fedcba9876543210";
const HOST: &str = "Host: localhost:9600\r\n";

fn settings(lines: &str) -> String {
    format!("{REVERB_APP}[internal]\nlisten = [\"127.0.0.1:0\"]\n{lines}\n")
}

async fn server(lines: &str) -> TestServer {
    TestServer::with(&settings(lines)).await
}

async fn with_tokens() -> TestServer {
    server(&format!("token = \"{TOKEN}\"\nread_only_token = \"{READ_ONLY}\"")).await
}

/// An answer as it is on the wire.
struct Raw {
    head: String,
    body: Vec<u8>,
}

impl Raw {
    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.split("\r\n").filter_map(|line| line.split_once(": "));
        fields.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, it)| it)
    }
}

async fn send(server: &TestServer, request: &str, fields: &str) -> Raw {
    let address = server.internal_address.expect("an address in internal.listen");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = format!("{request} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    within("an answer", stream.read_to_end(&mut bytes)).await.unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head in the answer to {text}: {bytes:?}"));
    Raw { head: String::from_utf8(bytes[..end].to_vec()).unwrap(), body: bytes[end + 4..].to_vec() }
}

fn bearer(token: &str) -> String {
    format!("{HOST}Authorization: Bearer {token}\r\n")
}

/// The address of a file, as the document has it.
fn address_of<'a>(document: &'a Raw, file: &str) -> &'a str {
    let named = document.text().split('"').find(|part| part.ends_with(file));
    named.expect("the file in the document")
}

#[tokio::test]
async fn the_document_may_load_and_ask_its_own_origin_alone() {
    let server = with_tokens().await;
    let document = send(&server, "GET /console/", HOST).await;
    assert_eq!(document.status(), 200);
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-cache"),
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
             frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(document.field(name), Some(value), "{name}");
    }
    assert_eq!(document.field("set-cookie"), None);
    assert!(document.text().starts_with("<!doctype html>") && !document.text().contains("{{"));
    let without_slash = send(&server, "GET /console", HOST).await;
    assert_eq!(without_slash.status(), 308);
    assert_eq!(without_slash.field("location"), Some("console/"), "relative, as below a prefix");
}

#[tokio::test]
async fn a_file_is_kept_for_good_and_sent_compressed() {
    let server = with_tokens().await;
    let document = send(&server, "GET /console/", HOST).await;
    let path = format!("/console/{}", address_of(&document, "/app.js"));
    let plain = send(&server, &format!("GET {path}"), HOST).await;
    assert_eq!((plain.status(), plain.field("content-encoding")), (200, None));
    assert_eq!(plain.text(), include_str!("../../src/console/page/app.js"));
    let fields = format!("{HOST}Accept-Encoding: gzip, br\r\n");
    let compressed = send(&server, &format!("GET {path}"), &fields).await;
    assert!(
        compressed.body.starts_with(&[0x1f, 0x8b]) && compressed.body.len() * 2 < plain.body.len()
    );
    for (name, value) in [
        ("content-type", "text/javascript; charset=utf-8"),
        ("content-encoding", "gzip"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("vary", "accept-encoding"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(compressed.field(name), Some(value), "{name}");
    }
    let etag = plain.field("etag").unwrap();
    let known = format!("{HOST}If-None-Match: {etag}\r\n");
    for path in [&path, "/console/"] {
        let again = send(&server, &format!("GET {path}"), &known).await;
        assert_eq!((again.status(), again.body.len()), (304, 0), "{path}");
    }
    let head = send(&server, &format!("HEAD {path}"), HOST).await;
    assert_eq!((head.status(), head.body.len()), (200, 0));
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        for path in [&path, "/console/"] {
            assert_eq!(send(&server, &format!("{method} {path}"), HOST).await.status(), 405);
        }
    }
}

#[tokio::test]
async fn another_version_has_no_files() {
    let server = with_tokens().await;
    for path in
        ["/console/0123456789abcdef/app.js", "/console/x/../../etc/passwd", "/console/app.js"]
    {
        let answer = send(&server, &format!("GET {path}"), &bearer(TOKEN)).await;
        assert_eq!(answer.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn without_a_token_nothing_but_the_files_answers() {
    let server = with_tokens().await;
    for path in [
        "/internal/v1",
        "/internal/v1/stream",
        "/internal/v1/refusals",
        "/internal/v1/apps",
        "/internal/v1/apps/123456/explain?channel=a",
        "/metrics",
        "/nothing",
    ] {
        for fields in [HOST, &format!("{HOST}Cookie: token={TOKEN}\r\n")] {
            for request in [format!("GET {path}"), format!("POST {path}")] {
                let answer = send(&server, &request, fields).await;
                assert_eq!(answer.status(), 401, "{request}");
                assert_eq!(answer.field("www-authenticate"), Some("Bearer"));
            }
        }
    }
}

#[tokio::test]
async fn the_read_only_token_reads_and_every_change_is_refused() {
    let server = with_tokens().await;
    let about = send(&server, "GET /internal/v1", &bearer(READ_ONLY)).await;
    assert!(about.text().contains("\"rights\":\"read\""), "{}", about.text());
    let about = send(&server, "GET /internal/v1", &bearer(TOKEN)).await;
    assert!(about.text().contains("\"rights\":\"full\""), "{}", about.text());
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for path in ["/internal/v1", "/internal/v1/apps", "/internal/v1/any/thing"] {
            let request = format!("{method} {path}");
            let refused = send(&server, &request, &bearer(READ_ONLY)).await;
            let text = "{\"error\":\"this token only reads; send that of internal.token to change something\"}";
            assert_eq!((refused.status(), refused.text()), (403, text), "{request}");
            let allowed = send(&server, &request, &bearer(TOKEN)).await;
            assert!(matches!(allowed.status(), 404 | 405), "{request}: {}", allowed.status());
        }
    }
}

#[tokio::test]
async fn without_a_configured_token_the_console_is_off_and_nothing_is_changed() {
    let server = server("").await;
    let off = send(&server, "GET /console/", HOST).await;
    let text = "{\"error\":\"the console is off until internal.token is set (RESOUND_INTERNAL_TOKEN, or \
                RESOUND_INTERNAL_TOKEN_FILE for a file)\"}";
    assert_eq!((off.status(), off.text()), (404, text));
    assert_eq!(send(&server, "GET /internal/v1", HOST).await.status(), 200);
    let refused = send(&server, "POST /internal/v1", HOST).await;
    let text = "{\"error\":\"without internal.token nothing is changed over TCP; set it (RESOUND_INTERNAL_TOKEN), \
                or use the unix socket of the process\"}";
    assert_eq!((refused.status(), refused.text()), (403, text));
}

#[tokio::test]
async fn a_name_that_leads_to_loopback_is_refused_with_the_right_token_too() {
    let lines = format!("token = \"{TOKEN}\"\nhosts = [\"ops.example.com\"]");
    let server = server(&lines).await;
    let fields =
        |host: &str, more: &str| format!("Host: {host}\r\nAuthorization: Bearer {TOKEN}\r\n{more}");
    for (host, more, status) in [
        ("localhost:9600", "", 200),
        ("rebound.example", "", 403),
        ("ops.example.com", "", 200),
        ("ops.example.com", "Origin: https://ops.example.com:8443\r\n", 200),
        ("127.0.0.1:9600", "Origin: https://ops.example.com\r\n", 200),
        ("localhost:9600", "Origin: http://localhost:9600\r\n", 200),
        ("localhost:9600", "Origin: http://localhost:8080\r\n", 403),
        ("localhost:9600", "Origin: null\r\n", 403),
    ] {
        let fields = fields(host, more);
        for path in ["/internal/v1", "/console/"] {
            let answer = send(&server, &format!("GET {path}"), &fields).await;
            assert_eq!(answer.status(), status, "{path} {fields}");
        }
    }
}

#[tokio::test]
async fn a_reload_replaces_the_tokens_and_the_names() {
    let server = with_tokens().await;
    let report =
        server.reload(&settings(&format!("token = \"{READ_ONLY}\"\nhosts = [\"a.example\"]")));
    assert!(report.pending.iter().all(|key| !key.key.starts_with("internal.")), "{report:?}");
    assert_eq!(send(&server, "GET /internal/v1", &bearer(TOKEN)).await.status(), 401);
    let named = format!("Host: a.example\r\nAuthorization: Bearer {READ_ONLY}\r\n");
    let about = send(&server, "GET /internal/v1", &named).await;
    assert!(about.text().contains("\"rights\":\"full\""), "{}", about.text());
    server.reload(&settings(""));
    assert_eq!(send(&server, "GET /console/", HOST).await.status(), 404);
}

#[tokio::test]
async fn behind_a_listed_proxy_wrong_tokens_are_held_back_by_client() {
    let lines = format!(
        "token = \"{TOKEN}\"\n[server]\nhost = \"127.0.0.1\"\nport = 0\nproxies = [\"127.0.0.1\"]"
    );
    let apps = "[[apps]]\nid = \"1\"\nkey = \"k\"\nsecret = \"s\"\n";
    let text = format!("[internal]\nlisten = [\"127.0.0.1:0\"]\n{lines}\n{apps}");
    let server = TestServer::with(&text).await;
    let from =
        |token: &str, client: &str| format!("{}X-Forwarded-For: {client}\r\n", bearer(token));
    for _ in 0..10 {
        let wrong = from(READ_ONLY, "203.0.113.7");
        assert_eq!(send(&server, "GET /internal/v1", &wrong).await.status(), 401);
    }
    for (client, status) in [("203.0.113.7", 429), ("203.0.113.8", 200)] {
        let right = from(TOKEN, client);
        assert_eq!(send(&server, "GET /internal/v1", &right).await.status(), status, "{client}");
    }
}
