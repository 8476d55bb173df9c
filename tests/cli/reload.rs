//! A running server reads its configuration again: on SIGHUP, by `resound reload`, when a file changes.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::{APP, check, folder, resound, terminate};

pub(super) const WAIT: Duration = Duration::from_secs(60);

/// A server with the file `a.toml` of a folder. Dropping it kills it.
pub(super) struct Running {
    pub(super) here: PathBuf,
    pub(super) child: Child,
    log: Receiver<String>,
    pub(super) port: u16,
}

impl Running {
    pub(super) fn start(name: &str, file: &str, variables: &[(&str, &str)]) -> Self {
        let here = folder(name);
        fs::write(here.join("a.toml"), file).unwrap();
        let arguments = ["serve", "--config", "a.toml", "--host", "localhost", "--port", "0"];
        let mut command = resound(&here, &arguments);
        command.envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut running = Self { here, child, log, port: 0 };
        let line = running.line("server started");
        let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap();
        let address = address.trim_matches('"');
        running.port = address.rsplit(':').next().unwrap().parse().unwrap();
        running
    }

    /// The next line of the log with `part`.
    fn line(&mut self, part: &str) -> String {
        let end = Instant::now() + WAIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line =
                self.log.recv_timeout(left).unwrap_or_else(|_| panic!("no line with {part}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    fn write(&self, text: &str) {
        // As editors do: the file is replaced and never half written.
        let next = self.here.join("a.toml.next");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.here.join("a.toml")).unwrap();
    }

    fn hang_up(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    /// Writes the file, sends SIGHUP, and returns the line about the outcome.
    fn reload(&mut self, text: &str) -> String {
        self.write(text);
        self.hang_up();
        let line = self.line("the configuration is ");
        line.split_once("reloading: ").unwrap().1.to_owned()
    }

    /// Sends an event with these credentials; returns whether it was accepted.
    fn triggers(&self, id: &str, key: &str, secret: &str) -> Result<(), String> {
        let url = format!("http://127.0.0.1:{}", self.port);
        let mut command =
            resound(&self.here, &["trigger", "orders", "shipped", "{}", "--url", &url]);
        command
            .env("REVERB_APP_ID", id)
            .env("REVERB_APP_KEY", key)
            .env("REVERB_APP_SECRET", secret);
        let output = command.output().unwrap();
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8(output.stderr).unwrap()),
        }
    }

    fn body(&self, path: &str) -> String {
        body(self.port, path)
    }
}

