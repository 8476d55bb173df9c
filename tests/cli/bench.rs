//! `resound bench` against the real program: what it measures, and how it ends.
//!
//! Owns exit codes, messages and the fields of the JSON; how fast anything is, is not tested.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

use serde_json::Value;

use super::{folder, resound, text};
use crate::harness::tls::{certificate, section};

/// The program serving the development app on a free port; killed at the end.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let serve = ["serve", "--port", "0", "--log-format", "json"];
        let mut command = resound(folder, &[&serve[..], arguments].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| {
            let line: Value = serde_json::from_str(&line).ok()?;
            Some(line.get("address")?.as_str()?.to_owned())
        });
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: format!("http://{}", address.expect("a line with the address")) }
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run that ends soon: 20 events and no warm-up, unless `arguments` replace them.
fn bench(folder: &Path, url: &str, arguments: &[&str]) -> Output {
    let short = ["bench", "--url", url, "--warm-up", "0", "--events", "20"];
    resound(folder, &[&short[..], arguments].concat()).output().unwrap()
}

fn started(name: &str) -> (PathBuf, Server) {
    let here = folder(name);
    let server = Server::start(&here, &[]);
    (here, server)
}

/// The JSON of a run in which everything arrived.
fn check_complete(output: &Output, expected: u64) -> Value {
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |name: &str| figures[name].as_u64();
    assert_eq!(number("expected"), Some(expected), "{figures:#}");
    assert_eq!(number("delivered"), Some(expected), "{figures:#}");
    for name in ["lost", "disordered", "unanswered", "errors"] {
        assert_eq!(number(name), Some(0), "{name} of {figures:#}");
    }
    figures
}

#[test]
fn the_report_is_for_people_and_a_kept_assertion_ends_with_0() {
    let (here, server) = started("bench-report");
    let output =
        bench(&here, &server.url, &["--assert", "loss==0", "--assert", "p99<60s", "--rate", "500"]);
    assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)));
    let report = text(&output.stdout);
    let heading =
        format!("{}: 100 sockets on 1 public channel, 500 events/s, 128 bytes", server.url);
    assert!(report.starts_with(&heading), "{report}");
    for part in [
        "  delivered  2 000 of 2 000   ",
        " a connect",
        "lost 0 (0 %)",
        "\nlatency of 2 000 deliveries\n  ≤ ",
        "\n  holds loss==0 (0 %)\n",
    ] {
        assert!(report.contains(part), "no {part:?} in {report}");
    }
    assert!(!report.contains('\u{1b}'), "{report}");
}

