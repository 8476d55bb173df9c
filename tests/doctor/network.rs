//! Set-ups of real programs that are broken in one place each, seen over the network: the doctor names that place
//! first, and nothing else as a cause.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::redis::free_port;
use crate::harness::tls::certificate;
use crate::harness::{Folder, Program, TestRedis};
use crate::nginx::{Nginx, WITH_UPGRADE, with_tls};

/// What the doctor says.
pub(crate) struct Diagnosed {
    /// Id and sentence of each failure.
    pub(crate) failed: Vec<(String, String)>,
    /// The same of each warning.
    pub(crate) warned: Vec<(String, String)>,
    /// Everything it printed.
    pub(crate) text: String,
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Diagnosed {
    /// Nothing is wrong, and it took less than ten seconds.
    pub(crate) fn is_healthy(&self) {
        let found = (&self.failed, &self.warned);
        assert_eq!(found, (&vec![], &vec![]), "{}", self.text);
        assert_eq!(self.code, Some(0));
        assert!(self.took < Duration::from_secs(10), "{:?}", self.took);
    }

    /// This fails, with this sentence, and nothing else does.
    pub(crate) fn fails(&self, id: &str, says: &str) {
        let failed: Vec<_> = self.failed.iter().map(|(id, says)| (&**id, &**says)).collect();
        assert_eq!(failed, [(id, says)], "{}", self.text);
        assert_eq!(self.code, Some(1));
    }

    /// This is a warning, and nothing fails.
    pub(crate) fn warns(&self, id: &str, says: &str) {
        assert_eq!(self.failed, vec![], "{}", self.text);
        let warned: Vec<_> = self.warned.iter().map(|(id, says)| (&**id, &**says)).collect();
        assert_eq!(warned, [(id, says)], "{}", self.text);
    }
}

/// Runs the doctor.
pub(crate) async fn diagnosed(arguments: &[&str]) -> Diagnosed {
    diagnosed_by(Command::new(env!("CARGO_BIN_EXE_resound")), "ca.pem", arguments).await
}

/// The same by a command that ends with the program's path, on a system that trusts this authority.
pub(crate) async fn diagnosed_by(
    mut command: Command,
    authority: &str,
    arguments: &[&str],
) -> Diagnosed {
    command.env_clear().env("SSL_CERT_FILE", certificate(authority));
    command.arg("doctor").arg("--json").args(arguments).stdin(Stdio::null());
    let started = Instant::now();
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let took = started.elapsed();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"));
    let of = |gravity: &str| {
        let checks = report["checks"].as_array().unwrap().iter();
        let findings = checks.flat_map(|check| {
            let findings = check["findings"].as_array().into_iter().flatten();
            findings.map(move |finding| (&check["id"], finding))
        });
        let of_this = findings.filter(|(_, finding)| finding["gravity"] == gravity);
        of_this
            .map(|(id, finding)| {
                (id.as_str().unwrap().to_owned(), finding["says"].as_str().unwrap().to_owned())
            })
            .collect()
    };
    let (failed, warned) = (of("fail"), of("warn"));
    Diagnosed { failed, warned, text, code: output.status.code(), took }
}

/// A configuration of Reverb's test app on a port, with further lines.
fn configuration(folder: &Folder, port: u16, secret: &str, lines: &str) -> String {
    folder.write(
        &format!("{secret}.toml"),
        &format!(
            "[server]\nhost = \"127.0.0.1\"\nport = {port}\n[[apps]]\nid = \"123456\"\nkey = \"reverb-key\"\n\
             secret = \"{secret}\"\n{lines}\n"
        ),
    )
}

/// A running server with its configuration.
pub(crate) struct Served {
    pub(crate) file: String,
    pub(crate) port: u16,
    folder: Folder,
    _program: Program,
}

impl Served {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    pub(crate) async fn with(lines: &str) -> Self {
        Self::by(Command::new(env!("CARGO_BIN_EXE_resound")), lines).await
    }

    /// Started by a command that ends with the program's path.
    async fn by(command: Command, lines: &str) -> Self {
        let (folder, port) = (Folder::new(), free_port());
        let file = configuration(&folder, port, "reverb-secret", lines);
        let program = Program::start_from(command, &file).await;
        Self { file, port, folder, _program: program }
    }