/// The answer to a request.
fn body(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_env_file_is_read_again() {
    let mut server = Running::start("reload-env-file", APP, &[]);
    let env = "REVERB_APP_ID=9\nREVERB_APP_KEY=k9\nREVERB_APP_SECRET=s9\n";
    for (secret, report) in
        [("s9", "added=\"9\" changed=\"\""), ("s10", "added=\"\" changed=\"9\"")]
    {
        fs::write(server.here.join(".env"), env.replace("s9", secret)).unwrap();
        server.hang_up();
        let line = server.line("the configuration is in use");
        assert!(line.contains(report), "{line}");
        assert_eq!(server.triggers("9", "k9", secret), Ok(()));
    }
    fs::write(server.here.join(".env"), env.replace("=9", "=9 9")).unwrap();
    server.hang_up();
    let line = server.line("nothing has changed");
    assert!(line.contains(".env:1: REVERB_APP_ID has text behind a space"), "{line}");
    fs::remove_file(server.here.join(".env")).unwrap();
    assert_eq!(server.triggers("9", "k9", "s10"), Ok(()));
}

#[test]
fn apps_come_change_and_go() {
    let mut server = Running::start("reload-apps", APP, &[]);
    assert_eq!(server.triggers("7", "k", "s"), Ok(()));
    let second = "[[apps]]\nid = \"8\"\nkey = \"k8\"\nsecret = \"s8\"\n";
    assert_eq!(
        server.reload(&format!("{APP}{second}")),
        "the configuration is in use reload=1 cause=\"SIGHUP\" added=\"8\" changed=\"\" removed=\"\""
    );
    assert_eq!(server.triggers("8", "k8", "s8"), Ok(()));
    assert_eq!(
        server.reload(&format!("{second}enabled = false\n")),
        "the configuration is in use reload=2 cause=\"SIGHUP\" added=\"\" changed=\"8\" removed=\"7\""
    );
    let unknown = server.triggers("7", "k", "s").unwrap_err();
    assert!(unknown.contains("No matching application"), "{unknown}");
    let disabled = server.triggers("8", "k8", "s8").unwrap_err();
    assert!(disabled.contains("disabled"), "{disabled}");
    assert_eq!(
        server.reload(APP),
        "the configuration is in use reload=3 cause=\"SIGHUP\" added=\"7\" changed=\"\" removed=\"8\""
    );
    assert_eq!(server.triggers("7", "k", "s"), Ok(()));
}

#[test]
fn a_secret_is_rotated_with_two_valid_ones() {
    let mut server = Running::start("reload-secret", APP, &[]);
    let app = |keys: &str| format!("[[apps]]\nid = \"7\"\nkey = \"k\"\n{keys}");
    server.reload(&app("secret = \"new\"\nprevious_secret = \"s\"\n"));
    assert_eq!(server.triggers("7", "k", "s"), Ok(()));
    assert_eq!(server.triggers("7", "k", "new"), Ok(()));
    server.reload(&app("secret = \"new\"\n"));
    assert!(server.triggers("7", "k", "s").unwrap_err().contains("signature invalid"));
    assert_eq!(server.triggers("7", "k", "new"), Ok(()));
}

#[test]
fn a_secret_file_is_read_again() {
    let here = folder("reload-secret-file");
    let secret = here.join("secret");
    fs::write(&secret, "first\n").unwrap();
    let file = format!("[[apps]]\nid = \"7\"\nkey = \"k\"\nsecret_file = {secret:?}\n");
    let watch = ("RESOUND_SERVER_WATCH_CONFIG_SECONDS", "1");
    let mut server = Running::start("reload-secret-file-server", &file, &[watch]);
    assert_eq!(server.triggers("7", "k", "first"), Ok(()));
    fs::write(&secret, "second, and longer\n").unwrap();
    let line = server.line("the configuration is in use");
    assert!(line.contains("cause=\"a file has changed\""), "{line}");
    assert_eq!(server.triggers("7", "k", "second, and longer"), Ok(()));
    // It may be gone while a tool writes it, which is no change.
    fs::remove_file(&secret).unwrap();
    server.hang_up();
    let line = server.line("the configuration is refused");
    assert!(line.contains("there is no such file"), "{line}");
    assert_eq!(server.triggers("7", "k", "second, and longer"), Ok(()));
}

#[test]
fn garbage_changes_nothing_and_is_reported_everywhere() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = free.local_addr().unwrap();
    drop(free);
    let listen = metrics.to_string();
    let mut server = Running::start("reload-garbage", APP, &[("RESOUND_METRICS_LISTEN", &listen)]);
    let successful = |value: u32| format!("resound_config_last_reload_successful {value}\n");
    assert!(body(metrics.port(), "/metrics").contains(&successful(1)));
    for (garbage, why) in [
        ("\u{1}\u{2}[[[", "a.toml: line 1"),
        ("", "no app is configured, and a running server does not change to the development app"),
        ("[server]\nprot = 1\n", "prot is not known; did you mean port?"),
        (&format!("{APP}max_message_size = 0\n"), "a.toml: apps[0].max_message_size is 0"),
        (
            &format!("{APP}[[apps.webhooks]]\nurl = \"ftp://a\"\n"),
            "a.toml: apps[0].webhooks[0].url",
        ),
    ] {
        let line = server.reload(garbage);
        assert!(
            line.starts_with("the configuration is refused, and nothing has changed"),
            "{line}"
        );
        assert!(line.contains(why), "{line}");
        let ready = server.body("/ready");
        assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
        assert!(ready.contains("configuration_refused"), "{ready}");
        assert!(body(metrics.port(), "/metrics").contains(&successful(0)));
        assert_eq!(server.triggers("7", "k", "s"), Ok(()));
    }
    server.reload(APP);
    let ready = server.body("/ready");
    assert!(!ready.contains("configuration_refused"), "{ready}");
    assert!(body(metrics.port(), "/metrics").contains(&successful(1)));
}

