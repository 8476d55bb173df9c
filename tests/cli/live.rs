//! `resound tail` and `resound expect` against a running server, as a person and as a test calls them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use serde_json::Value;

use super::reload::{Running, WAIT};
use super::{APP, folder, resound, terminate};

const ORDER: &str = r#"{"id":7,"name":"Ann Example"}"#;

/// A command that goes on, and its lines. Dropping it kills it.
pub(super) struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(server: &Running, arguments: &[&str]) -> Self {
        let pid = server.child.id().to_string();
        Self::of(resound(&server.here, &[arguments, &["--pid", &pid]].concat()))
    }

    pub(super) fn of(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let (out, notes) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        for stream in [Box::new(out) as Box<dyn Read + Send>, Box::new(notes)] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines }
    }

    /// The next line with `part`.
    pub(super) fn line(&self, part: &str) -> String {
        let end = Instant::now() + WAIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line =
                self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("no line with {part}"));
            if line.contains(part) {
                return line;
            }
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn trigger(server: &Running, channel: &str, event: &str) {
    let url = format!("http://127.0.0.1:{}", server.port);
    let arguments = ["trigger", channel, event, ORDER, "--config", "a.toml", "--url", &url];
    assert!(resound(&server.here, &arguments).output().unwrap().status.success());
}

fn expect(server: &Running, arguments: &[&str]) -> Output {
    let pid = server.child.id().to_string();
    let mut command = resound(&server.here, &["expect"]);
    command.args(arguments).args(["--config", "a.toml", "--pid", &pid]).output().unwrap()
}

#[test]
fn tail_shows_a_trigger_masked_and_ends_on_an_interrupt() {
    let server = Running::start("tail", APP, &[]);
    let mut tail = Following::start(&server, &["tail", "--channel", "private-*"]);
    tail.line("is shown");
    trigger(&server, "public", "other");
    trigger(&server, "private-orders.7", "App\\Events\\OrderShipped");
    let line = tail.line("trigger");
    let (time, rest) = line.split_once(' ').unwrap();
    assert_eq!(time.len(), "01:02:03.004".len(), "{line}");
    for part in [
        "trigger       app 7  private-orders.7  App\\Events\\OrderShipped  0 subscribers  29 B  from http",
        "{\"id\": number, \"name\": string(11)}",
    ] {
        assert!(rest.contains(part), "{line}");
    }
    let pid = tail.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(tail.child.wait().unwrap().code(), Some(0));
}

#[test]
fn tail_prints_json_by_kind_and_shows_refusals() {
    let server = Running::start("tail-json", APP, &[]);
    let tail = Following::start(&server, &["tail", "--json", "--kind", "refused,trigger"]);
    // Without a terminal there is no line about the stream: what comes is waited for until a row is seen.
    let url = format!("http://127.0.0.1:{}", server.port);
    let wrong = APP.replace("secret = \"s\"", "secret = \"other\"");
    std::fs::write(server.here.join("wrong.toml"), wrong).unwrap();
    let end = Instant::now() + WAIT;
    let row = loop {
        let arguments = ["trigger", "a", "e", "{}", "--config", "wrong.toml", "--url", &url];
        assert_eq!(resound(&server.here, &arguments).output().unwrap().status.code(), Some(1));
        if let Ok(line) = tail.lines.try_recv() {
            break serde_json::from_str::<Value>(&line).unwrap();
        }
        assert!(Instant::now() < end, "no row");
    };
    assert_eq!(
        (&row["kind"], &row["part"], &row["code"], &row["reason"]),
        (&"refused".into(), &"request".into(), &401.into(), &"signature".into()),
        "{row}"
    );
}

#[test]
fn more_than_the_server_shows_is_refused_with_the_key_to_change() {
    let server = Running::start("tail-payloads", APP, &[]);
    let pid = server.child.id().to_string();
    let tail = |view: &str| {
        resound(&server.here, &["tail", "--payloads", view, "--pid", &pid]).output().unwrap()
    };
    let refused = tail("full");
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(
        text.contains("set internal.payloads = \"full\" (RESOUND_INTERNAL_PAYLOADS)"),
        "{text}"
    );
}

