//! A webhook that cannot be called: the log names the cause and what to change.

use std::process::{Child, Command, Stdio};

use crate::harness::{Folder, Program, TestSocket, within};

/// An endpoint with a self-signed certificate. Dropping it ends it.
struct SelfSigned {
    port: u16,
    server: Child,
    _folder: Folder,
}

impl SelfSigned {
    async fn start() -> Self {
        let folder = Folder::new();
        let (key, certificate) = (folder.path("key.pem"), folder.path("certificate.pem"));
        let run = |arguments: &[&str]| {
            let mut command = Command::new("openssl");
            command.args(arguments).stdin(Stdio::null());
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("openssl, of the package openssl, is installed")
        };
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
        let files = ["-keyout", &key, "-out", &certificate];
        let request = [&["req", "-x509", "-days", "2"][..], &curve, &subject, &files].concat();
        assert!(run(&request).wait().unwrap().success());
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let accept = format!("127.0.0.1:{port}");
        let serve = ["s_server", "-quiet", "-accept", &accept, "-key", &key, "-cert", &certificate];
        let server = run(&serve);
        within("the endpoint to listen", async {
            while tokio::net::TcpStream::connect(&accept).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        Self { port, server, _folder: folder }
    }
}

impl Drop for SelfSigned {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The line of the log about a webhook to this address.
async fn failure(url: &str) -> String {
    let folder = Folder::new();
    let text = format!(
        "[[apps]]\nid = \"1\"\nkey = \"key\"\nsecret = \"secret\"\n\
         [[apps.webhooks]]\nurl = \"{url}\"\nevents = [\"channel_occupied\"]\n"
    );
    let mut program = Program::start_with_file(&folder.write("webhooks.toml", &text)).await;
    let mut socket = TestSocket::greeted(program.address, "/app/key").await;
    socket.subscribe("orders").await;
    program.log_line("webhook failed").await
}

#[tokio::test]
async fn the_log_names_the_cause_and_the_remedy() {
    let endpoint = SelfSigned::start().await;
    let port = endpoint.port;
    for (url, cause) in [
        ("http://127.0.0.1:9/".to_owned(), "nothing listens on that port"),
        ("http://no-such-host.invalid/".to_owned(), "the name of the host has no address (DNS)"),
        (
            format!("https://localhost:{port}/"),
            "its certificate is self-signed as that of an authority, which a server may not present; let a public",
        ),
    ] {
        let line = failure(&url).await;
        assert!(line.contains(cause), "{url}: {line}");
    }
}