    pub(crate) async fn diagnosed(&self, url: &str) -> Diagnosed {
        diagnosed(&["--config", &self.file, "--url", url, "--nginx", "/nonexistent"]).await
    }
}

#[tokio::test]
async fn a_server_alone_is_healthy() {
    let served = Served::start().await;
    diagnosed(&["--config", &served.file]).await.is_healthy();
}

#[tokio::test]
async fn a_server_behind_nginx_with_tls_is_healthy() {
    let served = Served::start().await;
    let location = format!("{WITH_UPGRADE} client_max_body_size 4m;");
    let site = with_tls("valid.pem");
    let nginx = Nginx::start(&format!(
        "listen $listen ssl; server_name localhost; {site}\n\
         location / {{ proxy_pass http://127.0.0.1:{}; {location} }}",
        served.port
    ))
    .await;
    let url = format!("https://localhost:{}", nginx.port);
    diagnosed(&["--config", &served.file, "--url", &url, "--nginx", &nginx.file])
        .await
        .is_healthy();
}

#[tokio::test]
async fn a_wrong_port() {
    let (served, port) = (Served::start().await, free_port());
    let says = format!("Nothing listens on 127.0.0.1:{port}, where browsers connect to.");
    served.diagnosed(&format!("http://127.0.0.1:{port}")).await.fails("R061", &says);
}

#[tokio::test]
async fn a_server_that_does_not_run() {
    let (folder, port) = (Folder::new(), free_port());
    let file = configuration(&folder, port, "reverb-secret", "");
    let says = format!("Nothing listens on 127.0.0.1:{port}, where the server should.");
    diagnosed(&["--config", &file]).await.fails("R050", &says);
}

#[tokio::test]
async fn a_wrong_scheme() {
    let served = Served::start().await;
    let address = format!("127.0.0.1:{}", served.port);
    let says = format!("{address} answers without TLS, and the scheme is https.");
    served.diagnosed(&format!("https://{address}")).await.fails("R063", &says);
    let tls = format!("{}\n", with_tls("valid.pem"));
    let site = format!("listen $listen ssl; {tls} location / {{ proxy_pass http://{address}; }}");
    let nginx = Nginx::start(&site).await;
    let says = format!("localhost:{} answers with TLS, and the scheme is http.", nginx.port);
    served.diagnosed(&format!("http://localhost:{}", nginx.port)).await.fails("R063", &says);
}

#[tokio::test]
async fn a_proxy_without_upgrade() {
    let served = Served::start().await;
    let nginx =
        Nginx::before(served.port, "", "proxy_http_version 1.1; client_max_body_size 4m;").await;
    let url = format!("http://127.0.0.1:{}", nginx.port);
    let says = format!(
        "The proxy takes Upgrade out of the handshake at {url}: no browser can open a socket."
    );
    served.diagnosed(&url).await.fails("R066", &says);
}

#[tokio::test]
async fn a_proxy_that_speaks_http_1_0_to_the_server() {
    let served = Served::start().await;
    let location = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"Upgrade\"; \
                    proxy_http_version 1.0; client_max_body_size 4m;";
    let nginx = Nginx::before(served.port, "", location).await;
    let says = "The proxy speaks HTTP/1.0 to the server: no browser can open a socket.";
    let url = format!("http://127.0.0.1:{}", nginx.port);
    served.diagnosed(&url).await.fails("R066", says);
}

#[tokio::test]
async fn a_proxy_that_does_not_pass_apps_on() {
    let served = Served::start().await;
    let site = format!(
        "listen $listen; location /app/ {{ proxy_pass http://127.0.0.1:{}; {WITH_UPGRADE} }}",
        served.port
    );
    let nginx = Nginx::start(&site).await;
    let diagnosed = served.diagnosed(&format!("http://127.0.0.1:{}", nginx.port)).await;
    let says = &diagnosed.failed[0].1;
    assert!(says.starts_with("/apps is not routed to the server: http://127.0.0.1:"), "{says}");
    assert!(says.contains(" answers 404 of the server nginx/"), "{says}");
    diagnosed.fails("R067", says);
}

#[tokio::test]
async fn a_proxy_whose_server_is_elsewhere() {
    let (served, free) = (Served::start().await, free_port());
    let nginx = Nginx::before(free, "", WITH_UPGRADE).await;
    let diagnosed = served.diagnosed(&format!("http://127.0.0.1:{}", nginx.port)).await;
    let says = &diagnosed.failed[0].1;
    assert!(says.starts_with("The proxy answers 502 of the server nginx/"), "{says}");
    diagnosed.fails("R065", says);
}

#[tokio::test]
async fn another_path_prefix() {
    let served = Served::start().await;
    let nginx = Nginx::before(served.port, "", WITH_UPGRADE).await;
    let url = format!("http://127.0.0.1:{}/ws", nginx.port);
    let says = "The server has another path prefix than /ws, which the public URL has.";
    served.diagnosed(&url).await.fails("R065", says);
}

#[tokio::test]
async fn a_wrong_secret() {
    let served = Served::start().await;
    let file = configuration(&served.folder, served.port, "another-secret", "");
    let says = "The server does not accept the secret of the app 123456.";
    let diagnosed = diagnosed(&["--config", &file]).await;
    diagnosed.fails("R057", says);
    assert!(diagnosed.text.contains("sha256:"), "{}", diagnosed.text);
    assert!(!diagnosed.text.contains("another-secret\""), "{}", diagnosed.text);
}

#[tokio::test]
async fn a_wrong_key() {
    let served = Served::start().await;
    let text = std::fs::read_to_string(&served.file).unwrap().replace("reverb-key", "other-key");
    let file = served.folder.write("key.toml", &text);
    let says = "The server has no app with the key \"other-key\".";
    diagnosed(&["--config", &file]).await.fails("R052", says);
}

/// What starts a server whose clock is an hour ahead. The program `faketime` is not used: it starts the server as
/// a process of its own, which outlives the one that a test ends.
pub(crate) fn an_hour_ahead() -> Command {
    let script = "for library in /usr/lib/*/faketime/libfaketime.so.1; do export LD_PRELOAD=$library; done; \
                  [ -e \"$LD_PRELOAD\" ] || { echo 'libfaketime is missing: tests/install installs it' >&2; exit 1; }; \
                  export FAKETIME=+1h; exec \"$0\" \"$@\"";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_resound")]);
    command
}

#[tokio::test]
async fn a_clock_that_is_an_hour_off() {
    let served = Served::by(an_hour_ahead(), "").await;
    let diagnosed = diagnosed(&["--config", &served.file]).await;
    // The second may pass between the two clocks.
    let says = &diagnosed.failed[0].1;
    assert!(
        ["3599", "3600", "3601"].iter().any(|seconds| {
            *says == format!("The server's clock is {seconds} s ahead of this machine's.")
        }),
        "{says}"
    );
    diagnosed.fails("R051", says);
}

#[tokio::test]
async fn a_wrong_password_of_redis() {
    if crate::harness::redis::is_left_out() {
        return;
    }
    let redis = TestRedis::with(&["--requirepass", "right"]).await;
    let lines =
        format!("[cluster]\nenabled = true\nurl = \"redis://:wrong@127.0.0.1:{}\"", redis.port);
    let served = Served::with(&lines).await;
    let diagnosed = diagnosed(&["--config", &served.file]).await;
    let says = &diagnosed.failed[0].1;
    assert!(
        says.starts_with("The Redis of the cluster cannot be used: it answered \"WRONGPASS "),
        "{says}"
    );
    diagnosed.fails("R054", says);
    assert!(!diagnosed.text.contains("wrong@"), "{}", diagnosed.text);
}

#[tokio::test]
async fn a_redis_with_all_rights_passes_and_its_settings_are_judged() {
    if crate::harness::redis::is_left_out() {
        return;
    }
    let redis = TestRedis::with(&[]).await;
    let lines = format!("[cluster]\nenabled = true\nurl = \"{}\"", redis.url);
    let served = Served::with(&lines).await;
    diagnosed(&["--config", &served.file]).await.is_healthy();
    let options = ["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"];
    let redis = TestRedis::with(&options).await;
    let lines = format!("[cluster]\nenabled = true\nurl = \"{}\"", redis.url);
    let served = Served::with(&lines).await;
    let says = "Redis forgets keys of the cluster when its memory is full (allkeys-lru).";
    diagnosed(&["--config", &served.file]).await.warns("R054", says);
}

#[tokio::test]
async fn a_certificate_for_another_name() {
    let served = Served::start().await;
    let site = with_tls("other.pem");
    let nginx = Nginx::start(&format!(
        "listen $listen ssl; {site} location / {{ proxy_pass http://127.0.0.1:{}; }}",
        served.port
    ))
    .await;
    let says =
        "The certificate is for other.example, *.wild.example, and browsers connect to localhost.";
    served.diagnosed(&format!("https://localhost:{}", nginx.port)).await.fails("R064", says);
}

#[tokio::test]
async fn a_certificate_that_has_expired_or_is_not_valid_yet() {
    let served = Served::start().await;
    for (certificate, says) in [
        ("expired.pem", "The certificate expired "),
        ("future.pem", "The certificate is not valid yet."),
    ] {
        let site = with_tls(certificate);
        let nginx = Nginx::start(&format!(
            "listen $listen ssl; {site} location / {{ proxy_pass http://127.0.0.1:{}; }}",
            served.port
        ))
        .await;
        let diagnosed = served.diagnosed(&format!("https://localhost:{}", nginx.port)).await;
        let said = &diagnosed.failed[0].1;
        assert!(said.starts_with(says), "{said}");
        diagnosed.fails("R064", said);
    }
}

#[tokio::test]
async fn a_page_of_another_origin() {
    let served = Served::with("allowed_origins = [\"shop.example\"]").await;
    let nginx = Nginx::before(served.port, "client_max_body_size 4m;", WITH_UPGRADE).await;
    let url = format!("http://127.0.0.1:{}", nginx.port);
    let arguments = ["--config", &served.file, "--url", &url, "--nginx", "/nonexistent"];
    let with = |origin| [&arguments[..], &["--origin", origin]].concat();
    let says = "The server refuses pages of https://other.example.";
    diagnosed(&with("https://other.example")).await.fails("R068", says);
    diagnosed(&with("https://shop.example")).await.is_healthy();
}

#[tokio::test]
async fn the_limits_of_a_proxy() {
    // A body that is sent at once, however busy the machine is.
    let served = Served::with("[http]\nmax_body_bytes = 65536").await;
    let nginx = Nginx::before(served.port, "client_max_body_size 4k;", WITH_UPGRADE).await;
    let url = format!("http://127.0.0.1:{}", nginx.port);
    let says =
        "The proxy refuses a body of 65536 bytes, which the server accepts: large events are lost.";
    served.diagnosed(&url).await.warns("R070", says);
    let location = format!("{WITH_UPGRADE} proxy_read_timeout 10s;");
    let nginx = Nginx::before(served.port, "client_max_body_size 4m;", &location).await;
    let url = format!("http://127.0.0.1:{}", nginx.port);
    let arguments = ["--config", &served.file, "--url", &url, "--nginx", &nginx.file];
    let says = "Nginx closes sockets that are silent for 10 s, and clients are silent for 30 s.";
    diagnosed(&arguments).await.warns("R071", says);
    let location = format!("{WITH_UPGRADE} proxy_read_timeout 1s;");
    let nginx = Nginx::before(served.port, "client_max_body_size 4m;", &location).await;
    let says =
        ("R071".to_owned(), "The proxy closes a socket that is silent for 2.5 s.".to_owned());
    let diagnosed = served.diagnosed(&format!("http://127.0.0.1:{}", nginx.port)).await;
    // Where a step of the round trip takes a second, this proxy ends its sockets too.
    let failed = diagnosed.failed.iter().filter(|(id, _)| id != "R081");
    assert_eq!(failed.collect::<Vec<_>>(), [&says], "{}", diagnosed.text);
    assert_eq!(diagnosed.code, Some(1));
}