#[test]
fn expect_succeeds_for_what_came_and_fails_for_what_did_not() {
    let server = Running::start("expect", &format!("{APP}[record]\nenabled = true\n"), &[]);
    trigger(&server, "private-orders.7", "App\\Events\\OrderShipped");
    let long = ["private-orders.7", "OrderShipped", "--within", "20s", "--data", r#"{"id":7}"#];
    let found = expect(&server, &long);
    assert_eq!(found.status.code(), Some(0), "{found:?}");
    let row: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(row["data"], ORDER);
    for (arguments, code, text) in [
        (
            &["private-orders.7", "OrderShipped", "--data", r#"{"id":8}"#][..],
            1,
            "OrderShipped did not come on private-orders.7 within 100ms; recorded on private-orders.7 were \"App\\\\Events\\\\OrderShipped\"",
        ),
        (
            &["private-orders.8", "OrderShipped"],
            1,
            "no other event was recorded on private-orders.8",
        ),
        (&["private-orders.7", "OrderShipped", "--count", "2"], 1, "came 1 times and not 2"),
        (&["private-orders.7", "OrderShipped", "--delivered"], 1, "did not come"),
        (&["private-orders.7", "OrderShipped", "--count", "0"], 1, "was not to"),
        (&["private-orders.7", "OrderShipped", "--data", "{"], 2, "--data is no JSON"),
        (&["private-orders.7", "OrderShipped", "--app", "8"], 2, "no app has the id \"8\""),
    ] {
        let output =
            expect(&server, &[arguments, &["--within", "100ms", "--since", "1m"]].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(text), "{arguments:?}: {stderr}");
    }
    let none = ["private-orders.8", "OrderShipped", "--count", "0", "--within", "100ms"];
    assert_eq!(expect(&server, &none).status.code(), Some(0));
}

#[test]
fn expect_waits_for_what_has_not_come_yet() {
    let server = Running::start("expect-wait", &format!("{APP}[record]\nenabled = true\n"), &[]);
    let arguments = ["expect", "orders", ".shipped", "--within", "20s", "--config", "a.toml"];
    let waiting = Following::start(&server, &arguments);
    trigger(&server, "orders", "shipped");
    let row: Value = serde_json::from_str(&waiting.line("shipped")).unwrap();
    assert_eq!(row["channels"][0], "orders");
}

#[test]
fn without_a_record_expect_cannot_be_asked() {
    let server = Running::start("expect-off", APP, &[]);
    let output = expect(&server, &["a", "e", "--within", "100ms"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("set record.enabled = true (RESOUND_RECORD_ENABLED=true)"), "{text}");
}

#[test]
fn tail_waits_for_a_server_that_ends_and_says_so() {
    let server = Running::start("tail-restart", APP, &[]);
    let tail = Following::start(&server, &["tail"]);
    tail.line("is shown");
    terminate(&server.child);
    tail.line("the server has ended the stream; waiting for it");
}

#[test]
fn tail_goes_on_with_the_server_that_is_started_after_a_restart() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = format!("internal.listen = [\"127.0.0.1:{port}\"]\n{APP}");
    let mut server = Running::start("tail-again", &file, &[]);
    let here = folder("tail-again-viewer");
    let url = format!("http://127.0.0.1:{port}");
    let tail = Following::of(resound(&here, &["tail", "--kind", "trigger", "--url", &url]));
    tail.line("is shown");
    trigger(&server, "orders", "before");
    assert!(tail.line("trigger").contains("orders  before  0 subscribers"));
    terminate(&server.child);
    tail.line("the server has ended the stream; waiting for it");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    let server = Running::start("tail-again", &file, &[]);
    tail.line("is shown");
    trigger(&server, "orders", "after");
    assert!(tail.line("trigger").contains("orders  after  0 subscribers"));
}

/// `resound tail | head -1`: the command ends with the reader of its lines, and without a message.
#[test]
fn tail_ends_when_its_lines_are_no_longer_read() {
    let server = Running::start("tail-head", APP, &[]);
    let pid = server.child.id().to_string();
    let script = "{ \"$0\" \"$@\"; echo \"ended with $?\" >&2; } | head -1";
    let mut command = Command::new("/bin/sh");
    command.current_dir(&server.here).env_clear().env("PATH", "/usr/bin:/bin");
    command.args(["-c", script, env!("CARGO_BIN_EXE_resound"), "tail", "--json", "--pid", &pid]);
    let pipe = Following::of(command);
    let end = Instant::now() + WAIT;
    let mut lines: Vec<String> = Vec::new();
    while !lines.iter().any(|line| line.starts_with("ended with")) {
        assert!(Instant::now() < end, "{lines:?}");
        trigger(&server, "orders", "e");
        lines.extend(pipe.lines.try_iter());
    }
    let rows = lines.iter().filter(|line| line.starts_with('{')).count();
    assert_eq!((rows, lines.last().unwrap().as_str()), (1, "ended with 0"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("error")), "{lines:?}");
}

/// The socket of a process is for its user and root; another user is refused with what to do instead.
#[test]
fn another_user_cannot_look_at_a_server() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        let _ = std::io::stderr().write_all(b"LEFT OUT: another user (this one is not root)\n");
        return;
    }
    let server = Running::start("tail-other-user", APP, &[]);
    let pid = server.child.id().to_string();
    let as_other_user = |words: &[&str]| {
        // By a descriptor, since the folder of the build may be closed to other users.
        let script = "exec 9<\"$0\"; cd /; exec setpriv --reuid 65534 --regid 65534 --clear-groups /proc/self/fd/9 \"$@\"";
        let mut command = Command::new("/bin/sh");
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.args(["-c", script, env!("CARGO_BIN_EXE_resound")]).args(words);
        command.args(["--pid", &pid]).output().unwrap()
    };
    assert_eq!(
        resound(&server.here, &["explain", "orders", "--pid", &pid])
            .output()
            .unwrap()
            .status
            .code(),
        Some(0)
    );
    for (words, code) in
        [(&["explain", "orders"][..], 1), (&["tail"], 1), (&["expect", "orders", "e"], 2)]
    {
        let refused = as_other_user(words);
        let message = format!(
            "error: process {pid} closed the connection: it answers its own user and root alone. Run this as one of them, \
             or set internal.listen, and give --url and --token\n"
        );
        assert_eq!(std::str::from_utf8(&refused.stderr).unwrap(), message, "{words:?}");
        assert_eq!(refused.status.code(), Some(code), "{words:?}");
    }
}