#[test]
fn what_needs_a_restart_is_named_once() {
    let mut server = Running::start("reload-restart", APP, &[]);
    server.write(&format!(
        "{APP}[server]\nworkers = 2\n[cluster]\npassword = \"hidden\"\n[log]\nlevel = \"debug\"\n"
    ));
    server.hang_up();
    let line = server.line("take effect after a restart");
    let keys = line.split_once("keys=").unwrap().1;
    assert_eq!(
        keys,
        "\"cluster.password is empty, configured is sha256:e564b408; server.workers is 0, \
         configured is 2\""
    );
    assert!(!line.contains("hidden"), "{line}");
    // The level is applied: debug lines appear.
    assert_eq!(server.triggers("7", "k", "s"), Ok(()));
    server.line("DEBUG");
}

/// The output of `resound reload` with these arguments.
fn reload_command(here: &Path, arguments: &[&str]) -> std::process::Output {
    resound(here, &[&["reload"], arguments].concat()).output().unwrap()
}

#[test]
fn the_command_reports_whether_the_server_accepts_it() {
    let pid_file = "[server]\npid_file = \"server.pid\"\n";
    let server = Running::start("reload-command", &format!("{pid_file}{APP}"), &[]);
    let (here, pid) = (server.here.clone(), server.child.id());
    let accepted = format!("process {pid} has the new configuration\n");
    for arguments in [["--pid-file", "server.pid"], ["--config", "a.toml"], ["--config", "a.toml"]]
    {
        check(&reload_command(&here, &arguments), 0, &accepted, "");
    }
    server.write("[server]\nprot = 1\n");
    let why = "error: a.toml: line 2 is prot = 1; prot is not known; did you mean port?\n";
    check(&reload_command(&here, &["--pid-file", "server.pid"]), 2, "", why);
    check(&reload_command(&here, &["--config", "a.toml"]), 2, "", why);
    let sent = format!("sent SIGHUP to process {pid}; its log has the outcome\n");
    check(&reload_command(&here, &["--pid", &pid.to_string()]), 0, &sent, "");
    let own = std::process::id().to_string();
    let refused = reload_command(&here, &["--pid", &own]);
    assert_eq!(refused.status.code(), Some(1));
    let refused = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.ends_with("not resound: the pid is an old one\n"), "{refused}");
    terminate(&server.child);
    let mut server = server;
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(!here.join("server.pid").exists() && !here.join("server.pid.reload").exists());
    let gone = reload_command(&here, &["--pid-file", "server.pid"]);
    assert_eq!(gone.status.code(), Some(1));
}

/// A terminal that is closed stops the program, and a SIGHUP while it is open reloads it.
#[test]
fn the_end_of_its_terminal_stops_a_program() {
    let here = folder("reload-terminal");
    fs::write(here.join("a.toml"), APP).unwrap();
    // The child of a fresh terminal; its log goes to a file, so that it outlives the terminal. SIGHUP has its default
    // action, even where nohup runs the tests.
    let script = "import os, pty, signal, sys, time\n\
        open('log', 'w').close()\n\
        pid, terminal = pty.fork()\n\
        if pid == 0:\n    \
            signal.signal(signal.SIGHUP, signal.SIG_DFL)\n    \
            log = os.open('log', os.O_WRONLY)\n    \
            os.dup2(log, 2)\n    \
            os.execv(sys.argv[1], sys.argv[1:])\n\
        def wait(part):\n    \
            end = time.time() + 20\n    \
            while part not in open('log').read():\n        \
                assert time.time() < end, open('log').read()\n        \
                time.sleep(0.02)\n\
        wait('server started')\n\
        os.kill(pid, signal.SIGHUP)\n\
        wait('the configuration is in use')\n\
        os.close(terminal)\n\
        wait('stopping')\n\
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let mut command = Command::new("python3");
    command.current_dir(&here).args(["-c", script, env!("CARGO_BIN_EXE_resound")]);
    command.args(["serve", "--config", "a.toml", "--host", "localhost", "--port", "0"]);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n", "{output:?}");
}
