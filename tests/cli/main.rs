//! The program as it is called: exit codes, where messages go, and the look-up of `--config`.
//!
//! Owns nothing of the library; it runs the binary in a folder of its own with an environment of
//! its own.

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

mod bench;
mod env_file;
mod explain;
#[path = "../harness/mod.rs"]
mod harness;
mod healthcheck;
mod import;
mod live;
mod packaging;
mod reload;
mod refusals;
mod start;
mod terminal;
mod trigger;

const APP: &str = "[[apps]]\nid = \"7\"\nkey = \"k\"\nsecret = \"s\"\n";

/// A fresh folder under the build's own temporary one.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(path.join("config")).unwrap();
    path
}

/// What `check` prints of the keys of [`APP`] with this key, in a file of this name.
fn keys_of_app(key: &str, file: &str) -> String {
    format!(
        "apps[0].id = \"7\"  # {file}:2\napps[0].key = \"{key}\"  # {file}:3\n\
         apps[0].secret = sha256:043a7187  # {file}:4\n"
    )
}

/// What a server sends that the terminal must not obey: it clears the screen, turns the direction of text, changes a colour.
const HOSTILE: &str = "\u{1b}[2J\u{202e}\r\u{9b}31m";

fn resound(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resound"));
    command.current_dir(folder).env_clear().args(arguments);
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The output of the program, and its exit code.
fn check(output: &Output, code: i32, stdout: &str, stderr: &str) {
    // The bound of `resound check` is that of the machine.
    let lines = text(&output.stdout).split_inclusive('\n');
    let seen: String = lines.filter(|line| !line.starts_with("memory: at most ")).collect();
    let seen = (output.status.code(), &*seen, text(&output.stderr));
    assert_eq!(seen, (Some(code), stdout, stderr));
}

#[test]
fn a_bare_name_is_looked_for_here_and_then_in_config() {
    let here = folder("lookup");
    let check_config = |name: &str| resound(&here, &["check", "--config", name]).output().unwrap();
    check(
        &check_config("a.toml"),
        2,
        "",
        "error: flag --config is \"a.toml\", but there is no such file; looked for a.toml and \
         config/a.toml\n",
    );
    check(
        &check_config("./x/a.toml"),
        2,
        "",
        "error: flag --config is \"./x/a.toml\", but there is no such file; looked for \
         ./x/a.toml\n",
    );
    let line = |key: &str, file: &str| {
        let app =
            format!("app 7: key {key}, any number of connections, messages up to 10000 bytes");
        format!("{app}\n{}ok\n", keys_of_app(key, file))
    };
    fs::write(here.join("config/a.toml"), APP).unwrap();
    check(&check_config("a.toml"), 0, &line("k", "config/a.toml"), "");
    fs::write(here.join("a.toml"), APP.replace("\"k\"", "\"nearer\"")).unwrap();
    check(&check_config("a.toml"), 0, &line("nearer", "a.toml"), "");
    check(&check_config("config/a.toml"), 0, &line("k", "config/a.toml"), "");
}

#[test]
fn usage_errors_end_with_2() {
    let here = folder("usage");
    for arguments in [&[][..], &["start"], &["serve", "--prot"], &["trigger", "channel"]] {
        let output = resound(&here, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

/// Reads lines until one has `part`; the process ends its output if it dies, so this ends too.
fn line_with(output: impl Read, part: &str) -> String {
    let mut lines = BufReader::new(output).lines().map(Result::unwrap);
    lines.find(|line| line.contains(part)).unwrap_or_else(|| panic!("no line with {part}"))
}

fn terminate(child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
}

#[test]
fn the_development_app_is_greeted_and_sigterm_ends_with_0() {
    let here = folder("development");
    let mut command = resound(&here, &["serve", "--port", "0", "--log-format", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let line = line_with(&mut stdout, "Starting server");
    assert!(line.starts_with("  INFO  Starting server on 127.0.0.1:"), "{line}");
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    for line in text(&output.stderr).lines() {
        assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
    }
    assert!(text(&output.stderr).contains("\"message\":\"server started\""));
}

#[test]
fn a_configured_server_writes_to_its_log_only() {
    let here = folder("configured");
    fs::write(here.join("a.toml"), APP).unwrap();
    let arguments = ["serve", "--config", "a.toml", "--host", "localhost", "--port", "0"];
    let mut command = resound(&here, &arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let line = line_with(&mut stderr, "server started");
    assert!(!line.contains('\u{1b}'), "{line}");
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    check(&output, 0, "", "");
}

/// A machine or an image without a single authority, with a webhook to this address.
fn without_authorities(name: &str, endpoint: &str) -> Command {
    let here = folder(name);
    let webhook = format!("{APP}[[apps.webhooks]]\nurl = \"{endpoint}\"\n");
    fs::write(here.join("a.toml"), webhook).unwrap();
    let arguments = ["serve", "--config", "a.toml", "--host", "localhost", "--port", "0"];
    let mut command = resound(&here, &arguments);
    command.env("SSL_CERT_FILE", here.join("none.pem")).env("SSL_CERT_DIR", here.join("none"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn a_webhook_over_http_needs_no_authorities() {
    let mut child = without_authorities("http-webhook", "http://127.0.0.1:9/").spawn().unwrap();
    line_with(child.stderr.take().unwrap(), "server started");
    terminate(&child);
    check(&child.wait_with_output().unwrap(), 0, "", "");
}

#[test]
fn a_webhook_over_https_without_authorities_names_what_to_install() {
    let output = without_authorities("https-webhook", "https://127.0.0.1:9/").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    for part in ["https://127.0.0.1:9/", "ca-certificates"] {
        assert!(stderr.contains(part), "{stderr}");
    }
}