#[test]
fn a_broken_assertion_ends_with_1_and_names_the_value() {
    let (here, server) = started("bench-broken");
    let output = bench(&here, &server.url, &["--rate", "500", "--assert", "p99 < 1ns"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.starts_with("error: not as asserted: p99 < 1ns: it was "), "{stderr}");
    assert!(text(&output.stdout).contains("\n  fails p99 < 1ns ("));
}

#[test]
fn bad_arguments_end_with_2_before_anything_is_started() {
    let here = folder("bench-arguments");
    let check = |arguments: &[&str], message: &str| {
        let output = resound(&here, &[&["bench"], arguments].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = text(&output.stderr);
        assert!(stderr.starts_with(&format!("error: {message}")), "{stderr}");
    };
    check(
        &["--assert", "p98<1s"],
        "flag --assert is \"p98<1s\"; there is no metric \"p98\"; the metrics are p50, p90, p99, ",
    );
    check(
        &["--assert", "cpu_per_delivery<5us"],
        "flag --assert is \"cpu_per_delivery<5us\"; it is read from the server's process: add --pid",
    );
    check(
        &["--url", "https://a..b"],
        "flag --url is \"https://a..b\"; its host is no name that a certificate can be for",
    );
    check(
        &["--url", "http://a", "--insecure"],
        "flag --insecure is for a --url with https:// or wss://",
    );
    check(&["--publish", "client"], "flag --publish is client; client events need signed channels");
    check(&["--in-flight", "1000"], "flag --in-flight is 1000; at most 256 are supported");
    check(&["--rate", "0"], "invalid value '0' for '--rate <RATE>': it must be a number above 0");
    check(&["--app-id", "7"], "flag --app-id is \"7\"; the apps are 100001");
}

#[test]
fn an_absent_server_and_wrong_credentials_end_with_1_and_say_what_to_change() {
    let (here, server) = started("bench-refused");
    let check = |arguments: &[&str], message: &str| {
        let output = resound(&here, &[&["bench"], arguments].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(text(&output.stdout), "");
        let stderr = text(&output.stderr);
        assert!(stderr.starts_with(&format!("error: {message}")), "{stderr}");
    };
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let absent = format!("http://{free}");
    check(
        &["--url", &absent],
        &format!("{absent} cannot be reached: nothing listens on that port; start the server, or "),
    );
    let url = server.url.as_str();
    let app = |key, secret| ["--url", url, "--app-id", "100001", "--key", key, "--secret", secret];
    check(&app("nokey", "resound-dev-secret"), &format!("{url} closed a socket with 4001 "));
    check(
        &app("resound-dev-key", "wrong"),
        &format!("{url} did not confirm the event: it answered 401: "),
    );
    let private = [&app("resound-dev-key", "wrong")[..], &["--kind", "private"]].concat();
    check(&private, &format!("{url} refused to subscribe to private-"));
    let prefix = format!("{url}/nowhere");
    let message = format!("{prefix} ");
    check(&["--url", &prefix], &message);
}

#[test]
fn json_has_all_figures_of_a_measured_server() {
    let (here, server) = started("bench-json");
    let arguments = ["--json", "--rate", "500", "--pid", &server.pid(), "--assert", "loss<1%"];
    let figures = check_complete(&bench(&here, &server.url, &arguments), 2000);
    for name in ["connect_ns", "latency_ns", "answer_ns", "lateness_ns"] {
        for spread in ["p50", "p90", "p99", "p999", "max", "mean"] {
            assert!(figures[name][spread].is_u64(), "{name}.{spread} of {figures:#}");
        }
    }
    assert!(figures["received_bytes"].as_u64() > Some(2000 * 128));
    assert_eq!(figures["targets"], serde_json::json!([server.url]));
    assert_eq!(figures["refused"], serde_json::json!({}));
    assert_eq!(
        figures["assertions"],
        serde_json::json!([{ "expression": "loss<1%", "measured": 0, "holds": true }])
    );
    let counts = figures["latency_buckets"].as_array().unwrap().iter();
    assert_eq!(counts.map(|bucket| bucket["count"].as_u64().unwrap()).sum::<u64>(), 2000);
    if cfg!(target_os = "linux") {
        assert!(figures["server"]["rss_bytes"].as_u64() > Some(100_000), "{figures:#}");
        assert!(figures["client"]["cpu_ns"].is_u64(), "{figures:#}");
    }
}

#[test]
fn json_goes_to_a_file_beside_the_report() {
    let (here, server) = started("bench-file");
    let output = bench(&here, &server.url, &["--in-flight", "2", "--json", "figures.json"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("\n  delivered  2 000 of 2 000   "));
    let written = fs::read(here.join("figures.json")).unwrap();
    let figures: Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(figures["delivered"], 2000);
}

#[test]
fn every_way_of_publishing_reaches_every_subscriber() {
    let (here, server) = started("bench-ways");
    let other = Server::start(&here, &[]);
    let run = |arguments: &[&str]| bench(&here, &server.url, &[&["--json"], arguments].concat());
    check_complete(&run(&["--rate", "500", "--kind", "private"]), 2000);
    check_complete(&run(&["--in-flight", "4", "--kind", "presence", "--channels", "4"]), 500);
    // The sender of a client event does not receive it.
    let client = ["--publish", "client", "--rate", "200"];
    check_complete(&run(&[&client[..], &["--kind", "private"]].concat()), 20 * 99);
    let client = ["--publish", "client", "--in-flight", "3", "--kind", "presence"];
    check_complete(&run(&client), 20 * 99);
    check_complete(&run(&["--rate", "500", "--batch", "8"]), 2000);
    check_complete(&run(&["--in-flight", "2", "--batch", "10", "--payload", "9000"]), 2000);
    let several = ["--channels", "5", "--subscriptions-per-socket", "2", "--rate", "500"];
    check_complete(&run(&several), 20 * 40);
    // Two nodes without a cluster: each event reaches its own half.
    let output = run(&["--url", &other.url, "--rate", "500", "--patience", "0.1"]);
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&figures["expected"], &figures["delivered"]), (&2000.into(), &1000.into()));
}

/// A server that serves TLS only, with the certificate for localhost; its port.
fn started_with_tls(name: &str) -> (PathBuf, Server, String) {
    let here = folder(name);
    let app =
        "[[apps]]\nid = \"100001\"\nkey = \"resound-dev-key\"\nsecret = \"resound-dev-secret\"\n";
    let client_events = "accept_client_events_from = \"members\"\n";
    let file = format!("{app}{client_events}{}", section("mode = \"required\""));
    fs::write(here.join("tls.toml"), file).unwrap();
    let server = Server::start(&here, &["--config", "tls.toml"]);
    let port = server.url.rsplit(':').next().unwrap().to_owned();
    (here, server, port)
}

#[test]
fn sockets_and_requests_over_tls_are_complete() {
    let (here, server, port) = started_with_tls("bench-tls");
    let authority = certificate("ca.pem");
    let run = |url: &str, arguments: &[&str]| {
        let trust = ["--json", "--config", "tls.toml", "--ca-file", &authority];
        bench(&here, url, &[&trust[..], arguments].concat())
    };
    let (https, wss) = (format!("https://localhost:{port}"), format!("wss://localhost:{port}"));
    let pid = server.pid();
    let figures = check_complete(&run(&https, &["--rate", "500", "--pid", &pid]), 2000);
    assert_eq!(figures["targets"], serde_json::json!([https]));
    for figure in ["cpu_per_connect_ns", "cpu_per_delivery_ns"] {
        assert!(figures["client"][figure].is_u64(), "{figure} of {figures:#}");
    }
    check_complete(&run(&wss, &["--in-flight", "4", "--kind", "presence"]), 2000);
    let client = ["--publish", "client", "--rate", "200", "--kind", "private"];
    check_complete(&run(&wss, &client), 20 * 99);
    // More at once than one read takes of the wire, in records that end anywhere.
    let large = ["--in-flight", "8", "--batch", "10", "--payload", "9000", "--connections", "50"];
    check_complete(&run(&https, &large), 1000);
    check_complete(&run(&https, &["--rate", "500", "--deflate"]), 2000);
    let any = ["--json", "--config", "tls.toml", "--insecure", "--rate", "500"];
    check_complete(&bench(&here, &format!("https://127.0.0.2:{port}"), &any), 2000);
}

#[test]
fn a_handshake_that_fails_is_named_with_what_to_change() {
    let (here, _server, port) = started_with_tls("bench-tls-refused");
    let authority = certificate("ca.pem");
    let check = |url: &str, trust: &[&str], message: &str| {
        let output = bench(&here, url, &[&["--config", "tls.toml"], trust].concat());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""), "{url}");
        assert_eq!(text(&output.stderr), format!("error: {url} {message}\n"));
    };
    let trust = ["--ca-file", authority.as_str()];
    check(
        &format!("https://127.0.0.2:{port}"),
        &trust,
        "cannot be reached: its certificate is for other host names; give one of its names, or accept it with --insecure",
    );
    let other = certificate("second-ca.pem");
    check(
        &format!("https://localhost:{port}"),
        &["--ca-file", &other],
        "cannot be reached: its certificate was issued by an authority that is not trusted; name its authority with \
         --ca-file, or accept it with --insecure",
    );
    let other = answering("HTTP/1.1 400 Bad Request\r\n\r\n");
    let without = "cannot be reached: the peer answers without TLS; give it as http://";
    check(&format!("https://localhost:{}", other.port()), &trust, without);
    let plain = Server::start(&here, &[]);
    check(
        &plain.url.replace("http://127.0.0.1", "https://localhost"),
        &trust,
        "cannot be reached: TLS failed: received fatal alert: HandshakeFailure; check its certificate, or give it as \
         http:// if it has none",
    );
}

/// A listener that gives each connection this answer once it has received something.
fn answering(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(answer.as_bytes()));
        }
    });
    address
}

#[test]
fn an_idle_run_holds_its_sockets() {
    let (here, server) = started("bench-idle");
    let arguments = ["bench", "--url", &server.url, "--publish", "none", "--duration", "0.1"];
    let output = resound(&here, &[&arguments[..], &["--json"]].concat()).output().unwrap();
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&figures["open_sockets"], &figures["published"]), (&100.into(), &0.into()));
    assert_eq!(figures["latency_ns"], Value::Null);
}
